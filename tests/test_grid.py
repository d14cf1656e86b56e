"""A sweep: the seed is a run's own, one table with mean and spread, a failed run loses nothing."""

import csv
import os
import re

import pytest

from tests.test_journey import notebook
from utils import runs
from utils.__main__ import main
from utils.journey import grid, grid_table
from utils.journey import run as journey
from utils.scales import chosen_seed, scale
from utils.training.recipes import LLAVA_PT


def test_the_seed_names_the_folder_and_reaches_every_training_without_one(tmp_path, monkeypatch):
    from utils.training import stages

    assert scale("tiny").name == "tiny" and chosen_seed() == 0
    monkeypatch.setenv("SEED", "3")
    monkeypatch.setenv("SHARE", "0.5")
    assert scale("tiny").name == "tiny-0.5-seed3"
    (tmp_path / "rows.json").write_text("[]")
    corpus = stages.Corpus((tmp_path / "rows.json",), (), tmp_path)
    monkeypatch.setattr(stages, "_train", lambda *how: {"asked": how[4]})
    told = stages.train_stage(scale("tiny"), "it", LLAVA_PT, LLAVA_PT.stages[0], corpus)
    assert told["seed"] == told["asked"] == 3
    assert stages.train_stage(scale("tiny"), "it", LLAVA_PT, LLAVA_PT.stages[0], corpus, seed=0)["seed"] == 0
    monkeypatch.setenv("SEED", "two")
    with pytest.raises(ValueError, match="SEED 'two' is not a whole number"):
        scale("tiny")


def test_numbers_are_averaged_over_seeds_and_only_what_is_one_number():
    of = lambda language, seed: grid.Run("tiny", language, "llava-pt", seed)  # noqa: E731
    told = lambda status, **numbers: {"status": status, "seconds": 1.0, "message": "", "folder": "f", "headlines": numbers}  # noqa: E731
    made = [of("pt-BR", 0), of("pt-BR", 1), of("it", 0), of("it", 1)]
    results = {
        made[0]: told("ok", **{"tuned, pt-BR right": "80 %", "held": "127 (1.1 %)", "rows": 10, "share": 0.5}),
        made[1]: told("ok", **{"tuned, pt-BR right": "84 %", "held": "3 (1 %)", "rows": 20, "share": 0.7}),
        made[2]: told("failed", **{"tuned, it right": "1 %"}),
    }
    rows = grid_table.rows_of(made, results)
    assert [row["status"] for row in rows] == ["ok", "ok", "failed", "waiting"] and list(rows[0]["numbers"])[0] == "tuned, LANGUAGE right"
    found = {one["number"]: one for one in grid_table.means(rows)}
    assert set(found) == {"tuned, LANGUAGE right", "rows", "share"}, "a failed run's numbers do not count"
    right = found["tuned, LANGUAGE right"]
    assert (right["mean"], right["unit"], right["seeds"], right["by_seed"]) == (82, "%", 2, {0: 80.0, 1: 84.0})
    assert right["spread"] == pytest.approx(8**0.5) and found["share"]["mean"] == pytest.approx(60) and found["rows"]["mean"] == 15
    assert grid_table.means(rows[:1])[0]["spread"] is None
    assert "82.0 ± 2.8 %" in grid_table.text_of(rows, grid_table.means(rows))


CELL = """import json, os, pathlib
seed = int(os.environ["SEED"])
out = pathlib.Path(os.environ["OUTPUTS"]) / (f"tiny-seed{seed}" if seed else "tiny") / LANGUAGE
assert (out.parent / "english" / "shared.txt").read_text() == "made once"
assert LANGUAGE == "it" or seed == 0 or pathlib.Path(GO).exists(), "<b>not yet</b>"
(out / "headlines.json").write_text(json.dumps({f"tuned, {LANGUAGE} right": f"{80 + 2 * seed} %"}))"""


def test_a_sweep_is_one_table_goes_on_and_loses_nothing_to_a_failed_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(journey, "SOURCES", tmp_path)
    monkeypatch.setattr(journey, "NOTEBOOKS", ("90_own",))
    monkeypatch.setattr(journey, "_code_hash", lambda: "the code of this test")
    monkeypatch.setattr(journey, "stop_as_ctrl_c", lambda: None)  # pytest keeps its own way to be stopped
    notebook(tmp_path / "90_own.ipynb", f"GO = {str(tmp_path / 'go')!r}\n{CELL}")
    (runs.outputs() / "tiny" / "english").mkdir(parents=True)
    (runs.outputs() / "tiny" / "english" / "shared.txt").write_text("made once")
    command = ["sweep", "--languages", "pt-BR", "it", "--seeds", "0", "1", "--notebooks", "90", "--anyway"]
    monkeypatch.setenv("SEED", "7")
    assert main(command) == 1
    assert os.environ["SEED"] == "7" and "3 of 4 runs ok" in capsys.readouterr().out
    folder = runs.outputs() / "sweep" / "tiny"
    rows = list(csv.DictReader((folder / "sweep.csv").open(encoding="utf-8")))
    assert [(r["language"], r["seed"], r["status"]) for r in rows] == [
        ("pt-BR", "0", "ok"),
        ("pt-BR", "1", "failed"),
        ("it", "0", "ok"),
        ("it", "1", "ok"),
    ]
    assert [r["tuned, LANGUAGE right"] for r in rows] == ["80 %", "", "80 %", "82 %"] and "<b>not yet</b>" in rows[1]["message"]
    page = (folder / "sweep.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;not yet" in page and "<b>not" not in page and "81.0 ± 1.4 %" in page
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 8 and all((folder / link).exists() for link in links)
    (tmp_path / "go").touch()
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.count("(done before)") == 3 and "4 of 4 runs ok" in out and re.search(r"pt-BR +llava-pt +tuned, LANGUAGE right +81.0 ± 1.4 %", out)
    with runs.lock(folder):
        monkeypatch.setattr(grid, "LOCK_WAIT", 0)
        assert main(command) == 2
    assert capsys.readouterr().err.count("another run works in") == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--recipes", "mblip"], "the notebooks walk through llava-pt alone"), (["--languages", "pt"], "LANGUAGE 'pt' is unknown"),
        (["--seeds", "-1"], "seed -1 is below 0"), (["--notebooks", "77"], "there is no notebook '77'"), (["--scale", "huge"], "SCALE 'huge' is unknown"),
    ],
)  # fmt: skip
def test_a_sweep_that_makes_no_sense_is_one_sentence(asked, words, capsys):
    assert main(["sweep", *asked]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not runs.outputs().exists()
