"""Gates: what a machine can see of a bad translation without a reference. None of them sees a changed meaning.

Sentence gates decide what is stored and what is asked again; turn gates look at the structure around the sentences; row
gates (rows.py) put them together. Rules cost microseconds; the slow one, translating back, runs only on request.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

from utils.corpus.conversations import IMAGE_TOKEN, MANGLED
from utils.languages import Language
from utils.translation import numbers
from utils.translation.options import options_of, same
from utils.translation.segments import PROTECTED, cut

VERSION = "1"  # a finished folder is done again when the gates change: raise it then
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_MOJIBAKE = re.compile("\ufffd|Ã[\u00a0-\u00bf©£¡§³µªº­]|Â[\u00a0-\u00bf]|â€")
_LEAKED = re.compile(r"</?s>|<unk>|<pad>|&(?:quot|amp|lt|gt|#\d+);|\bASSISTANT:|\bUSER:|\bHuman:|▁|⁇")
_MARKER = re.compile(r"\s*(?:[-*•]|\(?\w{1,3}[.):]\)?)\s+|\(\w\)\s*")
_CLOSED = re.compile(r"[.!?…:;]+[\"'”’)\]*_`]*$")


@dataclass(frozen=True)
class Band:
    """How long a translation may be: the log of target over source characters is near `mean`, give or take `limit` × `spread`.

    Short texts vary more: below `full` characters the spread grows with the root of what is missing.
    """

    mean: float = 0.07
    spread: float = 0.17
    full: int = 40
    limit: float = 4.0

    def distance(self, source: str, target: str) -> float:
        """How far out a translation's length is, in spreads."""
        if not source or not target:
            return 99.0
        return abs(log(len(target) / len(source)) - self.mean) / (self.spread * sqrt(max(1.0, self.full / len(source))))


def _end(text: str) -> str:
    """How a sentence closes: as a question, in any other way, or not at all."""
    closed = _CLOSED.search(text.rstrip())
    return "open" if not closed else "question" if "?" in closed.group() else "closed"


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def sentence_reasons(source: str, target: str, language: Language, band: Band = Band()) -> list[str]:
    """Why one translated sentence cannot be right; an empty list when nothing is seen."""
    if not target.strip():
        return ["empty"]
    reasons = []
    said, read = words(target), words(source)
    if target.strip().casefold() == source.strip().casefold() and _is_clause(source):
        reasons.append("copy of the source")
    elif _english_left(read, said, language):
        reasons.append("words left in English")
    if numbers.differ(source, target, language):
        reasons.append("numbers differ")
    if band.distance(source, target) > band.limit:
        reasons.append("length out of band")
    if len(read) >= 4 and _end(source) != _end(target):
        reasons.append("end mark differs")
    if "\n" in target or IMAGE_TOKEN in target or any(form in target and form not in source for form in MANGLED):
        reasons.append("markup appeared")
    leaked = set(_LEAKED.findall(target)) - set(_LEAKED.findall(source))
    if leaked:
        reasons.append("markup leaked")
    if loops(target) and not loops(source):
        reasons.append("repeats itself")
    if _MOJIBAKE.search(target) and not _MOJIBAKE.search(source):
        reasons.append("broken characters")
    return reasons


def _is_clause(text: str) -> bool:
    """True for a text that cannot stay as it is: four words, or two of which one after the first is small (names are not)."""
    found = _WORD.findall(text)
    return len(found) >= 4 or any(word.islower() for word in found[1:])


def _english_left(read: list[str], said: list[str], language: Language) -> bool:
    """True when English function words, or much of the source's own words, stand in the target."""
    if len(said) < 6:
        return False
    foreign = sum(word in _ENGLISH and word not in language.function_words for word in said)
    source = {word for word in read if len(word) >= 4}
    kept = sum(len(word) >= 4 and word in source for word in said) / max(1, sum(len(word) >= 4 for word in said))
    return foreign >= max(2, 0.15 * len(said)) or (kept > 0.6 and foreign >= 1)


# English words that are no words of Portuguese or Italian.
_ENGLISH = frozenset(
    "the is are was were with and of to from this that these those there which who what where when his her their they it its "
    "be been being has have had will would could should can for by on at into about between while not also some other".split()
)


def loops(text: str) -> bool:
    """True when a run of words stands again and again: one word four times in a row, or three words four times in all."""
    said = words(text)
    if any(len(set(said[i : i + 4])) == 1 for i in range(len(said) - 3)) or re.search(r"([^\s.\-_=*~0-9])\1{6,}", text):
        return True
    runs = Counter(tuple(said[i : i + 3]) for i in range(len(said) - 2))
    return max(runs.values(), default=0) >= max(4, len(said) // 12)


@dataclass(frozen=True)
class Shape:
    """What a translation must leave as it is in one turn."""

    frame: tuple[str, ...]  # image tokens and line breaks in order
    ends: tuple[bool, bool]  # does the turn begin, end with the image token
    markers: tuple[str, ...]  # list markers and option letters in order
    protected: tuple[str, ...]  # code, URLs, boxes, sorted
    options: tuple[tuple[str, str], ...]
    sentences: int


@lru_cache(maxsize=8192)
def shape(text: str) -> Shape:
    """The shape of a turn."""
    pieces = cut(text)
    return Shape(
        tuple(re.findall(r"<image>|\n", text)),
        (text.startswith(IMAGE_TOKEN), text.endswith(IMAGE_TOKEN)),
        tuple(piece.text.strip() for piece in pieces if not piece.sent and _MARKER.fullmatch(piece.text)),
        tuple(sorted(found for found in PROTECTED.findall(text) if found != IMAGE_TOKEN and found not in MANGLED)),
        tuple(options_of(pieces)),
        sum(bool(piece.sent) and bool(_CLOSED.search(piece.text)) for piece in pieces),
    )


def turn_reasons(source: str, target: str) -> list[str]:
    """Why the structure of a turn is broken: tokens, line breaks, markers, protected texts, options, sentences."""
    before, after, reasons = shape(source), shape(target), []
    if before.frame != after.frame:
        reasons.append("image token or line breaks moved")
    elif before.ends != after.ends:
        reasons.append("image token changed sides")
    if any(form in target and form not in source for form in MANGLED):
        reasons.append("image token mangled")
    if before.markers != after.markers:
        reasons.append("list markers or option letters differ")
    if before.protected != after.protected:
        reasons.append("code, URL or box differs")
    if len(before.options) != len(after.options) or not all(text for _, text in after.options):
        reasons.append("options differ in number")
    elif len({same(text) for _, text in after.options}) < len({same(text) for _, text in before.options}):
        reasons.append("two options became one")
    lost = before.sentences - after.sentences
    if lost > 0:
        reasons.append("sentence lost")
    elif lost < -max(1, before.sentences // 4):
        reasons.append("sentence added")
    return reasons


def answer_reasons(question: tuple[str, str], answer: tuple[str, str]) -> list[str]:
    """LLaVA-NDiNO's third check on (source, target) pairs: an answer that repeated an option still repeats that option."""
    before, after = (options_of(cut(text)) for text in question)
    for (_, option), (_, translated) in zip(before, after, strict=False):
        if option and same(answer[0]) == same(option):
            return [] if same(answer[1]) == same(translated) else ["the answer is no option any more"]
    return []
