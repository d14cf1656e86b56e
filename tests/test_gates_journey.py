"""The residency's gates: a whole course says Go! everywhere, and each defect stops its own check with a reason."""

import re
import shutil
import time

import nbformat
import pytest

from tests.gate_course import CODE, FALLING, PARAMETERS, done, edit, evaluated, whole_course
from tests.gate_defects import DEFECTS, fact, gone, tuned
from utils import runs
from utils.journey import run as journey
from utils.journey.gates import GO, OPEN, Verdict, gate, gate_command, line_of_gates
from utils.journey.run import SOURCES
from utils.runs import UserError

USUAL = ("tiny", CODE, "llava-pt")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The good course, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTPUTS", str(tmp_path_factory.mktemp("good")))
        for name in ("SHARE", "WEIGHTS", "ENGINE"):
            patch.delenv(name, raising=False)
        whole_course()
        return runs.outputs()


@pytest.fixture()
def course(made):
    """A copy of the good course that a test may spoil."""
    shutil.copytree(made, runs.outputs())
    return runs.outputs() / "tiny" / CODE


def verdicts(*weeks: int) -> list[Verdict]:
    return gate(*weeks, *USUAL) if weeks else gate(None, *USUAL)


def failed(found: list[Verdict]) -> dict[str, str]:
    return {check.name: check.reason for verdict in found for check in verdict.checks if not check.passed}


def test_a_whole_course_is_accepted_in_every_period(course):
    before = {path: path.stat().st_mtime_ns for path in course.rglob("*")}
    found = verdicts()
    assert failed(found) == {} and [one.decision for one in found] == [GO] * 6
    assert line_of_gates(found) == "semanas 1–3 Go! · 4–5 Go! · 6–7 Go! · 8 Go! · 8–10 Go! · 10 Go!"
    assert {path: path.stat().st_mtime_ns for path in course.rglob("*")} == before  # a gate only reads
    evidence = [name for one in found for check in one.checks for name in check.evidence]
    assert len(evidence) > 20 and not [name for name in evidence if name.startswith("/")]
    assert all((runs.outputs() / name).exists() or (runs.ROOT / name).exists() for name in evidence)
    said = {check.name: check.reason for one in found for check in one.checks}
    rows = sum(file["rows"] for file in runs.read_json(course / "corpus" / "report.json")["files"].values())
    assert f"{rows} linhas entraram = {rows} saíram + 0 em quarentena, contadas em 5 arquivos" in said["Nenhuma linha perdida"]
    assert "10 passos" in said["Treino completo e perda em queda"] and "perda de 3,75 para 0,53" in said["Treino completo e perda em queda"]
    assert "76 de 80" in said["Olha a imagem"] and "avaliados por 2 pessoas" in said["Avaliação por pessoas"]


def test_an_empty_folder_is_a_reason_for_every_period_and_never_a_crash():
    found = verdicts()
    assert [one.decision for one in found] == [OPEN] * 6
    reasons = failed(found)
    assert {"Cinco fusões acima da linha de base", "Cada valor da receita tem origem", "O plano cabe em uma GPU"}.isdisjoint(reasons)  # need no run
    assert len(reasons) == sum(len(one.checks) for one in found) - 3
    assert all(re.search(r"rode: |abra o caderno", reason) for reason in reasons.values())


def test_weeks_choose_their_periods():
    weeks = {week: [one.period.weeks for one in verdicts(week)] for week in range(1, 11)}
    assert weeks[1] == weeks[3] == [(1, 3)] and weeks[7] == [(6, 7)]
    assert weeks[8] == [(8, 8), (8, 10)] and weeks[9] == [(8, 10)] and weeks[10] == [(8, 10), (10, 10)]
    for week in (0, 11, -1):
        with pytest.raises(UserError, match="1 to 10"):
            verdicts(week)
    with pytest.raises(ValueError, match="LANGUAGE"):
        gate(1, "tiny", "xx", "llava-pt")


@pytest.mark.parametrize("week,spoil,checks,words", DEFECTS, ids=[f"{week}-{number}" for number, (week, *_) in enumerate(DEFECTS)])
def test_each_defect_stops_its_own_checks_with_a_reason(course, week, spoil, checks, words):
    spoil(course)
    found = verdicts(week)
    reasons = failed(found)
    assert set(reasons) == checks
    assert any(words in reason for reason in reasons.values()), reasons
    assert all(str(runs.outputs()) not in reason for reason in reasons.values())
    for one in found:
        assert one.decision == (OPEN if any(not check.passed for check in one.checks) else GO)


def remarks(week: int) -> str:
    return " ".join(remark for one in verdicts(week) for remark in one.remarks)


def test_what_is_no_defect_but_must_be_said_becomes_a_remark(course):
    assert "mudou depois" not in remarks(1) and "concordância" not in remarks(10) and "inglês caiu" not in remarks(9)
    edit(
        next((course / "notebooks").glob("01_*.ipynb")),
        lambda made: made["cells"][-1].update(cell_type="code", source="1", execution_count=9, outputs=[]),
    )
    assert "01_architecture_taxonomy mudou depois desta execução" in remarks(1)
    fact("headlines.json", **{"probe: VL-T5 as published, right": 0.9})(course)
    assert "LLaVA não acerta mais que VL-T5" in remarks(4)
    fact("corpus/report.json", marks={"pt-BR": 1, "pt-PT": 4})(course)
    assert "só 20 % são de pt-BR" in remarks(6)
    assert "ainda não foi medido nesta escala; para medir: python -m utils rehearse --scale tiny" in remarks(8)
    evaluated(course / "evaluation/tuned/en", tuned(course)[1], "en", 2)
    assert "O inglês caiu: 95 % [89 % a 98 %] na base" in remarks(9)
    ratings = sorted((course / "review" / "first" / "ratings").glob("*.json"))
    runs.write_json(ratings[0], {"rater": "<b>"})
    assert f"{ratings[0].name} não é uma avaliação válida" in remarks(10) and "Só uma pessoa avaliou" in remarks(10)
    assert {one.decision for one in verdicts()} == {GO}


def test_a_notebook_that_is_not_part_of_the_course_yet_is_remarked_and_a_missing_one_is_a_reason(course, tmp_path, monkeypatch):
    monkeypatch.setattr(journey, "SOURCES", tmp_path / "notebooks")
    shutil.copytree(SOURCES, tmp_path / "notebooks")
    for number in ("03", "08", "10"):
        for path in (tmp_path / "notebooks").glob(f"{number}_*"):
            path.unlink()
    translation, sharing = verdicts(6)[0], verdicts(10)[1]
    assert failed([translation]) == {"Caderno 03 executado": "o caderno 03 não está na pasta notebooks/; traga-o de novo do repositório"}
    assert any("O caderno 08 ainda não faz parte" in remark for remark in translation.remarks)
    assert sharing.decision == GO and any("O caderno 10 ainda" in remark for remark in sharing.remarks)
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "notebooks" / "10_share.ipynb")
    assert "10_share" in failed(verdicts(10))["Caderno 10 executado"]


def test_gold_text_is_no_translation_and_says_so(course):
    quarantine = course / "corpus" / "quarantine.jsonl"
    quarantine.unlink()
    report = runs.read_json(course / "corpus" / "report.json")
    runs.write_json(course / "corpus" / "report.json", {key: report[key] for key in ("language", "files")} | {"engine": "gold"})
    found = verdicts(6)
    assert failed(found) == {} and "texto-ouro do mundo de imagens" in remarks(6)


@pytest.mark.parametrize("name", ["llava-ndino", "amalia-vl", "mblip"])
def test_other_recipes_and_a_share_of_a_scale_have_gates_of_their_own(name, monkeypatch):
    monkeypatch.setenv("SHARE", "0.05")
    found = gate(None, "tiny", "it", name)
    assert {(one.scale, one.language, one.recipe) for one in found} == {("tiny-0.05", "it", name)}
    reasons = failed(found)
    assert f"python -m utils train --scale tiny --language it --recipe {name}" in reasons["Treino completo e perda em queda"]
    assert reasons["Caderno 01 executado"].endswith(f"rode: make journey LANGUAGE=it RECIPE={name}")
    memory = next(one for one in found if one.period.weeks == (8, 8))
    assert {check.name for check in memory.checks if check.passed} == {"Cada valor da receita tem origem", "O plano cabe em uma GPU"}


def test_a_notebook_that_the_journey_ran_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(journey, "SOURCES", tmp_path)
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    text = "\n".join(f'{key} = "x"' for key in PARAMETERS)
    cells = [nbformat.v4.new_code_cell(text, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell("print(SCALE)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), tmp_path / "01_good.ipynb")
    journey.run_journey(*USUAL, ("01_good",))
    good = verdicts(1)[0]
    assert good.checks[0].passed and good.checks[0].reason.startswith("3 células de código executadas") and not good.remarks


def test_the_command_prints_reasons_and_forms_and_tells_by_its_exit_code(course, capsys):
    assert gate_command(6, *USUAL, "Maria", "João") == 0
    out = capsys.readouterr().out
    assert "semanas 6–7 · Tradução do conjunto de dados: Go!" in out and out.rstrip().endswith("semanas 6–7 Go!")
    assert "Maria" in (course / "termos" / "termo_semanas_06-07_tiny_pt-BR_llava-pt.html").read_text(encoding="utf-8")
    gone("review")(course)
    assert gate_command(None, *USUAL) == 1
    out = capsys.readouterr().out
    assert "[  ] Avaliação por pessoas: ninguém avaliou" in out and out.count("[  ]") == 1 and out.count("[ok]") > 20
    assert out.rstrip().endswith("8–10 Go! · 10 Em análise") and len(list((course / "termos").glob("*.html"))) == 6
    with pytest.raises(UserError, match="week 11"):
        gate_command(11, *USUAL)


def test_a_newer_training_in_the_same_folder_is_seen(course):
    done(course / "llava-pt" / "instruct", "newer", scale="tiny", language=CODE, recipe="llava-pt", stage="instruct", steps=3, history=FALLING)
    assert failed(verdicts(9)) == {}  # finished again: its own mark
    began = time.monotonic()
    runs.finish(course / "llava-pt" / "instruct", "another", began, scale="tiny", language=CODE, recipe="llava-pt", stage="instruct")
    assert "treino anterior" in failed(verdicts(9))["Treino completo e perda em queda"]
