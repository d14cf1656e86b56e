"""Translate back and compare, on request: it finds a text about something else, not a "not" too many (tests/test_gates.py).

Only the offline engine's pair goes both ways.
"""

from collections.abc import Iterable
from functools import cache

from utils.languages import Language
from utils.runs import UserError
from utils.translation.engines import bergamot
from utils.translation.row_gates import plain

LIMIT = 30.0  # chrF below which the round trip is another text
SHORT = 50  # characters, below which a good synonym weighs too much


@cache
def _chrf():
    from sacrebleu.metrics import CHRF

    return CHRF()


def check(language: Language) -> None:
    """Raises UserError when the language has no engine for the way back."""
    if language.code not in bergamot.BACK:
        raise UserError(f"nothing here translates {language.code} back into English; leave --back-translate out")


def back_reasons(turns: Iterable[tuple[str, str]], language: Language) -> list[list[str]]:
    """For each (source turn, target turn) the reasons against it after the round trip."""
    turns = [(plain(before), plain(after)) for before, after in turns]
    targets = list(dict.fromkeys(after for _, after in turns if after))
    english = dict(zip(targets, bergamot.back(targets, language.code), strict=True))
    reasons = []
    for before, after in turns:
        score = _chrf().sentence_score(english.get(after, ""), [before]).score if len(before) >= SHORT else 100.0
        reasons.append([f"reads differently translated back (chrF {score:.0f})"] if score < LIMIT else [])
    return reasons
