"""LLaVA-NDiNO's seven models: shared stages, intervals over seeds and questions, skipped perplexities, the shipped answer."""

import dataclasses
import json
import math

import numpy as np
import pytest

from utils.__main__ import main
from utils.evaluation import seven as measures
from utils.evaluation.seven import PAIRS, SETS, answer, bits, crossed, differences, lines, paired_tests, rows, whole
from utils.evaluation.seven_chart import seven_chart
from utils.evaluation.significance import paired_bootstrap
from utils.journey import seven as journey
from utils.journey.seven import Budget, trainings
from utils.runs import UserError
from utils.scales import TINY, shrink
from utils.training.systems import SEVEN

TOKENS = {"words": [2, 2, 4], "sentences": [10, 10, 10]}


def a_run(model: str, seed: int, right: str, word: float = 2.0, sentence: float = 3.0, language: str = "it") -> dict:
    """A model's kept answers: digits of one type, and one perplexity for all words and one for all sentences."""
    nats = {"words": " ".join(f"{n * math.log(word):.3f}" for n in TOKENS["words"])}
    nats["sentences"] = " ".join(f"{n * math.log(sentence):.3f}" for n in TOKENS["sentences"])
    return {
        "language": language,
        "seed": seed,
        "model": model,
        "right": {"naming": right},
        "in_language": 1,
        "words": len(right),
        "pope": "yn?n",
        "nats": nats,
    }


def result(right: dict[str, str], word: dict | None = None, seeds=(0, 1, 2)) -> dict:
    runs = [a_run(model, seed, right.get(model, "0" * 40), (word or {}).get(model, 2.0)) for seed in seeds for model in SEVEN]
    told = {"baseline": {"naming": 0.25}, "pope": "yyny", "tokens": TOKENS, "characters": TOKENS}
    facts = {
        "recipe": "llava-ndino",
        "scale": "tiny",
        "languages": ["it"],
        "seeds": list(seeds),
        "text": "gold text",
        "budget": dataclasses.asdict(Budget()),
    }
    return facts | {"asked": {"it": told}, "models": runs}


def row_of(found: dict, pair: str, measure: str) -> dict:
    return next(row for row in differences(found) if (row["pair"], row["measure"]) == (pair, measure))


def test_models_with_the_same_first_stages_share_them():
    found = trainings()
    assert len(found) == len(set(found)) == 8 and sum(map(len, SEVEN.values())) == 19, "alone they would be nineteen trainings"
    assert set(SEVEN.values()) <= set(found)
    for at, chain in enumerate(found):
        assert chain[:-1] in ((), *found[:at]), f"{chain} starts from a result that is there before it"
    assert trainings({"a": ("x", "y"), "b": ("x", "z")}) == [("x",), ("x", "y"), ("x", "z")]


def test_the_interval_holds_questions():
    random = np.random.default_rng(3)
    one, two = random.integers(0, 2, (2, 200))
    mine, other = crossed([one], [two]), paired_bootstrap(list(one), list(two))
    assert mine["difference"] == pytest.approx(other["difference"])
    assert mine["low"] == pytest.approx(other["low"], abs=0.012) and mine["high"] == pytest.approx(other["high"], abs=0.012)
    assert crossed([one, two], [one, two]) == {"difference": 0.0, "low": 0.0, "high": 0.0}, "both models have the same draw"


def test_the_interval_holds_seeds_and_draws_one_less_than_there_are():
    zeros, gain = np.zeros((3, 5)), np.array([[0.0] * 5, [0.0] * 5, [0.3] * 5])
    found = crossed(zeros, gain, level=0.9)
    # Of two draws from three seeds both are the third in 1/9 of the rounds, more than the 5 % above the interval; of three draws in 1/27.
    assert found["difference"] == pytest.approx(0.1) and found["high"] == pytest.approx(0.3) and found["low"] == 0.0
    assert crossed([[0.0] * 5, [0.0] * 5], [[1.0] * 5, [-1.0] * 5]) == {"difference": 0.0, "low": -1.0, "high": 1.0}


def test_skipped_values_are_in_no_mean():
    nan = math.nan
    found = crossed([[1.0, nan, 3.0]], [[4.0, 6.0, nan]])
    assert found["difference"] == pytest.approx(3.0), "5 of the second minus 2 of the first"
    assert found["low"] >= 1.0 and found["high"] <= 5.0
    assert crossed([[nan, nan]], [[1.0, 2.0]]) == {"difference": None, "low": None, "high": None}


def test_perplexities_over_the_limit_are_skipped_and_counted():
    found = result({})
    run = next(run for run in found["models"] if (run["model"], run["seed"]) == ("PT+IT", 1))
    run["nats"]["words"] = f"{2 * math.log(5):.3f} {2 * math.log(1001):.3f} {4 * math.log(3):.3f}"
    row = next(row for row in rows(found) if row["model"] == "PT+IT")
    assert (row["skipped, words"], row["answers, words"], row["skipped, sentences"]) == (1, 9, 0)
    assert row["perplexity, words"] == pytest.approx((2 + 4 + 2) / 3, rel=1e-3), "the seed's own mean is of 5 and 3"
    paper = row_of(found, "PT+IT − IT", "perplexity, words")
    assert paper["skipped"] == [0, 1] and paper["by_seed"] == pytest.approx([0, 2, 0], abs=0.01)
    every = row_of(found, "PT+IT − IT", "log perplexity, words")
    assert every["skipped"] == [0, 0] and every["by_seed"][1] == pytest.approx(math.log(5 * 1001 * 3 / 8) / 3, abs=0.01)
    for seed in range(3):
        found["models"][3 + 7 * seed] = a_run("LONG", seed, "0" * 40, 2000.0)
    row = row_of(found, "PT+LONG − LONG", "perplexity, words")
    assert row["difference"] is None and row["verdict"] == "no difference shown" and row["skipped"] == [9, 0]
    assert "PT+LONG − LONG has no value, for every answer of a model is over the limit, skipped answers: 0 with, 9 without" in answer(found, "it")[1]


def test_pope_counts_unreadable_answers_as_wrong():
    row = rows(result({}))[0]
    assert row["POPE accuracy"] == pytest.approx(1 / 4) and row["POPE yes ratio"] == pytest.approx(1 / 4) and row["POPE unreadable"] == 3


def test_the_question_is_answered_from_the_verdicts():
    helps = result({"PT+IT": "1" * 20 + "0" * 20}, {"PT+IT": 1.5, "PT+LONG": 4.0})
    exact, words = answer(helps, "it")[:2]
    assert exact.startswith(
        "exact match, Italian, scale tiny: language pre-training helps in 1 of 3 pairs, elsewhere no difference shown (PT+IT − IT +50.0 points ["
    )
    assert "1 of 7 models beats always giving the commonest answer (25.0 %); McNemar" in exact and exact.endswith("below 0.05 in 3 of 9 tests")
    assert "helps some models and hurts others" in words and "PT+IT − IT -0.5 [-0.5, -0.5]: helps; PT+LONG − LONG +2.0 [+2.0, +2.0]: hurts" in words
    assert "× 0.75 [0.75, 0.75]: helps" in answer(helps, "it")[2]
    assert "language pre-training hurts in 1 of 3" in answer(result({"IT": "1" * 40}), "it")[0]
    nothing = answer(result({}), "it")
    assert "makes no difference that is shown" in nothing[0] and "none of 7 models beats" in nothing[0] and "says little here" in nothing[0]
    assert f"trained {journey.STEPS['adapt']} steps more" in nothing[-1]
    assert answer(helps, "it")[-2] == "lowest perplexity: PT+IT (1.5) on words, PT (3.0) on sentences"
    one_seed = result({"IT": "10" * 20, "PT+IT": "01" * 20}, seeds=(0,))
    row = row_of(one_seed, "PT+IT − IT", "exact match")
    assert row["difference"] == 0 and row["low"] < -0.1 and row["high"] > 0.1 and row["verdict"] == "no difference shown"
    assert whole([{"verdict": "hurts"}] * 2) == "hurts in 2 of 2 pairs"


def test_the_table_tells_each_difference_as_text():
    told = lines(result({"PT+IT": "1" * 20 + "0" * 20}, {"PT+IT": 1.5}))
    assert len(told) == 3 * 6 and told[0]["difference"].startswith("+50.0 points [") and told[0]["by seed"] == ", ".join(["+50.0 points"] * 3)
    assert (
        told[4]["measure"] == "log perplexity, words"
        and told[4]["by seed"] == "× 0.75, × 0.75, × 0.75"
        and told[4]["skipped without, with"] == "0, 0"
    )


def test_mcnemar_is_told_by_seed_and_corrected_over_the_pairs():
    told = paired_tests(result({"PT+IT": "1" * 7 + "0" * 33}))
    assert len(told) == 9 and [row["pair"] for row in told[:3]] == ["PT+IT − IT", "PT+LONG − LONG", "PT+IT+LONG − IT+LONG"]
    first = told[0]
    assert first["only_second"] == 7 and first["exact_p"] == pytest.approx(2 / 2**7) and first["chi2"] == pytest.approx(36 / 7)
    assert first["p"] == pytest.approx(3 * first["exact_p"]), "Holm over three pairs"


def test_the_chart_carries_recipe_scale_and_languages():
    import matplotlib.pyplot as plt

    figure = seven_chart(result({"PT+IT": "1" * 40}, {"PT+LONG": 4.0}))
    assert "llava-ndino, scale tiny, it, 3 seeds, gold text" in figure.get_suptitle()
    exact, *others = figure.axes
    assert [label.get_text() for label in exact.get_yticklabels()] == [f"{b} − {a}" for a, b in PAIRS]
    assert any(list(line.get_xdata()) == pytest.approx([100, 100]) for line in exact.lines) and len(others) == 2
    assert any(list(line.get_xdata()) == pytest.approx([2, 2], rel=1e-3) for line in others[0].lines), "twice the perplexity"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["it"]
    plt.close(figure)


@pytest.fixture(scope="module")
def shipped() -> dict:
    return json.loads((journey.SHIPPED / "seven.json").read_text(encoding="utf-8"))


def test_the_shipped_result_is_what_the_code_says(shipped):
    assert (journey.SHIPPED / "seven.json").stat().st_size < 300_000
    assert tuple(shipped["languages"]) == journey.LANGUAGES and shipped["scale"] == "tiny" and shipped["code"] == journey.CODE
    budget, seeds = shipped["budget"], shipped["seeds"]
    assert budget == dataclasses.asdict(Budget()) and tuple(seeds) == journey.SEEDS
    assert shipped["versions"]["torch"] and shipped["seconds"] == round(sum(row["seconds"] for row in shipped["trained"]))
    every = {(row["language"], row["seed"], row["stages"]) for row in shipped["trained"]}
    wanted = {
        ("en" if chain == ("align",) else language, seed, "+".join(chain))
        for language in journey.LANGUAGES for seed in seeds for chain in trainings()
    }  # fmt: skip
    assert every == wanted and len(shipped["trained"]) == len(seeds) * (1 + 2 * 7)
    assert all(row["steps"] == journey.STEPS[row["stages"].split("+")[-1]] for row in shipped["trained"])
    assert {(run["language"], run["seed"], run["model"]) for run in shipped["models"]} == {
        (language, seed, model) for language in journey.LANGUAGES for seed in seeds for model in SEVEN
    }
    for run in shipped["models"]:
        assert {kind: len(digits) for kind, digits in run["right"].items()} == dict.fromkeys(journey.KINDS, journey.PER_TYPE)
        assert len(run["pope"]) == journey.POPE
        assert [len(run["nats"][name].split()) for name in SETS] == [len(shipped["asked"][run["language"]]["tokens"][name]) for name in SETS]


def test_the_shipped_pairs_follow_from_the_kept_answers(shipped):
    for language in shipped["languages"]:
        for without, adapted in PAIRS:
            strings = {}
            for run in shipped["models"]:
                if run["language"] == language and run["model"] in (without, adapted):
                    strings[run["model"], run["seed"]] = "".join(run["right"].values())
            gaps = [(strings[adapted, s].count("1") - strings[without, s].count("1")) / len(strings[adapted, s]) for s in shipped["seeds"]]
            row = next(
                row
                for row in differences(shipped)
                if (row["language"], row["pair"], row["measure"]) == (language, f"{adapted} − {without}", "exact match")
            )
            assert row["by_seed"] == pytest.approx(gaps) and row["difference"] == pytest.approx(sum(gaps) / len(gaps))
            assert row["low"] <= row["difference"] <= row["high"]
    assert len(rows(shipped)) == 14 and len(answer(shipped, "it")) == len(measures.HEADS) + 2


def test_a_small_run_from_start_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    monkeypatch.setattr(journey, "KINDS", ("naming", "yes_no"))
    monkeypatch.setattr(journey, "NEW_TOKENS", 4)
    small = dataclasses.replace(TINY, name="small", pictures=20, row_tokens=300)
    budget = Budget(dict.fromkeys(journey.STEPS, 2), batch=1, per_type=1, pope=2, sentences=1)
    found = journey.seven(("it",), (5,), small, budget)
    made = sorted(path.parent for path in tmp_path.rglob("model") if path.is_dir())
    assert len(made) == len(found["trained"]) == 8 and [run["model"] for run in found["models"]] == list(SEVEN)
    assert len([path for path in made if path.is_relative_to(tmp_path / "small" / "en")]) == 1, "alignment is English"
    starts = {row["stages"]: row for row in found["trained"]}
    assert starts["align+short"]["last_loss"] != starts["align+adapt+short"]["last_loss"], "PT+IT starts from the adapted model"
    assert all(len(bits(run)) == 2 and len(run["pope"]) == 2 for run in found["models"])
    assert len(rows(found)) == 7 and answer(found, "it")[0].startswith("exact match, Italian, scale small")
    dates = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("manifest.json")}
    again = journey.seven(("it",), (5,), small, budget)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("manifest.json")} == dates and again == found, "all of it is skipped"
    with pytest.raises(UserError, match="a result of scale small does not travel"):
        journey.install(found)
    assert "it, seed 5 done" in capsys.readouterr().out


def test_own_result_comes_before_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    monkeypatch.setattr(journey, "SHIPPED", tmp_path / "nowhere")
    with pytest.raises(UserError, match="python -m utils seven --install"):
        journey.seven_or_own()
    journey.install({"scale": "tiny", "mine": False})
    assert journey.seven_or_own()["mine"] is False
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "seven.json").write_text('{"mine": true}')
    assert journey.seven_or_own()["mine"] is True


def test_a_smaller_scale_has_a_smaller_budget():
    assert journey.budget_of(TINY) == Budget()
    tenth = journey.budget_of(shrink(TINY, 0.1))
    assert tenth.steps == {"align": 4, "adapt": 20, "short": 20, "long": 6} and (tenth.per_type, tenth.pope, tenth.sentences) == (2, 4, 1)


def test_the_command_refuses_what_it_cannot_train(capsys):
    assert main(["seven", "--seeds", "0"]) == 2
    assert "give at least one seed and one language" in capsys.readouterr().err
    assert main(["seven", "--language", "xx"]) == 2
    assert "LANGUAGE 'xx' is unknown" in capsys.readouterr().err
