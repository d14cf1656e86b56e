"""What every notebook has: header, recall, three exercises with stub and check; and a committed solution that repeats and answers them."""

import importlib
import re

import nbformat
import pytest

from utils.exercises import MODULES
from utils.runs import ROOT

SOURCES = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
LEVELS = ("copy", "adapt", "own data")
WORDS = 120  # of a prose cell, at most


def cells_of(path, kind: str = "") -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if kind in ("", cell.cell_type)]


def solution_of(notebook: str):
    return ROOT / "notebooks" / "solutions" / SOURCES[notebook].name


def test_all_eleven_are_looked_at():
    assert sorted(SOURCES) == [f"{n:02}" for n in range(11)] == sorted(MODULES)


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_the_header_says_what_a_learner_must_know(notebook):
    head = cells_of(SOURCES[notebook])[0].source
    assert head.startswith(f"# {notebook} · ") and len(head.split()) <= WORDS
    for field in ("**Question:** ", "- **Needs:** ", "- **Time:** ", "- **Download:** nothing at ", "- **Previous:** ", "**Next:** "):
        assert field in head, field
    assert re.search(r"(minutes?|half an hour) at `tiny`.*at `a100`", head)
    names = [path.name for path in SOURCES.values()]
    at = names.index(SOURCES[notebook].name)
    before, after = re.search(r"- \*\*Previous:\*\* (.*)\*\*Next:\*\* (.*)", head).groups()
    assert f"]({names[(at + 1) % len(names)]})" in after and (f"]({names[at - 1]})" in before if at else "none" in before)


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_three_recall_questions_and_three_exercises_close_a_notebook(notebook):
    cells = cells_of(SOURCES[notebook])
    asked = [found[1] for cell in cells if (found := re.search(r"\*\*Recall:\*\*(.*)", cell.source))]
    assert len(asked) == 1 and re.findall(r"\b(\d)\. [^?]+\?", asked[0]) == ["1", "2", "3"]
    assert sum("from utils.exercises import check" in cell.source for cell in cells) == 1, "imported once, in the first exercise"
    assert any(cell.source.startswith("## Summary") for cell in cells[:-7])
    assert any(f"](solutions/{SOURCES[notebook].name})" in cell.source for cell in cells)
    last = cells[-7:-1]
    for level, (task, stub) in enumerate(zip(last[::2], last[1::2], strict=True), start=1):
        number = f"{notebook}.{level}"
        assert task.source.startswith(f"### Exercise {number} · {LEVELS[level - 1]}\n") and len(task.source.split()) <= WORDS
        assert "\n\n**Answer:** " in task.source, "the form of the answer"
        assert re.search(rf'^answer = None.*\ncheck\("{re.escape(number)}", answer\)\Z', stub.source, flags=re.MULTILINE)
        assert stub.cell_type == "code" and stub.source.count("\n") < 15
        assert ("from utils.exercises import check" in stub.source) == (level == 1)


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_a_module_has_the_three_exercises(notebook):
    assert list(importlib.import_module(f"utils.exercises.{MODULES[notebook]}").EXERCISES) == [f"{notebook}.{level}" for level in (1, 2, 3)]


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_a_committed_solution_repeats_the_exercises_says_right_and_is_small_and_clean(notebook):
    path = solution_of(notebook)
    made, text = cells_of(path), path.read_text(encoding="utf-8")
    tasks = {cell.id: cell.source for cell in cells_of(SOURCES[notebook]) if "### Exercise" in cell.source}
    assert tasks == {cell.id: cell.source for cell in made if "### Exercise" in cell.source} and len(tasks) == 3
    assert f"](../{path.name})" in made[0].source
    assert all(len(cell.source.split()) >= 10 for cell in made if cell.id.endswith("-why")) and sum(cell.id.endswith("-why") for cell in made) == 3
    given = [[cell.source for cell in cells if cell.metadata.get("tags") == ["parameters"]] for cells in (made, cells_of(SOURCES[notebook]))]
    assert given[0] == given[1] and len(given[0]) == 1
    shown = "".join(o.get("text", "") for cell in made if cell.cell_type == "code" for o in cell.outputs)
    assert re.findall(r"^\d\d\.\d: .*", shown, flags=re.MULTILINE) == [f"{notebook}.{level}: right" for level in (1, 2, 3)]
    assert path.stat().st_size < 100_000 and str(ROOT) not in text
    assert not re.search(r'"(widgets|execution|iopub\.\w+)":|"/(?:home|work|tmp|root|Users)/', text)
