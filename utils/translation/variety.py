"""Brazilian or European Portuguese: counted over a corpus, because most rows hold no word that decides it."""

import re
from functools import cache

from utils.languages import LANGUAGES, Language


@cache
def _pattern(marks: str) -> re.Pattern:
    return re.compile(rf"\b(?:{marks})\b", re.IGNORECASE)


def siblings(language: Language) -> list[Language]:
    """The varieties of the same language that have words of their own."""
    return [other for other in LANGUAGES.values() if other.marks and other.code[:2] == language.code[:2]]


def marks_in(text: str, language: Language) -> dict[str, int]:
    """How many words of each variety stand in a text."""
    return {other.code: len(_pattern(other.marks).findall(text)) for other in siblings(language)}


def verdict(counts: dict[str, int]) -> str:
    """The variety of a corpus: the one with four marks in five, else "mixed"; "undecided" below twenty marks."""
    total = sum(counts.values())
    if total < 20:
        return "undecided"
    best = max(counts, key=counts.get)
    return best if counts[best] >= 0.8 * total else "mixed"
