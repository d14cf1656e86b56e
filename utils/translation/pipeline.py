"""Translate LLaVA files: cut, look up, translate once, gate, write. Nothing is lost: rows in = rows out + quarantine."""

import copy
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from utils.corpus.conversations import Problem, problems, read_rows, write_rows
from utils.languages import language as language_record
from utils.runs import UserError, lock, output_folder, write_json, write_text
from utils.translation import segments
from utils.translation.engines import engine as engine_named
from utils.translation.gates import sentence_reasons, turn_reasons
from utils.translation.memory import Memory

BATCH = 256  # sentences between two writes to the memory: at most this much work is done twice after a kill
QUARANTINE, REPORT = "quarantine.jsonl", "report.json"


@dataclass
class Tally:
    """Counts of one run; every number of the report comes from here."""

    files: dict[str, dict] = field(default_factory=dict)
    reasons: Counter = field(default_factory=Counter)
    characters_alone: int = 0  # what the engine would read if each file were translated by itself, turn by turn
    characters_unique: int = 0
    characters_sent: int = 0
    sentences: int = 0
    unique: int = 0
    from_memory: int = 0


def _gather(files: dict[Path, list], tally: Tally) -> list[str]:
    """Unique sentences of all files in order of first appearance."""
    seen: dict[str, None] = {}
    for rows in files.values():
        for row in rows:
            for turn in row["conversations"]:
                for piece in segments.cut(turn["value"]):
                    if piece.sent:
                        tally.sentences += 1
                        tally.characters_alone += len(piece.text)
                        seen.setdefault(piece.text)
    tally.unique, tally.characters_unique = len(seen), sum(map(len, seen))
    return list(seen)


def _translate_all(texts: list[str], memory: Memory, engine, language: str, tally: Tally) -> dict[str, str]:
    """Every text's translation, from memory or engine; failed ones are retried once and never stored."""
    said = memory.get(texts)
    tally.from_memory = len(said)
    missing = [text for text in texts if text not in said]
    started = time.monotonic()
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        fresh = dict(zip(batch, engine.translate(batch, language), strict=True))
        bad = [text for text, target in fresh.items() if sentence_reasons(text, target)]
        if bad:
            fresh |= dict(zip(bad, engine.translate(bad, language), strict=True))
        tally.characters_sent += sum(map(len, batch)) + sum(map(len, bad))
        memory.put({text: target for text, target in fresh.items() if not sentence_reasons(text, target)})
        said |= fresh
        done = start + len(batch)
        if start // BATCH % 8 == 7 or done == len(missing):
            rate = done / (time.monotonic() - started)
            print(f"translation: {done}/{len(missing)} sentences, {rate:.0f} a second", file=sys.stderr, flush=True)
    return said


def translate_row(row: dict, said: dict[str, str]) -> tuple[dict, list[str]]:
    """A row in the target language and the reasons against it, each with its turn; other keys stay as they are."""
    result, reasons = copy.deepcopy(row), []
    for number, turn in enumerate(result["conversations"]):
        source, pieces = turn["value"], segments.cut(turn["value"])
        turn["value"] = segments.join(pieces, said)
        found = [r for piece in pieces if piece.sent for r in sentence_reasons(piece.text, said[piece.text])]
        reasons += [f"turn {number}: {reason}" for reason in dict.fromkeys(found + turn_reasons(source, turn["value"]))]
    return result, reasons


def _read_all(paths: list[Path]) -> tuple[dict[Path, list], dict[Path, list[tuple[int, list[Problem]]]]]:
    """Sound rows per file, and the rows that cannot be translated with their problems."""
    if len({path.name for path in paths}) < len(paths):
        raise UserError("two files have the same name and would overwrite each other; translate them into different folders")
    sound, unsound = {}, {}
    for path in paths:
        rows = read_rows(path)
        by_row: dict[int, list[Problem]] = {}
        for problem in problems(rows):
            by_row.setdefault(problem.row, []).append(problem)
        broken = {n for n, row in enumerate(rows) if not _shaped(row)}
        sound[path] = [row for n, row in enumerate(rows) if n not in broken]
        unsound[path] = [(n, by_row.get(n, [])) for n in sorted(broken)]
        for n, found in by_row.items():
            if n not in broken:
                print(f"{path.name}: {found[0]}", file=sys.stderr)
    return sound, unsound


def _shaped(row: object) -> bool:
    """True when a row has turns with text: enough to translate it, whatever else is wrong with it."""
    turns = row.get("conversations") if isinstance(row, dict) else None
    return isinstance(turns, list) and bool(turns) and all(isinstance(t, dict) and isinstance(t.get("value"), str) for t in turns)


def translate_files(paths: list[Path], out: Path, language: str, engine: str = "bergamot", memory_path: Path | None = None) -> dict:
    """Translate LLaVA files into `out` under their own names; returns the report.

    Beside them: `quarantine.jsonl` (row, reasons, source, attempt) and `report.json`. Rows that are no LLaVA rows
    go to quarantine too. Resumable: the memory keeps every finished sentence. Raises UserError on unreadable files.
    """
    language_record(language)
    chosen, out, started = engine_named(engine), Path(out), time.monotonic()
    paths = [Path(path) for path in paths]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write in {out} ({error.strerror}); choose another folder with --out") from error
    if any(path.resolve().parent == out.resolve() for path in paths):
        raise UserError(f"--out {out} holds the source files; choose another folder, they would be overwritten")
    sound, unsound = _read_all(paths)
    tally = Tally()
    with lock(out):
        texts = _gather(sound, tally)
        memory = Memory(memory_path or output_folder("memory") / "translations.sqlite", language, chosen.engine_id(language), segments.VERSION)
        try:
            said = _translate_all(texts, memory, chosen, language, tally)
        finally:
            memory.close()
        quarantined = []
        for path, rows in sound.items():
            quarantined += _write_file(path, out, rows, unsound[path], said, tally)
        write_text(out / QUARANTINE, "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in quarantined))
        report = _report(tally, language, chosen.engine_id(language), time.monotonic() - started)
        write_json(out / REPORT, report)
    return report


def _write_file(path: Path, out: Path, rows: list[dict], unsound: list, said: dict[str, str], tally: Tally) -> list[dict]:
    kept, quarantined = [], []
    for number, found in unsound:
        quarantined.append({"file": path.name, "row": number, "reasons": [p.problem for p in found], "source": None, "attempt": None})
    for row in rows:
        attempt, reasons = translate_row(row, said)
        if reasons:
            quarantined.append({"file": path.name, "row": row.get("id"), "reasons": reasons, "source": row, "attempt": attempt})
        else:
            kept.append(attempt)
    tally.reasons.update(reason.partition(": ")[2] or reason for entry in quarantined for reason in entry["reasons"])
    total = len(rows) + len(unsound)
    if total != len(kept) + len(quarantined):
        raise AssertionError(f"{path.name}: {total} rows in, {len(kept)} out and {len(quarantined)} quarantined")
    tally.files[path.name] = {"rows": total, "translated": len(kept), "quarantined": len(quarantined)}
    write_rows(out / path.name, kept)
    return quarantined


def _report(tally: Tally, language: str, engine_id: str, seconds: float) -> dict:
    return {
        "language": language, "engine": engine_id, "files": tally.files, "reasons": dict(tally.reasons), "sentences": tally.sentences,
        "unique_sentences": tally.unique, "from_memory": tally.from_memory, "characters_alone": tally.characters_alone,
        "characters_unique": tally.characters_unique, "characters_sent": tally.characters_sent, "seconds": round(seconds, 1),
        "note": "No gate sees a changed meaning: read samples by eye.",
    }  # fmt: skip
