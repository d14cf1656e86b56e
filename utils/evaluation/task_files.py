"""Published test files, record by record: JSON lists, JSON Lines, dicts by id, COCO-style pairs, gzip of each, and `datasets`."""

import contextlib
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from utils.runs import UserError

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when it is gzip whatever its name; raises UserError: missing, unreadable, torn gzip, broken JSON."""
    import ijson

    try:
        with open(path, "rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            with gzip.open(file) if packed else file as content:
                yield content
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} is gzip that breaks off ({error}); download it again") from error
    except (ijson.JSONError, json.JSONDecodeError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(". ")
        raise UserError(f"{path} is not JSON ({reason}); download it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); check the path and its rights") from error


def _first(content: BinaryIO) -> bytes:
    """The first byte that is no white space and no byte order mark; the file is back at its start afterwards."""
    head = content.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    content.seek(0)
    return head[:1]


def listed(path: Path) -> Iterator[dict]:
    """The objects of a JSON list or of JSON Lines, told apart by the first byte: POPE's `.json` files are JSON Lines."""
    import ijson

    with opened(path) as content:
        if _first(content) == b"[":
            yield from _objects(path, ijson.items(content, "item", use_float=True))
        else:
            yield from _objects(path, (json.loads(line) for line in content if line.strip()))


def keyed(path: Path) -> Iterator[dict]:
    """The objects of a dict by id (GQA, xGQA), each with its id as `question_id`; of a list (LXMERT) as they are."""
    import ijson

    with opened(path) as content:
        if _first(content) == b"{":
            pairs = ((key, value) for key, value in ijson.kvitems(content, "", use_float=True))
            yield from _objects(path, ({"question_id": key, **value} if isinstance(value, dict) else value for key, value in pairs))
            return
    yield from listed(path)


def inside(path: Path, key: str) -> Iterator[dict]:
    """The objects of the list under a key (VQA, SEED-Bench, COCO); raises UserError when there is none."""
    import ijson

    found = False
    with opened(path) as content:
        for record in _objects(path, ijson.items(content, f"{key}.item", use_float=True)):
            found = True
            yield record
    if not found:
        raise UserError(f"{path} holds no list {key!r}; name the published file")


def _objects(path: Path, values: Iterator[object]) -> Iterator[dict]:
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise UserError(f"{path}: record {number} is a {type(value).__name__}, not an object; name the published file")
        yield value


def one(folder: Path, words: tuple[str, ...], part: str = "") -> Path:
    """The one file of the folder (or below it) whose name has all of `words` and, as a whole word, the `part`.

    `folder` may be the file itself. Raises UserError when no file fits, or several do: it names them.
    """
    folder = Path(folder)
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise UserError(f"{folder} is missing; name the folder of the published files")
    fits = lambda name: all(w in name for w in words) and (not part or part.lower() in re.split(r"[^a-z0-9]+", name))  # noqa: E731
    found = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and fits(path.name.lower()))
    if len(found) == 1:
        return found[0]
    wanted = " and ".join(repr(word) for word in (*words, part) if word) or "the set"
    if not found:
        raise UserError(f"{folder} has no file named with {wanted}; put the published file there")
    names = ", ".join(path.name for path in found[:6])
    raise UserError(f"{folder} has {len(found)} files named with {wanted} ({names}); name one of them by its part")


def is_datasets_folder(folder: Path) -> bool:
    """Whether the `datasets` library wrote this folder (save_to_disk)."""
    return any((Path(folder) / name).is_file() for name in ("state.json", "dataset_dict.json"))


def from_datasets(source: str | Path, part: str = "") -> Iterator[dict]:
    """Rows of a `datasets` folder, or of a set on the hub (streamed); `part` is a split, or CONFIG/SPLIT.

    Raises UserError when the hub cannot be reached, the set is unknown there, or the part is none of its parts.
    """
    import datasets

    if isinstance(source, Path):
        yield from _split(source, datasets.load_from_disk(str(source)), part)
        return
    config, _, split = part.rpartition("/")
    try:
        yield from _split(source, datasets.load_dataset(source, config or None, split=split or None, streaming=True), split)
    except UserError:
        raise
    except Exception as error:  # the client's errors have no common class: connection, missing set, unknown split
        told = str(error).partition("\n")[0][:160].rstrip(". ")
        raise UserError(f"{source} could not be read from the hub ({type(error).__name__}: {told}); download it and name its folder") from error


def _split(source: str | Path, found: object, part: str) -> Iterator[dict]:
    """The rows of one split, each with its number as `_row`."""
    if isinstance(found, dict):
        if part not in found and (part or len(found) > 1):
            raise UserError(f"{source} has the parts {', '.join(found)}; name one of them")
        found = found[part] if part else next(iter(found.values()))
    for number, record in enumerate(found):
        yield {"_row": number, **record}
