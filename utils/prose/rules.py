"""What a Portuguese block must share with its English piece: numbers, links, code, headings, lists, and the glossary's words."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from utils.prose.pages import LINK
from utils.runs import UserError

GLOSSARY = "docs/glossary.md"
LIMIT = 140  # words of one Portuguese cell; English cells have 120
CODE = re.compile(r"^ {0,3}```.*?^ {0,3}```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|(?<!\*)\*[^*\n]+\*(?!\*)")
WE = re.compile(r"\b(?:nós|a gente|noss[oa]s?|conosco|vamos|(?!(?:extr|supr|r)emos\b|ramos\b)\w+[ae]mos)\b", re.IGNORECASE)
THOU = re.compile(r"\b(?:tu|teus?|tuas?|contigo|vós|voss[oa]s?)\b", re.IGNORECASE)
EUROPEAN = re.compile(
    r"\b(?:ficheiros?|ecrãs?|utilizador(?:es)?|equipas?|rat[oa]s? do computador|registos?|controlos?|act[uo]al\w*|facto|contacto|"
    r"descarregar|telemóve(?:l|is)|pormenor(?:es)?|estou a \w+r|está a \w+r|estão a \w+r|a decorrer)\b",
    re.IGNORECASE,
)
SMALL_WORDS = {"de", "da", "do", "das", "dos"}


@dataclass(frozen=True)
class Term:
    """One line of the glossary."""

    english: str
    portuguese: str


def read_glossary(path: Path) -> tuple[Term, ...]:
    """The glossary's terms, from the table in docs/glossary.md; raises UserError for a line without four filled columns or a repeated term."""
    rows = [line.strip("| \n").split(" | ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    for row in rows:
        if len(row) != 4 or not all(cell.strip() for cell in row):
            raise UserError(f"{path}: the line of {row[0]!r} has not four filled columns; write English, Portuguese and both meanings")
    terms = tuple(Term(row[0].strip(), row[1].strip()) for row in rows[1:])
    if twice := sorted({t.english for t in terms if sum(t.english.lower() == o.english.lower() for o in terms) > 1}):
        raise UserError(f"{path}: {', '.join(twice)} stands there twice; keep one line")
    return terms


@cache
def english_form(term: str) -> re.Pattern:
    """The pattern that finds an English term or its plural as a whole word."""
    return re.compile(rf"(?<![\w-]){re.escape(term)}(?:e?s)?(?![\w-])", re.IGNORECASE)


@cache
def portuguese_forms(term: str) -> list[re.Pattern]:
    """A pattern for each word of a Portuguese term, which finds its plural and feminine too."""
    patterns = []
    for word in term.split():
        if word in SMALL_WORDS:
            continue
        cut = word[:-2] if len(word) > 5 else word[:-1] if len(word) == 5 else word
        stem = re.escape(word[:-2]) + "(?:ão|ões|ãos)" if word.endswith("ão") else re.escape(cut) + r"\w{0,4}"
        patterns.append(re.compile(rf"(?<!\w){stem}(?!\w)", re.IGNORECASE))
    return patterns


def plain(text: str) -> str:
    """The text without code, without the targets of links, and without link texts that are paths."""
    return LINK.sub(r"\1", re.sub(r"\[[^\]\s]*[./][^\]\s]*\](?=\()", "[]", CODE.sub(" ", text)))


def numbers(text: str) -> Counter:
    """The numbers of a text, 0.8 and 0,8 alike."""
    return Counter(re.sub(r"[.,]", "", found) for found in re.findall(r"\d+(?:[.,]\d+)*", plain(text)))


def faults(english: str, portuguese: str, terms: Sequence[Term], apart: Sequence[str] = ()) -> list[str]:
    """Every difference that no translation should make, each as one phrase; `apart` names terms that mean something else here."""
    found = []
    for what, read in (("numbers", numbers), ("code", _code), ("links", _links), ("headings", _headings), ("list items", _items)):
        ours, theirs = read(portuguese), read(english)
        if ours != theirs:
            more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
            found.append(f"{what} differ: " + "; ".join([f"not in English: {more}"] * bool(more) + [f"not in Portuguese: {less}"] * bool(less)))
    words = len(portuguese.split())
    if words > LIMIT >= 120 >= len(english.split()):
        found.append(f"{words} words; {LIMIT} at most")
    said = plain(portuguese)
    for pattern, why in ((WE, "speaks as “we”; write “você” or name who does it"), (THOU, "write “você”"), (EUROPEAN, "European Portuguese")):
        if word := pattern.search(QUOTED.sub(" ", said)):
            found.append(f"“{word[0]}”: {why}")
    return found + glossary_faults(plain(english), said, terms, apart)


def _code(text: str) -> Counter:
    return Counter(CODE.findall(text))


def _links(text: str) -> Counter:
    return Counter(target for _, target in LINK.findall(CODE.sub(" ", text)))


def _headings(text: str) -> Counter:
    return Counter(re.findall(r"^#+(?= )", CODE.sub(" ", text), re.MULTILINE))


def _items(text: str) -> Counter:
    return Counter(re.findall(r"^\s*(?:[-*+]|\d+\.)(?= )", CODE.sub(" ", text), re.MULTILINE))


def glossary_faults(english: str, portuguese: str, terms: Sequence[Term], apart: Sequence[str] = ()) -> list[str]:
    """Glossary terms that the English has and the Portuguese has not, and English terms left standing where the glossary has a Portuguese one."""
    found, rest, native, unquoted = [], english, portuguese_words(terms), QUOTED.sub(" ", portuguese)
    for term in sorted(terms, key=lambda t: -len(t.english)):  # "prompt format" before "prompt"
        pattern = english_form(term.english)
        used, rest = bool(pattern.search(rest)), pattern.sub(" ", rest)
        if term.english in apart:
            continue
        if used and not all(form.search(portuguese) for form in portuguese_forms(term.portuguese)):
            found.append(f"glossary: “{term.english}” is “{term.portuguese}”")
        if term.english.lower() not in native and pattern.search(unquoted):
            found.append(f"“{term.english}” is left in English; the glossary has “{term.portuguese}”")
    return found


def portuguese_words(terms: Sequence[Term]) -> set[str]:
    """All words of the Portuguese column: an English term that is one of them is no foreign word there."""
    return {word.lower() for term in terms for word in (term.portuguese, *term.portuguese.split())}
