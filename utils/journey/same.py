"""Two journeys beside each other: do all notebooks show the same numbers, and are all weights the same? Left out: dates, seconds, peak memory, progress."""

import difflib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from utils import runs

UNIT = r"(?:ms|(?<!['’])s|seconds?|min|minutes?|milliseconds?)"
TIMES = (
    (re.compile(r"\d[\d.,]* times the (training seconds|seconds per answer|memory)"), r"<times> the \1"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"), "<date>"),
    (re.compile(rf"\b\d[\d.,]* ?{UNIT}\b"), "<time>"),
    (re.compile(rf"\b\d[\d.,]* (\w+ )(a|per) {UNIT}\b"), r"<rate> \1\2 second"),
)
TIMED = re.compile(r"\bms\b|\bCPU s\b|\bseconds?\b|\bpeak memory\b")  # in the title of a column or row whose values the machine decides
PASSING = re.compile(r"<time> left$|nothing to do$|^free \w+ \|")  # what a run tells of itself: a stage that is done tells no steps
WEIGHTS = (".safetensors", ".jsonl")


class _Lines(HTMLParser):
    """HTML as lines of text; a table's cells one a line, behind their column's title, so that a time can be told from a number."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.titles: list[str] = []
        self.row: list[str] | None = None
        self.hidden = self.heads = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.hidden = self.hidden or tag in ("style", "script")
        if tag == "table":
            self.titles = []
        elif tag == "tr":
            self.row, self.heads = [], True
        elif tag in ("td", "th") and self.row is not None:
            self.row.append("")
            self.heads = self.heads and tag == "th"
        elif tag == "iframe":
            self.lines += lines_of(dict(attrs).get("srcdoc") or "")
        elif tag == "img":
            self.handle_data(f" picture {runs.text_hash(dict(attrs).get('src') or '')[:8]} ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = self.hidden and tag not in ("style", "script")
        if tag == "tr" and self.row is not None:
            self._end_row(self.row)
            self.row = None

    def _end_row(self, row: list[str]) -> None:
        if self.heads:
            self.titles = row
            return
        for column, text in enumerate(row):
            title = self.titles[column] if column < len(self.titles) else ""
            named = column and TIMED.search(row[0])
            self.lines.append(f"{row[0].strip()} | {title.strip()} | {'<time>' if named or TIMED.search(title) else text.strip()}")

    def handle_data(self, data: str) -> None:
        if self.hidden:
            return
        if self.row:
            self.row[-1] += data
        elif data.strip():
            self.lines.append(data.strip())


def lines_of(page: str) -> list[str]:
    """The text of HTML as lines; a table's cells, pictures and pages in frames are lines of their own."""
    reader = _Lines()
    reader.feed(page)
    return reader.lines


def shown(output: dict) -> list[str]:
    """The lines of one output of a cell, times, dates and progress taken out; a picture is one line with its hash."""
    data = output.get("data", {})
    text = "".join(output.get("text", "")) or "".join(data.get("text/markdown", ""))
    if "text/html" in data:
        lines = lines_of("".join(data["text/html"]))
    elif "image/png" in data:
        lines = [f"picture {runs.text_hash(''.join(data['image/png']))[:8]}"]
    else:
        lines = (text or "".join(data.get("text/plain", ""))).splitlines()
    named = [i + 1 < len(lines) and bool(re.fullmatch(UNIT, lines[i + 1].strip())) for i in range(len(lines))]  # a number above its unit
    clean = ["<time>" if unit_below else without_times(line) for line, unit_below in zip(lines, named, strict=True)]
    return [line for line in clean if line.strip() and not PASSING.search(line)]


def without_times(line: str) -> str:
    """A line with its dates, durations and rates replaced by their names."""
    for pattern, name in TIMES:
        line = pattern.sub(name, line)
    return line


def told(notebook: Path) -> list[str]:
    """Everything that an executed notebook shows, each line behind its cell's id."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [f"{cell['id']}: {line}" for cell in cells for output in cell.get("outputs", ()) for line in shown(output)]


def differences(one: Path, other: Path) -> Iterator[tuple[str, list[str]]]:
    """(what, the lines in which it differs) for each notebook of two journeys' folders, their headline numbers and their weights.

    Raises UserError where a folder holds no executed notebook.
    """
    for folder in (one, other):
        if not list((folder / "notebooks").glob("*.ipynb")):
            raise runs.UserError(f"{folder} holds no executed notebook; give the folder of a journey, such as outputs/tiny/pt-BR")
    for name in sorted({path.name for folder in (one, other) for path in (folder / "notebooks").glob("*.ipynb")}):
        both = [folder / "notebooks" / name for folder in (one, other)]
        gone = [f"missing: {path}" for path in both if not path.exists()]
        yield name, gone or _diff(*map(told, both))
    yield "headlines.json", _diff(*(_numbers(folder / "headlines.json") for folder in (one, other)))
    yield "weights and rows", _diff(*(_weights(folder) for folder in (one, other)))


def _diff(one: list[str], other: list[str]) -> list[str]:
    return [line for line in difflib.unified_diff(one, other, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]


def _numbers(path: Path) -> list[str]:
    return [without_times(f"{name}: {value}") for name, value in runs.read_json(path).items()] if path.exists() else []


def _weights(folder: Path) -> list[str]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS and path.is_file())
    return [f"{path.relative_to(folder)} {runs.file_hash(path)[:8]}" for path in files]


def same(one: Path, other: Path) -> bool:
    """Print for each notebook whether two journeys show the same, and the lines that differ; returns whether all is the same."""
    fine = True
    for what, lines in differences(one, other):
        print(f"{what}: " + (f"{len(lines)} lines differ" if lines else "the same"))
        print(*(f"  {line}" for line in lines), sep="\n", end="\n" if lines else "")
        fine = fine and not lines
    return fine
