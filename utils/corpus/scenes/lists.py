"""The word lists of the languages whose record names one, found by that name."""

import importlib
import importlib.util

from utils.corpus.scenes.word_list import WordList
from utils.languages import ALL
from utils.runs import UserError


def read_list(code: str, name: str) -> WordList:
    """The word list in `name`.py beside this file; raises UserError where it is missing or says another language."""
    place = f"utils/corpus/scenes/{name}.py"
    if importlib.util.find_spec(f"{__package__}.{name}") is None:
        raise UserError(f"the record of {code!r} names the word list {name!r}, but {place} is missing; write it as spanish.py is written")
    found = getattr(importlib.import_module(f"{__package__}.{name}"), "WORD_LIST", None)
    if not isinstance(found, WordList) or found.code != code:
        raise UserError(f"{place} must hold WORD_LIST = WordList(code={code!r}, …), as the record of {code!r} names it")
    return found


# Languages whose record names a word list; the words and grammars of the others stand in files of their own.
LISTS = {code: read_list(code, record.word_list) for code, record in ALL.items() if record.word_list}
