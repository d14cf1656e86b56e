"""Notebooks as the last journey ran them, ready for the site: the outputs, no widgets, no cell that only repeats the parameters."""

import re
from pathlib import Path

from utils.journey.report import still


def last_journey(outputs: Path) -> Path | None:
    """The folder of the journey that wrote its `journey.json` last; None where none was made."""
    made = sorted(outputs.glob("*/*/journey.json"), key=lambda path: path.stat().st_mtime)
    return made[-1].parent if made else None


def merge(source: Path, language: str, journey: Path | None) -> tuple[object, bool]:
    """The committed notebook with the executed one's outputs, and whether it has them.

    English: the executed notebook as it ran, text and all. Portuguese: its own text, and the outputs where all code is the same.
    """
    import nbformat

    notebook = nbformat.read(source, as_version=4)
    ran = _executed(source, journey)
    if ran is None:
        return still(notebook), any(cell.get("outputs") for cell in notebook.cells)
    if language == "en":
        return still(ran), True
    mine, theirs = ([cell for cell in one.cells if cell.cell_type == "code"] for one in (notebook, ran))
    same = len(mine) == len(theirs) and all(_code(a) == _code(b) for a, b in zip(mine, theirs, strict=True))
    for one, other in zip(mine, theirs, strict=False):
        one.outputs = other.outputs if same else []
    return still(notebook), same


def _code(cell) -> str:
    """A cell's code as two languages must share it: parameters differ by the journey, and paths by the folder's depth."""
    return "" if "parameters" in cell.metadata.get("tags", []) else re.sub(r"import sys; sys\.path.*", "", cell.source)


def _executed(source: Path, journey: Path | None):
    """The last journey's notebook of this name without papermill's cell, whose values stand in the parameters cell instead; or None."""
    import nbformat

    path = journey and journey / "notebooks" / source.name
    if not path or not path.exists() or source.parent.name == "solutions":
        return None
    ran = nbformat.read(path, as_version=4)
    for cell in [one for one in ran.cells if "injected-parameters" in one.metadata.get("tags", [])]:
        given = next((one for one in ran.cells if "parameters" in one.metadata.get("tags", [])), cell)
        given.source = cell.source.removeprefix("# Parameters\n").strip()
        ran.cells.remove(cell)
    return ran
