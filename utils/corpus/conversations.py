"""LLaVA JSON: read it row by row, write it back, take its turns; the problems of its rows are in `checks`.

The contract (haotian-liu/LLaVA docs/Finetune_Custom_Data.md): a list of {"id", "image", "conversations"}; turns
alternate human and gpt; one literal `<image>` in the first human turn of a row that has an image.
"""

import codecs
import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from utils.corpus.checks import Problem, as_json, picture_problems, problems
from utils.corpus.texts import IMAGE_TOKEN, MANGLED
from utils.runs import UserError, atomic_file

__all__ = [
    "IMAGE_TOKEN", "MANGLED", "Problem", "as_json", "picture_problems", "problems",
    "iter_json_lines", "iter_rows", "list_writer", "read_rows", "rows_writer", "turns_of", "write_rows",
]  # fmt: skip

CHUNK = 1 << 18  # bytes read at once
DEEPEST = 100  # levels of a row: LLaVA rows have four, and Python's own JSON gives up near a thousand
LONGEST = 14_284  # bits of a number of 4,300 digits, the most that Python reads and writes as text
_OTHER_FORMATS = (
    (b"version https://git-lfs", "is a Git-LFS pointer, not the data; run: git lfs pull"),
    (b"\x1f\x8b", "is packed with gzip; unpack it"),
    (b"PK\x03\x04", "is a zip file; unpack it"),
    (b"PAR1", "is a Parquet file; export its rows as JSON"),
    (b"<", "is a web page or XML, not JSON; download the file itself"),
    (b"\xff\xfe\0\0", "is UTF-32, not UTF-8; save it as UTF-8"),
    (b"\0\0\xfe\xff", "is UTF-32, not UTF-8; save it as UTF-8"),
    (b"\xff\xfe", "is UTF-16, not UTF-8; save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16, not UTF-8; save it as UTF-8"),
    (b"\0", "is UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
    (b"[\0", "is UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
    (b"{\0", "is UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
)
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def _whole_characters(block: bytes) -> bytes:
    """JSON with each half of a surrogate pair as \\ufffd: a half is no character and could not be written as UTF-8."""
    if b"\\ud" not in block and b"\\uD" not in block:
        return block
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], block)


def _chunks(path: Path) -> Iterator[bytes]:
    """The file as UTF-8 without a byte order mark, never cut inside an escape; raises UserError when it is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open(path, "rb") as file:
            head = file.peek(4096)
            position = len(file.read(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0))
            for sign, told in _OTHER_FORMATS:
                if head[position:].lstrip(b" \t\r\n").startswith(sign):
                    raise UserError(f"{path} {told}")
            while block := file.read(CHUNK):
                while b"\\" in block[-12:] and (more := file.read(64)):
                    block += more
                waiting = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    around = error.object[max(0, error.start - 8) : error.start + 8].decode("cp1252", errors="replace").strip()
                    told = f"is not UTF-8 at byte {position - waiting + error.start} (as Windows-1252 it reads {around!r})"
                    raise UserError(f"{path} {told}; save it as UTF-8") from error
                yield _whole_characters(block)
                position += len(block)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its rights") from error


def _prove_list(path: Path, start: bytes) -> None:
    """Raise UserError unless the file's first characters open a list; JSON Lines and objects are named as such."""
    if start.startswith(b"["):
        return
    first, _, rest = start.partition(b"\n")
    with contextlib.suppress(ValueError):
        if path.suffix in (".jsonl", ".ndjson") or (rest.strip() and isinstance(json.loads(first), dict)):
            raise UserError(f"{path} is JSON Lines, not a JSON list; turn it into one: python -m utils convert {path} --out {path.stem}.list.json")
    if start.startswith(b"{"):
        raise UserError(f"{path} holds a JSON object, not a list of rows; LLaVA files are lists")
    with contextlib.suppress(ValueError):
        raise UserError(f"{path} holds a JSON {type(json.loads(start)).__name__}, not a list of rows; LLaVA files are lists")
    shown = start[:12].decode(errors="replace")
    raise UserError(f"{path} is not JSON (line 1: it starts with {shown!r}); download it again, it may be another file")


def _send(parser, chunk: bytes) -> None:
    # ijson's C parser crashes where int() refuses a number of over 4,300 digits, so the limit is off while it reads.
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        parser.send(chunk)
    finally:
        sys.set_int_max_str_digits(limit)


def _floats(value: object, depth: int = 0) -> object:
    """`value` with floats where ijson gives Decimal, changed in place; raises ValueError for what Python could not write again."""
    kind = type(value)
    if kind is Decimal:
        return float(value)
    if kind is int and value.bit_length() > LONGEST:
        raise ValueError("holds a number of over 4,300 digits; write it as text")
    if depth > DEEPEST:
        raise ValueError(f"is nested over {DEEPEST} levels deep; remove it")
    if kind is dict or kind is list:
        for key, part in value.items() if kind is dict else enumerate(value):
            if type(part) is not str:
                value[key] = _floats(part, depth + 1)
    return value


def _not_json(path: Path, error: Exception, cut: bool = False) -> UserError:
    """The sentence for a syntax error; a second pass finds its line, which ijson does not tell."""
    import ijson

    number, line, parser = 0, b"", ijson.items_coro(ijson.sendable_list(), "no such place")
    with open(path, "rb") as file, contextlib.suppress(ijson.JSONError, ArithmeticError):
        while line := file.readline(CHUNK):
            _send(parser, _whole_characters(line.removeprefix(codecs.BOM_UTF8) if number == 0 else line))
            number += line.endswith(b"\n")
    if cut:
        return UserError(f"{path} is not JSON (line {number + 1}: it ends before the list does); download it again, it may be cut off")
    reason = str(error).partition("\n")[0].rstrip(".") if isinstance(error, ijson.JSONError) else "a number is too large"
    if re.search(rb"\b(NaN|Infinity)\b", line):
        reason = "NaN and Infinity are no JSON values"
    return UserError(f"{path} is not JSON (line {number + 1}: {reason}); mend that line or download the file again")


def _list_chunks(path: Path) -> Iterator[bytes]:
    """The file's chunks from the bracket that opens its list."""
    begun = False
    for chunk in _chunks(path):
        if not begun:
            chunk = chunk.lstrip(b" \t\r\n")
            if not chunk:
                continue
            _prove_list(path, chunk)
            begun = True
        yield chunk
    if not begun:
        raise UserError(f"{path} is not JSON (line 1: the file is empty); download it again, it may be cut off")


def iter_rows(path: Path) -> Iterator[object]:
    """The rows of a LLaVA file one by one, as `json.loads` would give them, in memory that does not grow with the file.

    Half a surrogate pair becomes U+FFFD, which `problems` names. Raises UserError at the first `next` for a missing
    file or one that is no JSON list, and after the sound rows for one that is broken further on.
    """
    import ijson

    path, number, broken = Path(path), 0, None
    rows = ijson.sendable_list()
    parser = ijson.items_coro(rows, "item")
    for chunk in _list_chunks(path):
        try:
            _send(parser, chunk)
        except (ijson.JSONError, ArithmeticError) as error:
            broken = error
        for row in rows:
            try:
                row = _floats(row)
            except ValueError as error:
                raise UserError(f"{path}: row {number} {error}") from error
            yield row
            number += 1
        rows.clear()
        if broken:
            raise _not_json(path, broken) from broken
    try:
        parser.close()
    except ijson.JSONError as error:
        raise _not_json(path, error, cut=True) from error


def read_rows(path: Path) -> list:
    """All rows of a LLaVA file; raises UserError for a missing, unreadable or non-JSON file or one that is no list."""
    return list(iter_rows(path))


def iter_json_lines(path: Path) -> Iterator[object]:
    """The objects of a JSON Lines file, blank lines left out; raises UserError naming the line that is not JSON."""
    number, waiting = 0, b""
    for chunk in _chunks(path):
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield from _json_line(path, number, line, "mend that line")
    yield from _json_line(path, number + 1, waiting, "download it again, it may be cut off")


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


def _json_line(path: Path, number: int, line: bytes, fix: str) -> Iterator[object]:
    if line.strip():
        try:
            yield json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise UserError(f"{path} is not JSON Lines (line {number}: {reason}); {fix}") from error


@contextlib.contextmanager
def list_writer(file: TextIO) -> Iterator[Callable[[object], None]]:
    """A function that writes one item of a JSON list; the text is that of json.dumps(items, indent=1) and a line break."""
    before = "[\n "

    def write(item: object) -> None:
        nonlocal before
        file.write(before + json.dumps(item, ensure_ascii=False, allow_nan=False, indent=1).replace("\n", "\n "))
        before = ",\n "

    yield write
    file.write("\n]\n" if before.startswith(",") else "[]\n")


@contextlib.contextmanager
def rows_writer(path: Path) -> Iterator[Callable[[object], None]]:
    """A function that writes one row of a LLaVA file; the file appears whole at the end, or not at all after an exception."""
    with atomic_file(path) as file, list_writer(file) as write:
        yield write


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """Write a LLaVA file whole or not at all; unknown keys are kept."""
    with rows_writer(path) as write:
        for row in rows:
            write(row)


def turns_of(row: dict) -> list[tuple[str, str]]:
    """(question, answer) pairs of a sound row, the image token taken off as LLaVA's preprocess_multimodal does."""
    values = [turn["value"].replace(IMAGE_TOKEN, "").strip() for turn in row["conversations"]]
    return list(zip(values[::2], values[1::2], strict=True))
