"""The command line: bad input is one sentence, exit codes hold, nothing is half-done."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from utils.__main__ import main
from utils.commands import default_model
from utils.models.load import SHIPPED
from utils.runs import ROOT


def told(capsys, *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    "arguments,words",
    [
        (("journey", "--scale", "huge"), "SCALE 'huge' is unknown; use one of: tiny, workshop, a100"),
        (("journey", "--language", "pt"), "LANGUAGE 'pt' is unknown; use one of: pt-BR, pt-PT, it"),
        (("journey", "--recipe", "llava"), "RECIPE 'llava' is unknown; use one of: llava-pt"),
        (("train", "--recipe", "llava"), "RECIPE 'llava' is unknown"),
        (("journey", "--recipe", "mblip"), "RECIPE 'mblip' trains with: python -m utils train --recipe mblip; the notebooks walk through llava-pt alone"),
        (("train", "--stages", "align"), "has no stage 'align'; it has: instruct"),
        (("check", "none.json"), "none.json is missing; check the path"),
        (("translate", "none.json", "--out", "x"), "none.json is missing"),
        (("ask", "none.png", "O que é isso?", "--model", str(SHIPPED)), "picture none.png is missing"),
        (("ask", "none.png", " ", "--model", str(SHIPPED)), "the question is empty"),
        (("ask", "none.png", "O que é isso?"), "no trained model yet; run make journey first"),
    ],
)
def test_bad_requests_are_one_sentence(capsys, arguments, words):
    code, error = told(capsys, *arguments)
    assert code == 2 and words in error and error.count("\n") == 0 and error.startswith("error: ")


def test_broken_files_are_one_sentence(capsys, tmp_path):
    (tmp_path / "rows.json").write_text("[{")
    (tmp_path / "picture.png").write_text("not a picture")
    assert "is not JSON" in told(capsys, "check", str(tmp_path / "rows.json"))[1]
    assert "is not a PNG" in told(capsys, "ask", str(tmp_path / "picture.png"), "O quê?", "--model", str(SHIPPED))[1]
    assert "holds no model" in told(capsys, "evaluate", "--model", str(tmp_path), "--out", str(tmp_path / "o.json"))[1]


def test_an_unwritable_output_folder_is_one_sentence(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTPUTS", str(tmp_path / "file"))
    code, error = told(capsys, "journey")
    assert code == 2 and "cannot write in" in error and "set OUTPUTS" in error


def test_check_lists_every_problem_and_its_exit_code(capsys, tmp_path):
    good = {"id": "1", "image": "1.png", "conversations": [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]}
    bad = {"id": 2, "image": "2.png", "conversations": [{"from": "human", "value": "<imagem>\nQ"}, {"from": "gpt", "value": ""}]}
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([good]))
    assert main(["check", str(path), "--images", str(tmp_path)]) == 0
    path.write_text(json.dumps([good, bad]))
    capsys.readouterr()
    assert main(["check", str(path), "--images", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {f["row"] for f in found} == {1} and len(found) == 5
    assert any("2.png is missing" in f["problem"] for f in found)


def test_translate_writes_the_files_and_says_so(capsys, tmp_path):
    rows = [{"id": "1", "conversations": [{"from": "human", "value": "What do you see?"}, {"from": "gpt", "value": "A dog."}]}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert main(["translate", str(tmp_path / "a.json"), "--out", str(tmp_path / "pt")]) == 0
    assert "a.json: 1 rows, 1 translated, 0 in quarantine" in capsys.readouterr().out
    said = json.loads((tmp_path / "pt" / "a.json").read_text())[0]["conversations"]
    assert said[0]["value"] == "O que você vê?" and said[1]["value"] == "Um cão."
    assert sorted(os.listdir(tmp_path / "pt")) == [".lock", "a.json", "quarantine.jsonl", "report.html", "report.json"]


def test_a_picture_of_any_shape_gets_an_answer(capsys, tmp_path):
    Image.new("RGB", (300, 90), "red").save(tmp_path / "wide.png")
    assert main(["ask", str(tmp_path / "wide.png"), "What do you see?", "--model", str(SHIPPED)]) == 0
    assert capsys.readouterr().out.strip()


def test_without_a_model_named_the_newest_one_of_a_recipe_answers(tmp_path):
    for age, name in enumerate(("pt-BR/llava-pt", "it/llava-pt", "pt-BR/thesis-rate")):
        folder = tmp_path / "outputs" / "tiny" / name / "instruct" / "model"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        os.utime(folder / "config.json", (age, age))
    assert default_model() == tmp_path / "outputs" / "tiny" / "it" / "llava-pt" / "instruct" / "model"


def test_an_old_python_is_told_before_anything_is_parsed():
    code = "import sys; sys.version_info = (3, 8, 1, 'final', 0); import runpy; runpy.run_module('utils', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr.strip() == (
        "Python 3.8 is too old: this course needs Python 3.11 or newer; install it and make the environment again"
    )
