"""A course of two notebooks in two languages with a finished journey, small enough to build its site in a second or two."""

from pathlib import Path

import nbformat
from nbformat import v4
from PIL import Image

ENGLISH = [
    "# 00 · Start here\n\nNext: [01](01_next.ipynb). Runs on ![Colab](https://colab.invalid/badge.svg).",
    "## Colours\n\nSee [the planner](../docs/planner.md#why).",
]
PORTUGUESE = ["# 00 · Comece aqui\n\nEm inglês: [00](../00_start_here.ipynb).", "## Cores\n\nVeja [o planejador](../../docs/planner.md#why)."]
CODE = [
    'SCALE = "tiny"\nLANGUAGE = "pt-BR"',
    "figure()",
    'print("a line that is much wider than a telephone is, and so has to scroll sideways in its own box, not with the page")',
]


def notebook(prose: list[str], code: list[str] = CODE):
    """Two cells of prose and three of code, without outputs."""
    cells = [v4.new_markdown_cell(prose[0]), v4.new_code_cell(code[0], metadata={"tags": ["parameters"]}), v4.new_markdown_cell(prose[1])]
    return v4.new_notebook(
        cells=[*cells, *map(v4.new_code_cell, code[1:])], metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
    )


def executed(prose: list[str], folder: Path):
    """What a journey leaves: the injected cell, a figure, a table, a page in a frame, a widget with its still twin, text and a warning."""
    from utils import figures
    from utils.journey.notebook import inline, table

    ran = notebook(prose)
    ran.cells.insert(2, v4.new_code_cell('# Parameters\nSCALE = "tiny"\nLANGUAGE = "it"\n', metadata={"tags": ["injected-parameters"]}))
    page = folder / "page.html"
    page.write_text('<!doctype html><html lang="en"><title>Inside</title><main><h1>Inside</h1><p>A page.</p></main></html>', encoding="utf-8")
    rows = [{"question": f"What is number {n}?", "answer": "a word " * 12, "right": "yes"} for n in range(3)]
    shown = [
        figures.finish(figures.bars({"one": 1.0, "two": 2.0}, "Two bars", "things"), folder, "bars", 'Bars: "one" 1, two 2').data,
        table(rows, "Wide rows").data, inline(page).data, f"<div style='background:#fff'>{figures.thumbnail(Image.new('RGB', (20, 20)), 'a black square')}</div>",
    ]  # fmt: skip
    ran.cells[-2].outputs = [v4.new_output("display_data", {"text/html": one, "text/plain": "twin"}) for one in shown]
    ran.cells[-2].outputs[1]["data"]["application/vnd.jupyter.widget-view+json"] = {"model_id": "x", "version_major": 2, "version_minor": 0}
    ran.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    said = ran.cells[-1].source.partition('"')[2].rstrip('")')
    ran.cells[-1].outputs = [v4.new_output("stream", name="stdout", text=f"{said}\n"), v4.new_output("stream", name="stderr", text="a warning\n")]
    return ran


def write_course(root: Path) -> Path:
    """Write the course and its journey into `root`; returns the journey's folder."""
    for folder in ("docs", "notebooks/pt-BR", "notebooks/solutions", "outputs/tiny/it/notebooks"):
        (root / folder).mkdir(parents=True)
    Image.new("RGB", (30, 20), "red").save(root / "docs" / "red.png")
    front = "[00](notebooks/00_start_here.ipynb), [the planner](docs/planner.md), [MIT](LICENSE), [in bold **LICENSE**](LICENSE)\n\n![A red box](docs/red.png)\n"
    (root / "README.md").write_text(f"# Front\n\n{front}\n```bash\nmake [x](y)\n```\n", encoding="utf-8")
    (root / "README.pt-BR.md").write_text(f"# Capa\n\nCoração e jabuticaba.\n\n{front}", encoding="utf-8")
    (root / "LICENSE").write_text("MIT", encoding="utf-8")
    (root / "docs" / "planner.md").write_text("# Planner\n\n## Why\n\nMemory and pineapple. [Front](../README.md)\n", encoding="utf-8")
    journey = root / "outputs" / "tiny" / "it"
    (journey / "journey.json").write_text("{}", encoding="utf-8")
    kept = {"00_start_here": notebook(ENGLISH), "01_next": notebook(["# 01 · Next", "## Colours"]), "pt-BR/00_start_here": notebook(PORTUGUESE)}
    for name, one in kept.items():
        nbformat.write(one, root / "notebooks" / f"{name}.ipynb")
    nbformat.write(notebook(["# Solutions", "## One"]), root / "notebooks" / "solutions" / "00_start_here.ipynb")
    nbformat.write(executed(ENGLISH, journey), journey / "notebooks" / "00_start_here.ipynb")
    return journey
