"""Everything a machine can hold against one translated row, turn by turn, whoever translated it."""

import re
from functools import lru_cache

from utils.languages import Language
from utils.translation.gates import Band, answer_reasons, sentence_reasons, turn_reasons
from utils.translation.identify import language_of, language_reasons
from utils.translation.segments import cut

_FRAME = re.compile(r"<image>|\r?\n")


def plain(text: str) -> str:
    """A turn's words alone, on one line."""
    return " ".join(_FRAME.sub(" ", text).split())


def source_reasons(row: dict) -> list[str]:
    """Why a row should not be translated at all: its text is not English. Short Latin text gets the benefit of the doubt."""
    text = plain(" ".join(turn["value"] for turn in row["conversations"]))
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > 0.3 * len(letters):
        return ["the source is not English"]
    found = language_of(text)
    return [f"the source is not English: it reads as {found}"] if found not in ("en", None) else []


def frame_reasons(source: dict, target: dict) -> list[str]:
    """Why a row is not the same row any more: id, image, other keys, number of turns, speakers."""
    reasons = [f"{name} changed" for name in sorted({*source, *target} - {"conversations"}) if source.get(name) != target.get(name)]
    speakers = [[turn.get("from") for turn in row["conversations"]] for row in (source, target)]
    if len(speakers[0]) != len(speakers[1]):
        reasons.append("number of turns changed")
    elif speakers[0] != speakers[1]:
        reasons.append("speakers changed")
    return reasons


@lru_cache(maxsize=8192)
def pairs(source: str, target: str) -> tuple[tuple[str, str], ...]:
    """Sentences of a turn beside their translations; the whole turn as one pair where their numbers differ."""
    before, after = ([piece.text for piece in cut(text) if piece.sent] for text in (source, target))
    if len(before) == len(after):
        return tuple(zip(before, after, strict=True))
    return ((plain(source), plain(target)),)


def row_reasons(source: dict, target: dict, language: Language, band: Band, memo: dict | None = None) -> list[str]:
    """Reasons against a translated row, each with its turn; an empty list when nothing is seen.

    `memo` keeps the verdicts on sentence pairs: rows of one block share most of theirs.
    """
    memo = {} if memo is None else memo
    reasons = frame_reasons(source, target)
    turns = list(zip(*([turn["value"] for turn in row["conversations"]] for row in (source, target)), strict=False))
    for number, (before, after) in enumerate(turns):
        found = turn_reasons(before, after)
        for pair in pairs(before, after):
            if pair not in memo:
                memo[pair] = sentence_reasons(*pair, language, band)
            found += memo[pair]
        found += language_reasons(plain(after), language)
        if number % 2:
            found += answer_reasons(turns[number - 1], (before, after))
        reasons += [f"turn {number}: {reason}" for reason in dict.fromkeys(found)]
    return reasons


def worst_pair(source: dict, target: dict, band: Band) -> tuple[float, int, str, str]:
    """(distance from the limit, turn, source, target) of the sentence nearest to the length gate's limit."""
    worst = (0.0, 0, "", "")
    for number, (before, after) in enumerate(zip(source["conversations"], target["conversations"], strict=True)):
        for pair in pairs(before["value"], after["value"]):
            worst = max(worst, (band.distance(*pair) / band.limit, number, *pair))
    return worst
