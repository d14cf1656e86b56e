"""Prediction and gold files made anywhere: read them whatever their layout, join them by id, tell everything that does not fit at once."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from utils.runs import UserError

IDS = ("id", "question_id", "questionId", "sample_id")
SHOWN = 10  # ids told of each sort of problem
_LISTS = ("rows", "answers", "annotations", "questions")


@dataclass
class Column:
    """What a file says of each id, and what is wrong with the file."""

    path: Path
    values: dict[str, object] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


def text_of(path: Path) -> str:
    """A text file, unpacked when it is gzip; raises UserError: missing, unreadable, torn, no UTF-8."""
    try:
        raw = Path(path).read_bytes()
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (gzip.BadGzipFile, EOFError, ValueError) as error:
        raise UserError(f"{path} is gzip that breaks off ({error}); make it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); check the path and its rights") from error


def records_of(path: Path) -> tuple[list, list[str]]:
    """The rows of a .json, .jsonl or .tsv file or a gzip of one, and the keys that a dict by id holds twice.

    The content decides between JSON and JSON Lines. Raises UserError naming the line that cannot be read.
    """
    text = text_of(path)
    if Path(path).name.removesuffix(".gz").lower().endswith((".tsv", ".csv")):
        return _table(path, text), []
    start = text.lstrip()[:1]
    if start == "[":
        return _parsed(path, text), []
    if start != "{":
        raise UserError(f"{path} is neither JSON nor JSON Lines (it starts with {text[:12]!r}); name a .json, .jsonl or .tsv file")
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith("}"):
        return _lines(path, text, lines), []
    return _by_id(path, text)


def _parsed(path: Path, text: str, hook: Callable | None = None) -> object:
    try:
        return json.loads(text, object_pairs_hook=hook)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{path} is not JSON ({where}); make it again, it may be cut off") from error


def _lines(path: Path, text: str, lines: list[str]) -> list:
    try:
        found = json.loads(f"[{','.join(lines)}]")  # one call for all lines is three times as fast as one a line
        if len(found) == len(lines):
            return found
    except (ValueError, RecursionError):
        pass
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            line.strip() and json.loads(line)
        except (ValueError, RecursionError) as error:
            told = getattr(error, "msg", None) or str(error)
            raise UserError(f"{path} is not JSON Lines (line {number}: {told}); mend that line, it may be cut off") from error
    return [json.loads(line) for line in lines]


def _by_id(path: Path, text: str) -> tuple[list, list[str]]:
    """A dict by id as rows: of records (GQA), of plain answers, or one that holds the list of rows."""
    twice: list[str] = []

    def hook(pairs: list[tuple[str, object]]) -> dict:
        made = dict(pairs)
        if len(made) < len(pairs):
            seen: set[str] = set()
            twice.extend(key for key, _ in pairs if key in seen or seen.add(key))
        return made

    whole = _parsed(path, text, hook)
    if any(key in whole for key in IDS):
        return [whole], twice
    for name in _LISTS:
        if isinstance(whole.get(name), list):
            return whole[name], twice
    return [{"id": key, **value} if isinstance(value, dict) else {"id": key, "answer": value, "gold": value} for key, value in whole.items()], twice


def _table(path: Path, text: str) -> list[dict]:
    csv.field_size_limit(sys.maxsize)  # an answer may be a megabyte
    try:
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    except csv.Error as error:
        raise UserError(f"{path} is not a table of tab-separated columns ({error}); write it again with a TSV writer") from error


def read_column(path: Path, names: tuple[str, ...], value: Callable, groups: tuple[str, ...] = (), whole: bool = False) -> Column:
    """For each id the value under the first of `names` that the file has, as `value` reads it (ValueError: what is wrong).

    With `whole`, `value` reads the whole row. Ids may be text or whole numbers. A row that cannot be read is kept in `bad`, an id that comes again in `twice`.
    """
    records, doubled = records_of(path)
    column = Column(Path(path), twice=doubled)
    if not records:
        raise UserError(f"{path} has no rows; make it again")
    head = records[0] if isinstance(records[0], dict) else {}
    key, name = next((k for k in IDS if k in head), None), next((n for n in names if n in head), None)
    group = next((g for g in groups if g in head), None)
    if (key is None and not _scene_rows(head)) or name is None:
        wanted = f"{' or '.join(IDS)} and {' or '.join(names)}"
        raise UserError(f"{path} has no columns {wanted} (its first row has: {', '.join(map(str, head)) or 'none'}); rename its columns")
    for number, record in enumerate(records, start=1):
        try:
            of = record[key] if key is not None else _scene_id(record)
            if type(of) is not str:
                if type(of) is not int:
                    raise ValueError(f"the id {of!r} is neither text nor a whole number")
                of = str(of)
            if of in column.values:
                column.twice.append(of)
                continue
            column.values[of] = None  # a row that cannot be read is known all the same: it is told once, not as missing too
            column.values[of] = value(record if whole else record[name])
            if group is not None:
                column.groups[of] = str(record.get(group))
        except KeyError as error:
            column.bad.append(f"row {number} has no {error}")
        except (ValueError, TypeError, AttributeError) as error:
            column.bad.append(f"row {number}: {error}" if isinstance(record, dict) else f"row {number} is no object")
    return column


def _scene_rows(head: dict) -> bool:
    return isinstance(head.get("scene"), dict) and "type" in head


def _scene_id(record: dict) -> str:
    """The picture world's answers have no id: type, picture and question together are one."""
    return f"{record['type']}/{record['scene']['seed']}/{record['question']}"


def _told(ids: Iterable[str]) -> str:
    ids = sorted(set(ids))
    return ", ".join(map(repr, ids[:SHOWN])) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


def problems_of(gold: Column, predictions: list[Column]) -> list[str]:
    """Everything in which the files do not fit: unreadable rows, ids that come twice, are missing or are unknown."""
    found = []
    for column in (gold, *predictions):
        if column.bad:
            more = f" and {len(column.bad) - SHOWN} more" if len(column.bad) > SHOWN else ""
            found.append(f"{column.path}: {'; '.join(column.bad[:SHOWN])}{more}")
        if column.twice:
            found.append(f"{column.path} has {len(set(column.twice))} ids twice: {_told(column.twice)}")
    for column in predictions:
        missing, unknown = gold.values.keys() - column.values.keys(), column.values.keys() - gold.values.keys()
        if missing:
            found.append(f"{column.path} misses {len(missing)} ids of {gold.path.name}: {_told(missing)}")
        if unknown:
            found.append(f"{column.path} has {len(unknown)} ids that {gold.path.name} does not know: {_told(unknown)}")
    return found


def fitting(gold: Column, predictions: list[Column]) -> None:
    """Raise UserError with every problem at once unless each gold item has exactly one prediction in each file."""
    found = problems_of(gold, predictions)
    if found:
        raise UserError("the files do not fit: " + " | ".join(found) + "; mend them, nothing was scored")


def paired_by_question(gold: Path, path: Path, names: tuple[str, ...], value: Callable[[object], object]) -> Column | None:
    """POPE's own answer files have no ids but the question, in the gold's order: each row takes the id of its place.

    None when the file has ids. Raises UserError unless every question is the gold's at that place.
    """
    records = records_of(path)[0]
    if not records or not all(isinstance(record, dict) for record in records) or any(key in records[0] for key in IDS):
        return None
    name = next((n for n in names if n in records[0]), None)
    if "question" not in records[0] or name is None:
        return None
    truths = [record for record in records_of(gold)[0] if isinstance(record, dict)]
    asked = [truth.get("text", truth.get("question")) for truth in truths]
    wrong = [n for n, (a, b) in enumerate(zip(asked, records, strict=False), start=1) if a != b.get("question")]
    if len(asked) != len(records) or wrong:
        where = f"row {wrong[0]} asks another question" if wrong else f"it has {len(records)} rows for {len(asked)}"
        raise UserError(f"{path} has no ids and does not follow {gold.name} ({where}); give it the gold's question_id")
    column = Column(Path(path))
    key = next((k for k in IDS if k in truths[0]), "id")
    for number, (truth, record) in enumerate(zip(truths, records, strict=True), start=1):
        try:
            column.values[str(truth[key])] = value(record[name])
        except (KeyError, ValueError) as error:
            column.bad.append(f"row {number}: {error}")
    return column
