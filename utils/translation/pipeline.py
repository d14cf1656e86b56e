"""Translate LLaVA files: stream, cut, look up, translate once, gate, write. Nothing is lost: rows in = rows out + quarantine."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from utils.corpus.conversations import iter_rows, problems, rows_writer
from utils.languages import language as language_record
from utils.runs import UserError, atomic_file, file_hash, full_disk_told, lock, output_folder, read_json, text_hash, write_json, write_text
from utils.translation import back, gates, segments
from utils.translation.attempt import Voice
from utils.translation.block import Job, Outcome, blocks, pieces_of, say_all, sendable, shaped, translate_block
from utils.translation.calibration import calibrate
from utils.translation.engines import parse
from utils.translation.memory import Memory
from utils.translation.report import facts, page
from utils.translation.segments import wanted
from utils.translation.tally import FileCount, Tally
from utils.translation.watch import Watch, keep, look

BLOCK = 1000  # rows held at a time, whatever the size of the file
CALIBRATE_ROWS = 150  # rows at the head of each file that tell how long this engine's sentences are
QUARANTINE, REPORT, PAGE = "quarantine.jsonl", "report.json", "report.html"


def translate_files(
    paths: list[Path], out: Path, language: str, engine: str = "bergamot", memory_path: Path | None = None,
    second: str = "", back_translate: bool = False, workers: str = "", **settings: object,
) -> dict:  # fmt: skip
    """Translate LLaVA files into `out` under their own names; returns the report.

    Beside them: `quarantine.jsonl` (file, row, id, reasons, source, attempt), `report.json` and `report.html`. `engine` and
    `second` are `NAME` or `NAME:MODEL`; `settings` are fields of `Setup`; `workers` is a number, or `ray[:N]` for actors.
    Resumable: the memory keeps every finished sentence, and a finished folder is left as it is. Raises UserError.
    """
    started, paths, out = time.monotonic(), [Path(path) for path in paths], Path(out)
    _check_places(paths, out)
    if workers and not re.fullmatch(r"\d+|ray(:\d+)?", workers):
        raise UserError(f"--workers {workers!r} is unknown; give a number, ray or ray:NUMBER")
    if workers.isdigit():
        settings["workers"] = int(workers)
    record = language_record(language)
    voices = tuple(Voice(name, record, setup) for name, setup in (parse(text, **settings) for text in (engine, second) if text))
    if back_translate:
        back.check(record)
    job = Job(record, voices, tuple(voice.id for voice in voices), back=back_translate)
    inputs = text_hash([(path.name, _hash(path)) for path in paths], language, job.ids, back_translate, segments.VERSION, gates.VERSION)
    with lock(out):
        done = _finished(out, inputs)
        if done:
            print(f"translation: {out.name} is complete for these files, nothing to do")
            return done
        (out / REPORT).unlink(missing_ok=True)
        for left in out.glob(".*.part"):  # what a killed run had begun to write
            left.unlink()
        memory = Memory(memory_path or output_folder("memory") / "translations.sqlite", language, segments.VERSION)
        with closing(memory), full_disk_told(out):
            tally = Tally()
            job = replace(job, band=_band(paths, job, memory, tally))
            if workers.startswith("ray"):
                from utils.translation.scaleout import say_ahead

                say_ahead(lambda: _missing(paths, job, memory), job, memory, tally, workers)
            with atomic_file(out / QUARANTINE) as quarantine:
                for path in paths:
                    _translate_file(path, out, job, memory, tally, quarantine)
        report = facts(tally, job, round(time.monotonic() - started, 3))
        report |= {"inputs": inputs, "outputs": {path.name: _hash(out / path.name) for path in paths} | {QUARANTINE: _hash(out / QUARANTINE)}}
        write_text(out / PAGE, page(report))
        write_json(out / REPORT, report)
    return report


def _check_places(paths: list[Path], out: Path) -> None:
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path} is {'a folder' if path.is_dir() else 'missing'}; check the path")
    if len({path.name for path in paths}) < len(paths):
        raise UserError("two files have the same name and would overwrite each other; translate them into different folders")
    if any(path.name in (QUARANTINE, REPORT, PAGE) for path in paths):
        raise UserError(f"a file is named {QUARANTINE}, {REPORT} or {PAGE}: the results have these names; rename it")
    if any(path.resolve().parent == out.resolve() for path in paths):
        raise UserError(f"--out {out} holds the source files; choose another folder, they would be overwritten")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write in {out} ({error.strerror}); choose another folder with --out") from error


def _hash(path: Path) -> str:
    try:
        return file_hash(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its rights") from error


def _finished(out: Path, inputs: str) -> dict | None:
    """The report of a run that is complete for these inputs and whose files are untouched, or None."""
    try:
        report = read_json(out / REPORT)
        same = isinstance(report, dict) and report.get("inputs") == inputs
        return report if same and all(file_hash(out / name) == known for name, known in report["outputs"].items()) else None
    except (UserError, OSError, KeyError, AttributeError):
        return None


def _band(paths: list[Path], job: Job, memory: Memory, tally: Tally) -> gates.Band:
    """The length gate's band for this engine and this corpus, from the head of each file."""
    heads = [row for path in paths for _, row in zip(range(CALIBRATE_ROWS), iter_rows(path), strict=False) if sendable(row)]
    said, failed = say_all([pieces_of(row) for row in heads], job, 0, memory, tally)
    return calibrate((failed | said).items())


def _missing(paths: list[Path], job: Job, memory: Memory) -> Iterator[str]:
    """Every text that the first engine must still be asked for, over all files, nearly each once."""
    for path in paths:
        for rows in blocks((row for row in iter_rows(path) if sendable(row)), BLOCK):
            plans = [pieces_of(row) for row in rows]
            texts = [part.sent for turns in plans for pieces in turns for piece in pieces for part in (piece, *piece.parts) if part.sent]
            said, failed = memory.get(texts, job.ids[0]), memory.get(texts, job.ids[0], "failed")
            new = dict.fromkeys(text for turns in plans for pieces in turns for piece in pieces for text in wanted(piece, said, failed))
            yield from memory.note(new, "ahead")


def _translate_file(path: Path, out: Path, job: Job, memory: Memory, tally: Tally, quarantine) -> None:
    count = tally.files[path.name] = FileCount()
    watch = Watch(path, tally)
    with rows_writer(out / path.name) as write:
        for numbered in blocks(enumerate(iter_rows(path)), BLOCK):
            good = [row for _, row in numbered if shaped(row)]
            look(path.name, [row for row in good if sendable(row)], job, memory, tally)
            outcomes = iter(translate_block(good, job, memory, tally))
            for number, row in numbered:
                outcome = next(outcomes) if shaped(row) else Outcome(None, [p.problem for p in problems([row])] or ["no turns with text"], 0)
                entry = _sort(count, job, tally, path.name, number, row, outcome)
                if entry:
                    quarantine.write(json.dumps(entry, ensure_ascii=False) + "\n")
                else:
                    write(outcome.attempt)
            watch.tell(count.rows)
    if count.rows != count.translated + count.quarantined:
        raise AssertionError(f"{path.name}: {count.rows} rows in, {count.translated} out and {count.quarantined} quarantined")


def _sort(count: FileCount, job: Job, tally: Tally, name: str, number: int, row: object, outcome: Outcome) -> dict | None:
    """Count one row's outcome; the quarantine's entry for a row that did not pass, None for one that did."""
    count.rows += 1
    task = count.tasks.setdefault(_task(row, name), [0, 0])
    task[0] += 1
    if not outcome.reasons:
        count.translated += 1
        count.second += outcome.voice > 0
        keep(tally, name, row, outcome.attempt, job)
        return None
    count.quarantined += 1
    task[1] += 1
    count.reasons.update({re.sub(r"^turn \d+: | \(chrF \d+\)$", "", reason) for reason in outcome.reasons})
    tried = [voice.name for voice in job.voices] if shaped(row) else []
    row_id = row.get("id") if isinstance(row, dict) else None
    return {"file": name, "row": number, "id": row_id, "reasons": outcome.reasons, "engines": tried, "source": row, "attempt": outcome.attempt}


def _task(row: object, name: str) -> str:
    """What a row asks for: its own `task`, else the kind that its file's name tells."""
    if isinstance(row, dict) and isinstance(row.get("task"), str):
        return row["task"]
    kind = re.match(r"(conversation|detail|complex_reasoning)", name)
    return kind.group(1) if kind else Path(name).stem
