"""The taxonomy's study: small runs of the real thing, its tables, and what the study that travels with the repository must show."""

import dataclasses

import pytest

from utils import runs
from utils.journey import study as studies
from utils.models.fusions import fusions
from utils.runs import UserError
from utils.taxonomy import results
from utils.taxonomy.measure import Cost, own_parts
from utils.taxonomy.types import TYPES
from utils.taxonomy.verdicts import FAILS, HOLDS, OPEN, tally, verdicts


@pytest.fixture(scope="module")
def shipped():
    return runs.read_json(studies.SHIPPED / "study.json")


def test_the_study_that_travels_is_of_this_code(shipped):
    """Other budgets, rates (CODE) or another base make these numbers old: python -m utils study --install."""
    from utils.training import second_modality
    from utils.training.fusions import Budget, inputs_of

    assert sorted({(r["fusion"], r["seed"], r["share"]) for r in shipped["runs"]}) == sorted(
        (name, seed, share) for name in fusions() for seed in studies.SEEDS for share in studies.SHARES
    )
    for run in shipped["runs"]:
        assert run["inputs"] == inputs_of(run["fusion"], run["seed"], shipped["language"], Budget().share(run["share"])), run["fusion"]
    assert {(row["fusion"], row["seed"]) for row in shipped["second"]} == {(name, seed) for name in fusions() for seed in studies.ONE_SEED}
    assert {(row["fusion"], row["seed"]) for row in shipped["controls"]} == {(name, seed) for name in studies.CONTROLS for seed in studies.ONE_SEED}
    assert all(row["code"] == second_modality.CODE for row in shipped["second"])


@pytest.mark.parametrize("name", list(fusions()))
def test_every_fusion_learns_and_sees(name, shipped):
    """Each seed alone: 20 points over the majority on held-out pictures, and 60 % of right answers change with the picture."""
    for run in results.runs_of(shipped, name):
        every = run["types"]["all"]
        assert every["share"] >= every["baseline"] + 0.20
        assert run["seeing"]["share"] >= 0.60 and run["seeing"]["right"] >= 100


def test_what_type_d_draws_is_recognised(shipped):
    for run in results.runs_of(shipped, "one_vocabulary"):
        assert run["drawing"]["drawn"]["share"] >= 0.50 and run["drawing"]["real"]["share"] >= 0.95


def test_a_small_study_runs_skips_itself_and_goes_on(tmp_path, monkeypatch):
    from utils.training.fusions import Budget
    from utils.training.second_modality import SecondBudget

    monkeypatch.setattr(studies, "LENGTHS", (8, 16))
    budgets = Budget(pictures=8, questions=2, batch=4, rounds=1), SecondBudget(sounds=8, pictures=8, batch=4, steps=2)
    monkeypatch.setattr(studies, "PER_TYPE", 1)
    found = studies.study("pt-BR", ("projector",), (0,), (0.5, 1.0), budgets=budgets)
    assert [(row["share"], row["pictures"], row["steps"]) for row in found["runs"]] == [(0.5, 4, 1), (1.0, 8, 2)]
    only = found["second"][0]
    assert only["added"] == 61_824 and only["lines"] >= 2 and {row["type"] for row in only["sounds"]} >= {"how_many", "all"}
    assert [row["tokens"] for row in found["lengths"]] == [8, 16]
    monkeypatch.setattr(studies, "SHIPPED", tmp_path / "shipped")
    folder = runs.outputs() / "tiny" / "pt-BR" / "taxonomy"
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")}
    assert len(stamps) == 4  # two shares, the second modality, the control
    assert [row["fusion"] for row in found["controls"]] == ["projector"] and found["controls"][0]["inputs"] != found["runs"][1]["inputs"]
    (folder / "study.json").unlink()
    again = studies.study("pt-BR", ("projector",), (0,), (0.5, 1.0), budgets=budgets)
    assert again["runs"] == found["runs"] and {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert studies.shipped_or_own("pt-BR") == (runs.read_json(folder / "study.json"), folder)
    studies.install("pt-BR")
    assert studies.shipped_or_own("it") == (again, studies.SHIPPED)


def test_a_missing_study_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(studies, "SHIPPED", tmp_path)
    with pytest.raises(UserError, match="python -m utils study --install"):
        studies.shipped_or_own("pt-PT")


RUN = {
    "fusion": "projector",
    "letter": "C",
    "share": 1.0,
    "pictures": 80,
    "drawing": None,
    "cpu_seconds": 10.0,
    "peak_mb": 500,
    "answer_seconds": 0.01,
}


def run_of(seed, right, changed, **more):
    row = {"right": right, "total": 10, "share": right / 10, "baseline": 0.2}
    return RUN | {"seed": seed, "types": {"naming": row, "all": row}, "seeing": {"right": right, "changed": changed, "share": changed / right}} | more


def test_seeds_are_averaged_and_do_not_narrow_the_interval():
    study = {"runs": [run_of(0, 6, 6), run_of(1, 8, 4), run_of(2, 10, 5), run_of(0, 2, 2, share=0.5, pictures=40)]}
    every = results.overall(study, "projector")
    assert every["share"] == pytest.approx(0.8) and every["total"] == 10
    assert (every["low"], every["high"]) == results.wilson(8, 10)
    assert results.swap(study, "projector") == {"right": 24, "changed": 15, "share": 15 / 24, "lowest": 0.5}
    assert results.curves(study) == {"C projector": [(40, 0.2, 0.2, 0.2), (80, pytest.approx(0.8), 0.6, 1.0)]}
    row = results.summary(study)[0]
    assert row["right"].startswith("80% [") and row["seeds"] == "60% to 100%" and row["lowest seed"] == "50%"


def small_costs(**flops):
    make = lambda name: Cost(parameters=flops[name] * 10, trained=flops[name] * 9, sequence=50, flops=flops[name] * 10**6, memory_mb=1.0)  # noqa: E731
    return {name: make(name) for name in fusions()}


def test_each_claim_has_a_verdict_that_follows_the_numbers(shipped):
    claims = {claim.id for kind in TYPES for claim in kind.claims}
    dear = small_costs(cross_attention=50, visual_expert=30, projector=10, one_vocabulary=48, state_space=5)
    cheap = small_costs(cross_attention=5, visual_expert=30, projector=10, one_vocabulary=48, state_space=5)
    inside = {"cross_attention": 4, "visual_expert": 20}.get
    found, other = (verdicts(shipped, costs, lambda name: inside(name, 0)) for costs in (dear, cheap))
    assert set(found) == claims and sum(tally(found).values()) == len(claims) and set(tally(found)) == {HOLDS, FAILS, OPEN}
    for claim, here, there in (("A.cost", HOLDS, FAILS), ("B.cost", HOLDS, FAILS), ("C.cost", HOLDS, FAILS), ("D.cost", HOLDS, FAILS),
                               ("A.parameters", HOLDS, FAILS), ("B.internals", HOLDS, HOLDS), ("C.scaling", OPEN, OPEN)):  # fmt: skip
        assert (found[claim][0], other[claim][0]) == (here, there), claim
    worse = {**shipped, "runs": [run | {"drawing": run["drawing"] and dict.fromkeys(run["drawing"], {"share": 0.3})} for run in shipped["runs"]]}
    assert found["D.output"][0] == HOLDS and verdicts(worse, dear, lambda name: 0)["D.output"][0] == FAILS


def test_own_parts_are_counted_in_the_real_layers():
    assert {name: own_parts(name) > 0 for name in fusions()} == {
        "cross_attention": True, "visual_expert": True, "projector": False, "one_vocabulary": False, "state_space": True
    }  # fmt: skip
    assert own_parts("cross_attention") == 4


def test_lines_for_a_second_modality_leave_out_what_does_nothing():
    lines = studies._code('def f(a):\n    """One.\n\n    Two.\n    Three."""\n    # why\n\n    return a  # b\n')
    assert lines == ["def f(a):", "return a  # b"]
    every = {name: studies.own_lines(module) for name, module in fusions().items()}
    assert every["projector"] < every["visual_expert"] and every["projector"] < every["one_vocabulary"] and min(every.values()) >= 2


def test_the_base_decides_too(monkeypatch):
    """A study of another base is another study."""
    from utils.training.fusions import Budget, inputs_of

    one = inputs_of("projector", 0, "pt-BR", Budget())
    assert one != inputs_of("projector", 1, "pt-BR", Budget()) != inputs_of("projector", 1, "it", Budget())
    assert one != inputs_of("projector", 0, "pt-BR", dataclasses.replace(Budget(), rounds=1))
    monkeypatch.setattr(runs, "file_hash", lambda path: "another base")
    assert one != inputs_of("projector", 0, "pt-BR", Budget())
