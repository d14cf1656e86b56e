"""Read and write the files of AdMIRe (SemEval-2025 task 1): items, submissions, paths of pictures.

The task: Pickard et al. 2025, arXiv 2503.15358; the data: doi 10.15131/shef.data.28436600 (CC BY 4.0). Part A ranks five
pictures for the sense in which a sentence uses a compound; part B picks the third picture of a story and tells the sense.
"""

import ast
import csv
import gzip
import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.corpus.images import inside, misspelt
from utils.runs import UserError, write_text

TYPES = ("literal", "idiomatic")
PICTURES = {"a": 5, "b": 4}
GOLD_COLUMN = {"a": "expected_order", "b": "expected_item"}
LONGEST = 2000  # characters of an order; five file names have under 100


@dataclass(frozen=True)
class Item:
    """One compound: `gold` is the order of five pictures (A) or the one right picture (B), () where it is hidden.

    `sentence_type` is "literal", "idiomatic" or "" (hidden); `sequence` holds the captions of a story's first two pictures.
    """

    compound: str
    subset: str = ""
    sentence_type: str = ""
    sentence: str = ""
    gold: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    captions_pt: tuple[str, ...] = ()
    sequence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What was answered for a compound: five names, best first (A), or one name and the type (B); () is an empty answer."""

    compound: str
    order: tuple[str, ...]
    sentence_type: str = ""


def _part(part: str) -> str:
    if part not in PICTURES:
        raise ValueError(f"AdMIRe has the parts a and b, not {part!r}")
    return part


def _text_of(path: Path) -> str:
    """The file's text in NFC; the gold and a submission may code their accents differently."""
    try:
        data = Path(path).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        return unicodedata.normalize("NFC", data.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}); check the path and its rights, or download it again") from error


def _table(path: Path, needed: Sequence[str], found: list[str]) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """(columns, (line, cells) of each row); adds rows of another width to `found`. Raises UserError without the columns needed."""
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), delimiter="\t")
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        columns = [name.strip() for name in next(reader, [])]
        missing = [name for name in needed if name not in columns]
        if missing:
            raise UserError(f"{path} has no column {', '.join(missing)} in its first line; AdMIRe files are tab-separated with a header")
        double = [name for name, times in Counter(columns).items() if name and times > 1]
        if double:
            raise UserError(f"{path} has the column {', '.join(double)} twice; keep one")
        line = reader.line_num + 1
        for cells in reader:
            if any("\n" in cell for cell in cells):
                found.append(f"line {line}: a cell runs over several lines (close its quotation mark)")
            elif len(cells) != len(columns):
                if cells:
                    found.append(f"line {line}: {len(cells)} cells for {len(columns)} columns (one tab between two cells, none inside)")
            else:
                rows.append((line, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path} is no tab-separated table (line {reader.line_num}: {error}); download it again") from error
    return columns, rows


def _name_flaw(name: str) -> str | None:
    """What keeps a file or folder name from being one inside its folder; None for a sound name."""
    if not name:
        return "is empty (give the name)"
    if "/" in name or "\\" in name or name in (".", "..") or not name.isprintable():
        return f"{name!r} is no plain name inside its folder (take the path and control characters out)"
    return None


def _order(cell: str, size: int) -> tuple[tuple[str, ...], str | None]:
    """(names, None) of a list written as Python writes it, or ((), what is wrong)."""
    told = "(write it as ['name1', …])"
    try:
        names = ast.literal_eval(cell) if len(cell) <= LONGEST else None
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        names = None
    if not isinstance(names, list):
        return (), f"is no list of names {told}"
    if not all(isinstance(name, str) for name in names):
        return (), "holds a name that is not text (put quotes around it: numbers lose their leading zeros)"
    if len(names) != size or len(set(names)) != size:
        return (), f"has {len(set(names))} different names of {len(names)}, not {size} (give each picture once)"
    return tuple(names), next((flaw for name in names if (flaw := _name_flaw(name))), None)


def _gold(cell: str, part: str) -> tuple[tuple[str, ...], str | None]:
    if not cell:
        return (), None
    if part == "a":
        return _order(cell, PICTURES["a"])
    flaw = _name_flaw(cell)
    return ((), flaw) if flaw else ((cell,), None)


def _tell(path: Path, found: list[str]) -> None:
    if found:
        raise UserError(f"{path} has {len(found)} problem{'s' * (len(found) > 1)}; mend these lines: {'; '.join(found)}")


def _sense(cell: str) -> tuple[str, str | None]:
    word = cell.lower()
    return (word, None) if word in ("", *TYPES) else ("", f"{cell[:40]!r} is unknown (use literal or idiomatic, or leave it empty)")


def read_items(path: Path, part: str) -> list[Item]:
    """The items of a published AdMIRe file, part "a" or "b", gold or hidden; plain or gzip.

    Raises UserError naming every problem of the file at once: line, column, what is wrong, how to mend it.
    """
    size, found = PICTURES[_part(part)], []
    columns, rows = _table(path, ["compound"], found)
    names = [f"image{n}_name" for n in range(1, size + 1)]
    if not set(names) <= set(columns) and GOLD_COLUMN[part] not in columns:
        raise UserError(f"{path} has neither {names[0]} to {names[-1]} nor {GOLD_COLUMN[part]}; is it the file of part {part.upper()}?")
    items, seen = [], {}
    for line, row in rows:
        flaws: list[tuple[str, str | None]] = [("compound", _name_flaw(row["compound"]))]
        if row["compound"] in seen:
            flaws.append(("compound", f"{row['compound']!r} stands in line {seen[row['compound']]} too (keep one)"))
        seen.setdefault(row["compound"], line)
        sense, flaw = _sense(row.get("sentence_type", ""))
        flaws.append(("sentence_type", flaw))
        if "sentence" in row and not row["sentence"]:
            flaws.append(("sentence", "is empty (give the sentence)"))
        gold, flaw = _gold(row.get(GOLD_COLUMN[part], ""), part)
        flaws.append((GOLD_COLUMN[part], flaw))
        images = tuple(row[name] for name in names) if names[0] in row else tuple(sorted(gold))
        flaws += [(name, _name_flaw(row[name])) for name in names if name in row]
        flaws += _set_flaws(images, gold, names, part)
        found += [f"line {line}, column {column}: {flaw}" for column, flaw in flaws if flaw]
        items.append(Item(row["compound"], row.get("subset", ""), sense, row.get("sentence", ""), gold, images, **_captions(row, size)))
    _tell(path, found)
    if not items:
        raise UserError(f"{path} has no items, only its header; download it again")
    return items


def _set_flaws(images: tuple[str, ...], gold: tuple[str, ...], names: list[str], part: str) -> list[tuple[str, str]]:
    """What does not fit between a row's pictures and its gold."""
    twice = [
        (name, f"{image!r} is the picture of another column too (give each once)")
        for n, (name, image) in enumerate(zip(names, images, strict=False))
        if image and image in images[:n]
    ]
    strange = [name for name in gold if images and name not in images]
    return twice + [(GOLD_COLUMN[part], f"{name!r} is no picture of this row (use the names in image1_name to {names[-1]})") for name in strange]


def _captions(row: dict[str, str], size: int) -> dict[str, tuple[str, ...]]:
    """The row's captions by field; () where the file has no such column. Captions may be empty."""
    columns = {
        "captions": [f"image{n}_caption" for n in range(1, size + 1)],
        "captions_pt": [f"image{n}_caption_pt" for n in range(1, size + 1)],
        "sequence": ["sequence_caption1", "sequence_caption2"],
    }
    return {field: tuple(row[name] for name in wanted) for field, wanted in columns.items() if all(name in row for name in wanted)}


def read_predictions(path: Path, part: str) -> list[Prediction]:
    """The rows of an official submission (`submission_<lang>.tsv`); other columns are ignored, an empty cell is an empty answer.

    Raises UserError naming every problem of the file at once, as `read_items` does.
    """
    found: list[str] = []
    needed = ["compound", *(["sentence_type"] if _part(part) == "b" else []), GOLD_COLUMN[part]]
    rows = _table(path, needed, found)[1]
    predictions, seen = [], {}
    for line, row in rows:
        order, flaw = _gold(row[GOLD_COLUMN[part]], part)
        sense, unknown = _sense(row["sentence_type"]) if part == "b" else ("", None)
        double = f"{row['compound']!r} stands in line {seen[row['compound']]} too (keep one)" if row["compound"] in seen else None
        seen.setdefault(row["compound"], line)
        flaws = [("compound", double or _name_flaw(row["compound"])), (GOLD_COLUMN[part], flaw), ("sentence_type", unknown)]
        found += [f"line {line}, column {column}: {flaw}" for column, flaw in flaws if flaw]
        predictions.append(Prediction(row["compound"], order, sense))
    _tell(path, found)
    return predictions


def write_predictions(path: Path, predictions: Sequence[Prediction], part: str) -> None:
    """Write an official submission: whole or not at all."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(["compound", "expected_order"] if _part(part) == "a" else ["compound", "sentence_type", "expected_item"])
    for said in predictions:
        order = repr(list(said.order)) if said.order else ""  # an empty answer is an empty cell, as the reader has it
        writer.writerow([said.compound, order] if part == "a" else [said.compound, said.sentence_type, "".join(said.order)])
    write_text(path, file.getvalue())


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write items of part A in the published layout, gold and all: whole or not at all. Captions are left out."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(["compound", "subset", "sentence_type", "sentence", "expected_order", *(f"image{n}_name" for n in range(1, PICTURES["a"] + 1))])
    for item in items:
        writer.writerow([item.compound, item.subset, item.sentence_type, item.sentence, repr(list(item.gold)), *item.images])
    write_text(path, file.getvalue())


def picture_path(folder: Path, relative: str) -> Path:
    """`folder/<compound>/<name>` as the disk spells it (accents may be coded differently); raises UserError outside the folder."""
    path = inside(folder, relative)
    spelt = None if path.exists() else misspelt(folder, relative, {})
    return inside(folder, spelt) if spelt else path
