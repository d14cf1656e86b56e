"""Numbers as values, read by the habits of a language: 1,500 in English is 1.500 in Portuguese, and 3,5 is not 35."""

import re
from collections import Counter
from decimal import Decimal

from utils.languages import ENGLISH, Language

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def value(number: str, decimal: str) -> Decimal | str:
    """The value of a written number where `decimal` marks the fraction; dates and versions (1.2.3) stay text.

    A lone separator before any other than three digits marks a fraction in every language: 3.5 in a Portuguese text is a
    foreign habit, not another number. Before three digits it is read strictly: 1.500 is 1500 in Portuguese, 1.5 in English.
    """
    thousands = "," if decimal == "." else "."
    if re.fullmatch(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\{decimal}\d+)?", number):
        return Decimal(number.replace(thousands, "").replace(decimal, ".")).normalize()
    if re.fullmatch(r"\d+(?:[.,]\d+)?", number):
        return Decimal(number.replace(",", ".")).normalize()
    return number


def values(text: str, decimal: str) -> Counter:
    """Every number of a text with how often it stands there."""
    return Counter(value(number, decimal) for number in _NUMBER.findall(text))


def differ(source: str, target: str, language: Language) -> bool:
    """True when a number got lost, changed or added; a small number may turn from digits into a word, or back."""
    before, after = values(source, ENGLISH.decimal), values(target, language.decimal)
    if before == after:
        return False
    return _unnamed(before - after, target, language) or _unnamed(after - before, source, ENGLISH)


def _unnamed(missing: Counter, text: str, language: Language) -> bool:
    """True when a number of `missing` does not stand in `text` as a word either."""
    said = set(re.findall(r"\w+", text.lower()))
    return any(not set(language.numerals.get(f"{number:f}" if isinstance(number, Decimal) else number, ())) & said for number in missing)
