"""Which words of the picture world tell two varieties of a language apart, and which of them stand in a text.

A word counts where the two word lists differ and its European form is not at home in Brazil. Checked on this world's corpus as the
offline English-Portuguese engine wrote it for Brazil: 0 of num, cinzento, cor-de-rosa, cor de laranja, foguetão, cato, bebé, ténis and
rapariga, 4 to 9 % camião, autocarro and comboio, half castanho (the engine learnt from both sides). Brazil's own form may be heard in
Portugal too ("menina", "rosa"), so a text is taken for European too seldom rather than too often.
"""

import functools
import re

from utils.corpus.scenes.portuguese import IN_A
from utils.corpus.scenes.words import COLOURS, KINDS, Word

SISTERS = {"pt-BR": "pt-PT", "pt-PT": "pt-BR"}
# The lists differ, and the European word is at home in Brazil too: cão (the engine wrote nothing else), rã. Assumed: our judgement.
AT_HOME_IN_BOTH = ("dog", "frog")  # categories are left out as a whole: only edifício differs, and it is
MEANING_IN_A = "in a"  # "num cartão" against "em um cartão"


def sister(code: str) -> str | None:
    """The other variety of the same language in the picture world; None where there is none."""
    return SISTERS.get(code)


def _forms(word: Word, adjective: bool) -> tuple[str, ...]:
    """What is written of a word; an adjective in -o also in the feminine. A hyphen may be missing."""
    forms = {word.singular, word.plural}
    if adjective:
        forms |= {re.sub("o(s?)$", r"a\1", form) for form in forms if " " not in form}
    return tuple(sorted(forms | {form.replace("-", " ") for form in forms}))


@functools.cache
def meanings(code: str) -> dict[str, tuple[str, ...]]:
    """Meaning (a kind, a colour, or "in a") -> the forms that only `code` has for it; empty for a language without a sister."""
    other = sister(code)
    if other is None:
        return {}
    found = {}
    for entries, adjective in ((KINDS, False), (COLOURS, True)):
        for entry in entries:
            if entry.words[code].singular != entry.words[other].singular and entry.key not in AT_HOME_IN_BOTH:
                theirs = _forms(entry.words[other], adjective)
                found[entry.key] = tuple(form for form in _forms(entry.words[code], adjective) if form not in theirs)
    return found | {MEANING_IN_A: (IN_A[code], f"{IN_A[code]}a")}


@functools.cache
def _pattern(code: str) -> tuple[re.Pattern, dict[str, tuple[str, str]]]:
    """All forms of both varieties, the longest first: the "rosa" of "cor-de-rosa" is no word of its own."""
    owner = {form: (which, meaning) for which in (code, sister(code)) for meaning, forms in meanings(which).items() for form in forms}
    listed = "|".join(re.escape(form) for form in sorted(owner, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])", re.IGNORECASE), owner


def own_words(text: str, code: str) -> list[tuple[int, int, str, str]]:
    """(start, end, variety, meaning) of each word in a text that only `code` or only its sister has."""
    if sister(code) is None:
        return []
    pattern, owner = _pattern(code)
    return [(*found.span(), *owner[found[0].lower()]) for found in pattern.finditer(text)]


def told_apart(text: str, other: str, code: str) -> bool:
    """Whether `text` has words of `code` and none of its sister, and `other` the reverse."""
    return {word[2] for word in own_words(text, code)} == {code} and {word[2] for word in own_words(other, code)} == {sister(code)}
