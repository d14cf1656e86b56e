"""Translate a block of rows: gather what is unsaid, ask, gate, put together; failing rows get a second engine."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from utils.languages import Language
from utils.translation.attempt import Voice, attempt
from utils.translation.back import back_reasons
from utils.translation.gates import Band
from utils.translation.memory import Memory
from utils.translation.options import cut_row, join_row
from utils.translation.row_gates import row_reasons, source_reasons
from utils.translation.segments import Piece, settled, wanted
from utils.translation.tally import Tally

KEEP = 64  # translations between two writes to the memory: at most so many are lost with a kill
Turns = list[Sequence[Piece]]  # the pieces of each turn of a row
ASKED = "asked"  # the scope of texts that went to an engine in this run


@dataclass(frozen=True)
class Job:
    """What one run does: the language, the engines in the order in which they are tried, the gates."""

    language: Language
    voices: tuple[Voice, ...]
    ids: tuple[str, ...]  # the voices' ids
    band: Band = Band()
    back: bool = False


@dataclass(frozen=True)
class Outcome:
    """One row after all tries: its best attempt, the reasons against it (none: it is kept) and which engine spoke."""

    attempt: dict | None
    reasons: list[str]
    voice: int


def blocks(items: Iterable, size: int) -> Iterator[list]:
    """Lists of up to `size` items."""
    items = iter(items)
    while block := list(islice(items, size)):
        yield block


def shaped(row: object) -> bool:
    """True when a row has turns with text: enough to translate it, whatever else is wrong with it."""
    turns = row.get("conversations") if isinstance(row, dict) else None
    return isinstance(turns, list) and bool(turns) and all(isinstance(t, dict) and isinstance(t.get("value"), str) for t in turns)


def sendable(row: object) -> bool:
    """True for a row that may go to an engine: it has turns with text, and the text is English."""
    return shaped(row) and not source_reasons(row)


def pieces_of(row: dict) -> Turns:
    return cut_row([turn["value"] for turn in row["conversations"]])


def unsaid(plans: Iterable[Turns], said: Mapping[str, str], failed: Mapping[str, str]) -> list[str]:
    """Every text that an engine must still be asked for, each once, in order."""
    return list(dict.fromkeys(text for turns in plans for pieces in turns for piece in pieces for text in wanted(piece, said, failed)))


def say_all(plans: list[Turns], job: Job, voice: int, memory: Memory, tally: Tally) -> tuple[dict[str, str], dict[str, str]]:
    """Translations and failed attempts of everything in `plans`: from memory, else from the engine, which is then stored."""
    name, said, failed = job.ids[voice], {}, {}
    while texts := unsaid(plans, said, failed):
        known = memory.get(texts, name)
        lost = memory.get([text for text in texts if text not in known], name, "failed")
        said |= known
        failed |= lost
        asked = [text for text in texts if text not in known and text not in lost]
        ask(asked, job, voice, memory, tally, said, failed)
        if unsettled := [text for text in asked if text not in said and text not in failed]:
            raise AssertionError(f"{name} gave no answer of any kind to {len(unsettled)} texts, the first: {unsettled[0]!r}")
    return said, failed


def ask(texts: list[str], job: Job, voice: int, memory: Memory, tally: Tally, said: dict[str, str], failed: dict[str, str]) -> None:
    """Ask the engine and sort its answers into `said` (stored in the memory) and `failed` (known to this run only)."""
    fresh: dict[str, str] = {}
    memory.note(texts, ASKED)
    try:
        for text, target, reasons, tries in attempt(texts, job.voices[voice], job.band):
            tally.sent += tries
            tally.characters_sent += tries * len(text)
            if reasons:
                failed[text] = target
                memory.put({text: target}, job.ids[voice], "failed")
            else:
                fresh[text] = target
            if len(fresh) >= KEEP:
                memory.put(fresh, job.ids[voice])
                said |= fresh
                fresh = {}
    finally:  # what was said before an engine gave up is kept
        memory.put(fresh, job.ids[voice])
        said |= fresh


def translate_block(rows: list[dict], job: Job, memory: Memory, tally: Tally) -> list[Outcome]:
    """The outcome of every row: gated, tried by the second engine where the first one's row fails."""
    foreign = [source_reasons(row) for row in rows]
    plans = [[] if reasons else pieces_of(row) for row, reasons in zip(rows, foreign, strict=True)]
    english = [number for number, reasons in enumerate(foreign) if not reasons]
    outcomes = [Outcome(None, reasons, 0) for reasons in foreign]
    first = _try([rows[n] for n in english], [plans[n] for n in english], job, 0, memory, tally)
    for number, outcome in zip(english, first, strict=True):
        outcomes[number] = outcome
    bad = [number for number in english if outcomes[number].reasons]
    for voice in range(1, len(job.voices)):
        again = _try([rows[n] for n in bad], [plans[n] for n in bad], job, voice, memory, tally)
        for number, outcome in zip(bad, again, strict=True):
            if not outcome.reasons:
                outcomes[number] = outcome
        bad = [number for number in bad if outcomes[number].reasons]
    return outcomes


def _try(rows: list[dict], plans: list[Turns], job: Job, voice: int, memory: Memory, tally: Tally) -> list[Outcome]:
    said, failed = say_all(plans, job, voice, memory, tally)
    memo: dict = {}
    outcomes = []
    for row, plan in zip(rows, plans, strict=True):
        target = copy.deepcopy(row)
        for turn, text in zip(target["conversations"], join_row(plan, said, failed), strict=True):
            turn["value"] = text
        outcomes.append(Outcome(target, row_reasons(row, target, job.language, job.band, memo), voice))
        for pieces in plan:
            tally.joined.update("whole" if settled(p, said) is not None else "broken" for p in pieces if p.joined and not voice)
    return _back(rows, outcomes, job) if job.back else outcomes


def _back(rows: list[dict], outcomes: list[Outcome], job: Job) -> list[Outcome]:
    """The same outcomes with the reasons of the round trip added to rows that had none."""
    places = [(n, k) for n, outcome in enumerate(outcomes) if not outcome.reasons for k in range(len(rows[n]["conversations"]))]
    turns = [(rows[n]["conversations"][k]["value"], outcomes[n].attempt["conversations"][k]["value"]) for n, k in places]
    for (n, k), reasons in zip(places, back_reasons(turns, job.language), strict=True):
        outcomes[n].reasons.extend(f"turn {k}: {reason}" for reason in reasons)
    return outcomes
