"""The journey runner: order, skipping, failures named, a report that needs no network."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import nbformat
import pytest

from utils import runs
from utils.journey import run as journey
from utils.journey.notebook import begin, table
from utils.journey.report import INTERACTIVE, tidy, to_html, write_report
from utils.journey.run import NOTEBOOKS, SOURCES
from utils.journey.timing import cell_times, overhead


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
    monkeypatch.setattr(journey, "_code_hash", lambda: "the code of this test")  # someone may edit a file meanwhile
    return folder


def read(name: str = "journey.json"):
    return json.loads((runs.outputs() / "tiny" / "pt-BR" / name).read_text())


def test_notebooks_run_in_order_with_their_parameters_and_skip_when_complete(sources, capsys, monkeypatch):
    notebook(sources / "a.ipynb", "import time; time.sleep(0.3); print(SCALE, LANGUAGE, RECIPE)")  # long enough to be told in tenths of a second
    notebook(sources / "b.ipynb", "1 + 1")
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b")) == 0
    out = capsys.readouterr().out.splitlines()
    assert re.match(r"\[1/2\] a … ok, \d+ s$", out[0]) and re.match(r"\[2/2\] b … ok, \d+ s$", out[1])
    assert out[2].startswith("semanas 1–3 Em análise"), "nothing of the weeks' work is there"
    assert out[3].startswith("2 of 2 notebooks ok in") and out[3].endswith("index.html")
    page = (runs.outputs() / "tiny" / "pt-BR" / "notebooks" / "a.html").read_text()
    assert "tiny pt-BR llava-pt" in page
    first, spent = read()["notebooks"][0], read()["overhead"]
    assert first["peak_memory_mb"] > 20 and 0 < first["cells_seconds"] < first["seconds"]
    assert spent["cells"] == pytest.approx(sum(n["cells_seconds"] for n in read()["notebooks"]), abs=0.11) and spent["share"] > 0
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b")) == 0
    assert all(line.endswith("(done before)") for line in capsys.readouterr().out.splitlines()[:2])
    assert [n["status"] for n in read()["notebooks"]] == ["ok", "ok"] and read()["versions"]["torch"]
    notebook(sources / "b.ipynb", "2 + 2")
    journey.run_journey("tiny", "pt-BR", "llava-pt", ("a", "b"))
    assert [n["skipped"] for n in read()["notebooks"]] == [True, False]
    monkeypatch.setenv("SEED", "0")  # as without
    monkeypatch.setenv("ENGINE", "another")
    journey.run_journey("tiny", "pt-BR", "llava-pt", ("b",))
    assert [(n["name"], n["skipped"]) for n in read()["notebooks"]] == [("a", True), ("b", False)], "b alone was run, a is still told"


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
    monkeypatch.setattr(journey, "NOTEBOOK_TIMEOUT", {"tiny": 4})
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",), cell_timeout=6) == 1
    assert "a cell ran longer than 6 s" in capsys.readouterr().out, "a notebook has no limit of its own then"
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 1
    assert "the notebook ran longer than 4 s" in capsys.readouterr().out


def test_a_killed_journey_leaves_no_kernel_behind(tmp_path):
    notebook(tmp_path / "a.ipynb", f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(120)")
    paths = f"{str(tmp_path / 'a.ipynb')!r}, {str(tmp_path / 'o.ipynb')!r}"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'utils.journey.execute', {paths}, '{{}}', '200'])"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=runs.ROOT)
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


def test_the_log_shows_what_a_cell_prints_while_it_runs_and_keeps_older_runs(sources):
    go = sources / "go"
    notebook(
        sources / "a.ipynb",
        f"import pathlib, sys, time\nprint('step 1/2', flush=True); print('careful', file=sys.stderr, flush=True); until = time.monotonic() + 60\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    assert time.monotonic() < until, 'nobody saw it'\n    time.sleep(0.1)",
    )
    log = runs.outputs() / "tiny" / "pt-BR" / "notebooks" / "a.log"
    log.parent.mkdir(parents=True)
    log.write_text("of the night before\n")

    def look() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not {"step 1/2", "careful"} <= set(re.findall("step 1/2|careful", log.read_text())):
            time.sleep(0.1)
        go.touch()

    looking = threading.Thread(target=look)
    looking.start()
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 0
    looking.join()
    assert log.read_text().startswith("of the night before") and re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d step 1/2$", log.read_text(), re.M)


STAGES = """import sys; sys.path.insert(0, {root!r})
import os, pathlib, time
from utils import runs
for stage in ("align", "instruct", "prefer"):
    folder = runs.output_folder("tiny", LANGUAGE, RECIPE, stage)
    with runs.lock(folder):
        if not runs.complete(folder, "inputs"):
            with open({work!r}, "a") as work:
                print(stage, file=work)
            while stage == "instruct" and not pathlib.Path({go!r}).exists():
                time.sleep(0.1)
            runs.finish(folder, "inputs", time.monotonic())"""
COMMAND = """import pathlib, sys
from utils.journey import run
run.SOURCES, run.NOTEBOOKS, run._code_hash = pathlib.Path(sys.argv[1]), ("90_own",), lambda: "the code of this test"
run.gate, run.line_of_gates = lambda *how: [], lambda found: "the weeks"  # they read much, and are not what is tested
from utils.__main__ import main
sys.exit(main(["journey", "--anyway", "--notebooks", "90"]))"""


def test_stopped_and_killed_a_journey_goes_on_at_the_stage_that_was_running(sources, tmp_path):
    work, go = tmp_path / "work", tmp_path / "go"
    notebook(sources / "90_own.ipynb", STAGES.format(root=str(runs.ROOT), work=str(work), go=str(go)))
    start = lambda: subprocess.Popen([sys.executable, "-c", COMMAND, str(sources)], cwd=runs.ROOT, stderr=subprocess.PIPE, text=True)  # noqa: E731
    for number, how in enumerate((signal.SIGTERM, signal.SIGKILL), start=2):
        process, until = start(), time.monotonic() + 300
        while time.monotonic() < until and not (work.exists() and len(work.read_text().split()) == number):
            time.sleep(0.1)
        process.send_signal(how)
        _, errors = process.communicate(timeout=300)
        if how == signal.SIGTERM:
            assert process.returncode == 130 and "goes on from here" in errors and read()["notebooks"][0]["status"] == "stopped"
    go.touch()
    process = start()
    process.communicate(timeout=300)
    done = work.read_text().split()
    assert process.returncode == 0 and done.count("align") == done.count("prefer") == 1 and done.count("instruct") >= 2
    assert read()["notebooks"][0]["status"] == "ok"


def test_an_executed_notebook_keeps_no_widget_state_and_no_path_of_the_machine(sources, tmp_path):
    notebook(sources / "a.ipynb", "import ipywidgets\nipywidgets.IntSlider(description='a slider')", "raise ValueError('stop')")
    assert journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",)) == 1, "a failed one is tidied too"
    text = (runs.outputs() / "tiny" / "pt-BR" / "notebooks" / "a.ipynb").read_text()
    assert INTERACTIVE in text and "IntSlider(value" not in text and "widget-view" not in text and '"widgets"' not in text
    assert str(tmp_path) not in text and '"output_path": "a.ipynb"' in text


def test_half_a_notebook_is_neither_a_page_nor_an_end_of_the_journey(tmp_path):
    torn = tmp_path / "a.ipynb"
    torn.write_text('{"cells": [{"cell_ty', encoding="utf-8")
    assert to_html(torn) is None and tidy(torn) is None and torn.read_text(encoding="utf-8").endswith("cell_ty")


def test_the_same_journey_twice_is_refused_and_another_is_not(sources, monkeypatch):
    notebook(sources / "a.ipynb", "1 + 1")
    monkeypatch.setattr(journey, "LOCK_WAIT", 0)
    with runs.lock(runs.outputs() / "tiny" / "pt-BR"):
        with pytest.raises(runs.UserError, match="^another run works in .*; wait for it or set OUTPUTS"):
            journey.run_journey("tiny", "pt-BR", "llava-pt", ("a",))
        assert journey.run_journey("tiny", "it", "llava-pt", ("a",)) == 0


def test_cell_times_come_from_papermills_metadata(tmp_path):
    cell = lambda kind, took, source, count=None: {  # noqa: E731
        "cell_type": kind, "source": source, "execution_count": count, "metadata": {"papermill": {"duration": took}},
    }  # fmt: skip
    code = [
        cell("code", 2.5, "import x\n# why\nslow()", 1),
        cell("code", 0.2, "quick()", 2),
        cell("code", 9.0, ["model = train()  # why\n", "x" * 99], 3),
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [cell("markdown", 5.0, "# Title"), *code]}))
    told = cell_times(path)
    assert told["cells_seconds"] == 16.7 and [(one["cell"], one["code"]) for one in told["slowest"]] == [(3, "model = train()"), (1, "slow()")]
    path.write_text("{")
    assert cell_times(path) == cell_times(tmp_path / "none.ipynb") == {}
    results = [{"cells_seconds": 8.0}, {"cells_seconds": 50.0, "skipped": True}]
    assert overhead(10.0, results)["share"] == 0.25 and overhead(1.0, results[1:])["share"] is None


def test_the_page_tells_time_memory_and_slow_cells_of_each_notebook(tmp_path):
    slow = [{"cell": 4, "seconds": 61.2, "code": "train(<b>)"}]
    results = [
        {"name": "a", "status": "ok", "seconds": 70.0, "skipped": False, "peak_memory_mb": 1536, "gpu_memory_mb": 52224, "slowest": slow},
        {"name": "b", "status": "failed", "seconds": 2.0, "skipped": False, "cell": 3, "message": "ValueError: <i>"},
    ]
    folder = tmp_path / "tiny-seed1" / "it"
    (folder / "notebooks").mkdir(parents=True)
    parameters = {"SCALE": "tiny", "LANGUAGE": "it", "RECIPE": "llava-pt"}
    page = write_report(folder, parameters, results, overhead(100.0, [{"cells_seconds": 80.0}])).read_text()
    for words in (
        "1.5 GB",
        "GPU 51.0 GB",
        "61 s, cell 4: <code>train(&lt;b&gt;)",
        "cell 3: ValueError: &lt;i&gt;",
        'href="notebooks/b.log"',
        "added 25 %",
    ):
        assert words in page, words
    assert "llava-pt · tiny-seed1 · it" in page and "not told" in page


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
