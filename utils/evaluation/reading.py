"""Read an answer about a scene: which kinds, numbers, colours, places and verdicts it states, in any language.

The reading is what makes "content right" a fact about meaning, not about wording: `cão` and `cachorro` are the same
kind, `castanho` and `marrom` the same colour, and agreement or word order do not count here.
"""

import functools
import itertools
import re
import unicodedata
from dataclasses import dataclass

from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.words import CATEGORIES, COLOURS, KINDS, NUMBERS
from utils.evaluation.answer_tables import without_long_runs
from utils.languages import ALL

ROWS = {  # the two words of a place, as they occur in answers
    "en": {"top": ("top", "upper"), "bottom": ("bottom", "lower"), "left": ("left",), "right": ("right",)},
    "pt": {
        "top": ("superior", "topo", "em cima", "de cima", "no alto"), "bottom": ("inferior", "fundo inferior", "em baixo", "embaixo", "de baixo"),
        "left": ("esquerdo", "esquerda"), "right": ("direito", "direita"),
    },
    "it": {"top": ("in alto",), "bottom": ("in basso",), "left": ("sinistra", "sinistro"), "right": ("destra", "destro")},
    **{code: words.sides for code, words in LISTS.items()},
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A meaning found in a text: its sort ("kind", "number", "colour", …), its value, and its word position."""

    sort: str
    value: object
    at: int


def fold(text: str) -> str:
    """Lower case without accents, in time linear in the text: a missing accent is a spelling slip, not another meaning."""
    plain = unicodedata.normalize("NFKD", without_long_runs(text.lower()))
    return "".join(c for c in plain if not unicodedata.combining(c))


def tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:-[^\W_]+)*['’]?", fold(text))


def _phrase(text: str) -> tuple[str, ...]:
    return tuple(tokens(text))


@functools.lru_cache(maxsize=32)
def lexicon(code: str) -> dict[tuple[str, ...], tuple[str, object]]:
    """Phrase (folded words) -> (sort, value) for one language; both Portuguese varieties take each other's words."""
    codes = ("pt-BR", "pt-PT") if code.startswith("pt") else (code,)
    entries: dict[tuple[str, ...], tuple[str, object]] = {}
    for language in codes:
        for value, forms in enumerate(NUMBERS[language]):
            entries |= {_phrase(form): ("number", value) for form in forms}
        for sort, named in (("colour", COLOURS), ("category", CATEGORIES), ("kind", KINDS)):
            for entry in named:
                entries |= {_phrase(form): (sort, entry.key) for form in entry.words[language].forms}
        record = ALL[language]
        entries |= {_phrase(word): ("yes", True) for word in record.yes}
        # "No" is also a number word in English ("no dog") and a contraction in Portuguese ("no canto"):
        # a verdict counts only at the start of an answer, see `read`.
        entries |= {_phrase(phrase): ("equal", True) for phrase in record.equal}
        if language in LISTS:
            entries |= {_phrase(form): ("colour", key) for key, form in LISTS[language].feminine.items()}
    for side, forms in ROWS.get(code, ROWS.get(code[:2], {})).items():
        entries |= {_phrase(form): ("side", side) for form in forms}
    if code.startswith("pt"):
        entries.pop(_phrase("no"), None)
    return entries


def read(text: str, code: str) -> list[Mark]:
    """Every mark in reading order, longest phrase first."""
    words, entries, marks, at = tokens(text), lexicon(code), [], 0
    longest = max(map(len, entries))
    verdicts = {_phrase(w): value for value, forms in ((True, ALL[code].yes), (False, ALL[code].no)) for w in forms}
    if words and (words[0],) in verdicts:
        marks.append(Mark("yes", verdicts[(words[0],)], 0))
        at = 1
    while at < len(words):
        for size in range(min(longest, len(words) - at), 0, -1):
            found = entries.get(tuple(words[at : at + size]))
            if found:
                marks.append(Mark(*found, at))
                at += size
                break
        else:
            at += 1
    return marks


def values(marks: list[Mark], sort: str) -> list:
    return [mark.value for mark in marks if mark.sort == sort]


def places(marks: list[Mark]) -> list[tuple[int, str]]:
    """(word position, place) for each top/bottom word followed closely by a left/right word."""
    sides = [m for m in marks if m.sort == "side"]
    found = []
    for first, second in itertools.pairwise(sides):
        if first.value in ("top", "bottom") and second.value in ("left", "right") and second.at - first.at <= 4:
            found.append((first.at, f"{first.value} {second.value}"))
    return found


def counted(marks: list[Mark]) -> dict[str, int]:
    """Kind -> number, for each kind that has a number (or an article) before it."""
    found: dict[str, int] = {}
    number = None
    for mark in marks:
        if mark.sort == "number":
            number = mark.value
        elif mark.sort == "kind":
            found[mark.value] = found.get(mark.value, 0) + (number if number is not None else 1)
            number = None
    return found


def answer_language(text: str, candidates: tuple[str, ...]) -> str | None:
    """Which candidate's words an answer is made of; None when nothing decides (an empty answer, one rare word).

    Measured apart from correctness. Every word of the word list counts, function words too; the candidate with
    more words wins, and a tie decides nothing.
    """
    words = tokens(text)
    scores = {code: sum(word in _vocabulary(code) for word in words) for code in candidates}
    best = max(scores.values(), default=0)
    winners = [code for code, score in scores.items() if score == best]
    return winners[0] if best and len(winners) == 1 else None


@functools.lru_cache(maxsize=32)
def _vocabulary(code: str) -> frozenset[str]:
    words = {word for phrase in lexicon(code) for word in phrase}
    return frozenset(words | {fold(word) for word in (*ALL[code].function_words, *ALL[code].yes, *ALL[code].no)})
