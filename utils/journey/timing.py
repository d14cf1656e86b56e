"""What executed notebooks tell of their time: the slowest cells, and what the journey cost on top of them."""

import json
from pathlib import Path

TARGET = 0.15  # overhead over the cells' time that a journey should stay under
SHOWN, LEAST = 3, 1.0  # cells named for each notebook, and the seconds below which none is
LONGEST = 48  # characters of a cell's line


def cell_times(notebook: Path) -> dict:
    """{"cells_seconds", "slowest"} of a notebook that papermill executed, from its metadata; {} where it is missing or torn.

    `slowest` lists {"cell" (its execution count), "seconds", "code" (its first line)}, the slowest first.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        times = [(cell["metadata"].get("papermill", {}).get("duration") or 0.0, cell) for cell in cells]
        slow = sorted((pair for pair in times if pair[1]["cell_type"] == "code" and pair[0] >= LEAST), key=lambda pair: -pair[0])[:SHOWN]
        rows = [{"cell": cell["execution_count"], "seconds": round(took, 1), "code": _first_line(cell["source"])} for took, cell in slow]
        return {"cells_seconds": round(sum(took for took, _ in times), 1), "slowest": rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _first_line(source: str | list[str]) -> str:
    """The first line of a cell that does something: no import, no comment."""
    lines = [line.strip() for line in "".join(source).splitlines() if line.strip()]
    line = next((line for line in lines if not line.startswith(("#", "import ", "from "))), lines[0] if lines else "").partition("  #")[0]
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def overhead(wall: float, results: list[dict]) -> dict:
    """{"seconds", "cells", "share", "target"}: a journey's wall time over the cells of the notebooks that it ran itself.

    `share` is (seconds - cells) / cells: kernels starting, notebooks saved, pages written. None where no cell ran.
    """
    cells = sum(one.get("cells_seconds", 0.0) for one in results if not one.get("skipped"))
    return {"seconds": round(wall, 1), "cells": round(cells, 1), "share": round((wall - cells) / cells, 3) if cells else None, "target": TARGET}
