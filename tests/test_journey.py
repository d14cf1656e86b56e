"""The journey runner: order, skipping, failures named, a report that needs no network."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from utils import runs
from utils.journey import run as journey
from utils.journey.notebook import begin, table
from utils.journey.run import NOTEBOOKS, SOURCES


def notebook(path, *cells: str) -> None:
    parts = [nbformat.v4.new_code_cell('SCALE = "x"\nLANGUAGE = "x"\nRECIPE = "x"', metadata={"tags": ["parameters"]})]
    parts += [nbformat.v4.new_code_cell(cell) for cell in cells]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=parts, metadata=spec), path)


@pytest.fixture()
def sources(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(journey, "SOURCES", folder)
    return folder


def read(name: str = "journey.json"):
    return json.loads((runs.outputs() / "tiny" / "pt-BR" / name).read_text())


def test_notebooks_run_in_order_with_their_parameters_and_skip_when_complete(sources, capsys):
    notebook(sources / "a.ipynb", "print(SCALE, LANGUAGE, RECIPE)")
    notebook(sources / "b.ipynb", "1 + 1")
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b")) == 0
    out = capsys.readouterr().out.splitlines()
    assert re.match(r"\[1/2\] a … ok, \d+ s$", out[0]) and re.match(r"\[2/2\] b … ok, \d+ s$", out[1])
    assert out[2].startswith("semanas 1–3 Em análise"), "nothing of the weeks' work is there"
    assert out[3].startswith("2 of 2 notebooks ok in") and out[3].endswith("index.html")
    page = (runs.outputs() / "tiny" / "pt-BR" / "notebooks" / "a.html").read_text()
    assert "tiny pt-BR llava-pt" in page
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b")) == 0
    assert all(line.endswith("(done before)") for line in capsys.readouterr().out.splitlines()[:2])
    assert [n["status"] for n in read()["notebooks"]] == ["ok", "ok"] and read()["versions"]["torch"]
    notebook(sources / "b.ipynb", "2 + 2")
    journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b"))
    assert [n["skipped"] for n in read()["notebooks"]] == [True, False]


def test_a_failed_notebook_is_named_with_its_cell_and_does_not_stop_the_others(sources, capsys):
    notebook(sources / "a.ipynb", "1 + 1", "raise ValueError('the <b>reason</b>')")
    notebook(sources / "b.ipynb", "1 + 1")
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b")) == 1
    out = capsys.readouterr().out
    assert re.search(r"\[1/2\] a … FAILED after \d+ s, cell 4: ValueError: the <b>reason</b>", out) and "1 of 2 notebooks ok" in out
    failed = read()["notebooks"][0]
    assert failed["status"] == "failed" and failed["cell"] == 4 and read()["notebooks"][1]["status"] == "ok"
    report = (runs.outputs() / "tiny" / "pt-BR" / "index.html").read_text()
    assert "&lt;b&gt;reason" in report and "<b>reason" not in report


def test_a_hanging_cell_and_a_hanging_notebook_are_ended(sources, capsys, monkeypatch):
    notebook(sources / "a.ipynb", "import time; time.sleep(60)")
    monkeypatch.setattr(journey, "CELL_TIMEOUT", {"tiny": 2})
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 1
    assert "ran longer than 2 s" in capsys.readouterr().out
    monkeypatch.setattr(journey, "NOTEBOOK_TIMEOUT", {"tiny": 4})
    monkeypatch.setattr(journey, "CELL_TIMEOUT", {"tiny": 60})
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 1
    assert "the notebook ran longer than 4 s" in capsys.readouterr().out


def test_a_killed_journey_leaves_no_kernel_behind(tmp_path):
    notebook(tmp_path / "a.ipynb", f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(120)")
    command = [
        sys.executable,
        "-c",
        f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'utils.journey.execute', {str(tmp_path / 'a.ipynb')!r}, {str(tmp_path / 'o.ipynb')!r}, '{{}}', '200'])",
    ]
    process = subprocess.Popen(command, cwd=runs.ROOT)
    until = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until:
        time.sleep(0.2)
    kernel = int((tmp_path / "pid").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(kernel, 0)
        except ProcessLookupError:
            return
        if "Z" in open(f"/proc/{kernel}/stat").read().rpartition(")")[2].split()[0]:
            return
        time.sleep(0.5)
    pytest.fail("the kernel outlived the journey")


def test_the_report_needs_no_network_and_carries_alternative_text(sources):
    notebook(
        sources / "a.ipynb",
        "import sys; sys.path.insert(0, %r)" % str(runs.ROOT),
        "from utils.journey.notebook import begin; from utils import figures; course = begin(SCALE, LANGUAGE, RECIPE)",
        "course.note(**{'a number': '7 %'})\nfigures.finish(figures.bars({'x': 1.0}, course.title('T'), 'u'), course.folder, 'f', 'one bar & \"more\"')",
    )
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 0
    folder = runs.outputs() / "tiny" / "pt-BR"
    report = (folder / "index.html").read_text()
    assert 'alt="one bar &amp; &quot;more&quot;"' in report and "<td>7 %</td>" in report and "tiny" in report
    for page in (report, (folder / "notebooks" / "a.html").read_text()):
        assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:""", page)


def test_titles_carry_recipe_scale_language_and_gold():
    assert begin("tiny", "pt-BR", "llava-pt").title("Loss") == "Loss\nllava-pt · tiny · pt-BR"
    course = begin("tiny", "it", "llava-pt")
    assert course.title("Loss") == "Loss\nllava-pt · tiny · it · gold text"  # no offline engine, so it will be
    runs.write_json(course.folder / "corpus" / "report.json", {"engine": "apertium"})
    assert course.title("Loss") == "Loss\nllava-pt · tiny · it"


def test_tables_escape_what_they_show():
    assert "<script>" not in table([{"<script>": "<script>"}], "<script>").data


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_keep_the_house_rules(name):
    made = nbformat.read(SOURCES / f"{name}.ipynb", as_version=4)
    tagged = [c for c in made.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and {line.split(" = ")[0] for line in tagged[0].source.splitlines()} == {"SCALE", "LANGUAGE", "RECIPE"}
    assert made.cells[0].source.startswith("# ") and "**Question:**" in made.cells[0].source
    text = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    for part in ("## What you will be able to do", "## Summary", "**Recall:**", "**Exercises:**"):
        assert part in text
    for cell in made.cells:
        words, lines = len(cell.source.split()), cell.source.count("\n") + 1
        assert (words <= 120) if cell.cell_type == "markdown" else (lines <= 15), cell.source[:80]
        assert cell.cell_type == "markdown" or not cell.outputs
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (SOURCES / link).exists(), link
