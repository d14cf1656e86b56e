"""Did machine translation hurt: gold rows match the machine's, comparisons tell the truth, the shipped result fits the code."""

import dataclasses
import json

import pytest
import torch

from utils import runs
from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.scenes.instruct import PARTS, write_corpus
from utils.evaluation import harm
from utils.evaluation.gains import could_show, gains
from utils.evaluation.scenes_task import questions
from utils.journey import translation_harm as study
from utils.models.load import SHIPPED
from utils.scales import TINY, shrink
from utils.training.stages import Corpus


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory):
    """An English corpus and a "translation" of it that lost a row of every file and says its answers in capitals."""
    folder = tmp_path_factory.mktemp("harm")
    write_corpus(folder / "english", 12)
    for name in PARTS:
        rows = read_rows(folder / "english" / "gold" / "pt-BR" / name)[1:]
        for row in rows:
            for turn in row["conversations"][1::2]:
                turn["value"] = turn["value"].upper()
        write_rows(folder / "machine" / name, rows)
    return Corpus(tuple(folder / "machine" / n for n in PARTS), tuple(folder / "english" / n for n in PARTS), folder / "english" / "images")


def test_gold_has_the_rows_of_the_machine_text_and_no_others(small_corpus, tmp_path):
    gold = study.gold_corpus(small_corpus, "pt-BR", tmp_path)
    for machine, same, english in zip(small_corpus.translated, gold.translated, small_corpus.english, strict=True):
        said, right = read_rows(machine), read_rows(same)
        assert [row["id"] for row in said] == [row["id"] for row in right] and len(right) == len(read_rows(english)) - 1
        assert all(a["conversations"][1]["value"] == b["conversations"][1]["value"].upper() for a, b in zip(said, right, strict=True))
        assert said[0]["conversations"][1]["value"] != right[0]["conversations"][1]["value"]
    assert gold.english == small_corpus.english and gold.images == small_corpus.images


def test_questions_come_in_two_wordings_of_the_same_meaning():
    asks = questions("known", 2)
    found = study.wordings(asks, "pt-BR")
    assert len(found["gold"]) == len(found["machine"]) == len(asks)
    assert found["gold"] != found["machine"] and all(text.endswith(("?", ".")) for text in found["machine"])


def test_a_run_is_asked_in_both_wordings_and_is_not_run_twice(small_corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    scale = dataclasses.replace(shrink(TINY, 0.02), steps=2)
    threads = torch.get_num_threads()
    try:
        row = study.one_run("machine", 1, small_corpus, scale, "pt-BR", 2)
        model = next(tmp_path.rglob("machine-1/instruct/model/model.safetensors"))
        made = model.stat().st_mtime_ns
        assert study.one_run("machine", 1, small_corpus, scale, "pt-BR", 2) == row and model.stat().st_mtime_ns == made
    finally:
        torch.set_num_threads(threads)
    assert (row["text"], row["seed"], row["steps"]) == ("machine", 1, 2) and set(row["asked"]) == {"gold", "machine"}
    sizes = {kind: len(bits) for kind, bits in row["asked"]["gold"]["right"].items()}
    assert sizes == {kind: len(bits) for kind, bits in row["asked"]["machine"]["right"].items()} and sum(sizes.values()) == len(questions("known", 2))


def test_without_an_offline_engine_there_is_nothing_to_compare():
    with pytest.raises(runs.UserError, match="no offline engine translates into it"):
        study.harm("it")


def made(bits: dict[str, dict[int, dict[str, str]]]) -> dict:
    """A result from text -> seed -> type -> bits, the same in both wordings."""
    rows = []
    for text, seeds in bits.items():
        for seed, right in seeds.items():
            told = {"right": right, "in_language": 4, "causes": {"naming": {"wrong kind of thing": 1}}}
            rows.append({"text": text, "seed": seed, "asked": {"gold": told, "machine": told}})
    return {"runs": rows}


def test_a_comparison_pairs_the_questions_and_keeps_the_seeds_apart():
    ten = {"naming": "1" * 10, "card": "0" * 10}
    none = {"naming": "0" * 10, "card": "0" * 10}
    found = made({"machine": {0: none, 1: ten}, "gold": {0: ten, 1: ten}})
    naming, card, every = harm.compare(found, "machine", "gold")
    assert (naming["machine"], naming["gold"], naming["difference"], naming["by_seed"]) == (0.5, 1.0, 0.5, [1.0, 0.0])
    assert naming["p"][0] == pytest.approx(2 * 2 * 0.5**10) and naming["p"][1] == 1.0 and naming["holds"] == 1  # two types: Holm doubles it
    assert card["difference"] == 0 and every["p"][0] == pytest.approx(2 * 0.5**10) and every["questions"] == 20
    back = harm.compare(found, "gold", "machine")[0]
    assert back["difference"] == -0.5 and back["by_seed"] == [-1.0, 0.0]
    assert "changes +25.0 points" in harm.told(found, "machine", "gold", "gold") and "1 of 2 seeds" in harm.told(found, "machine", "gold", "gold")


def test_overall_tells_each_text_with_its_best_and_worst_seed():
    found = made({"machine": {0: {"naming": "1100"}, 1: {"naming": "1111"}}})
    row = harm.overall(found)[0]
    assert (row["share"], row["least"], row["most"], row["in_language"]) == (0.75, 0.5, 1.0, 1.0)
    assert harm.causes(found, "machine") == {"wrong kind of thing": 2}


def test_the_shipped_result_is_this_codes_own():
    """Changed questions, judging or base make the numbers on the page old: run `python -m utils harm --install` again."""
    found = json.loads((study.SHIPPED / "harm.json").read_text(encoding="utf-8"))
    assert found["code"] == study.CODE and found["start"] == runs.file_hash(SHIPPED / "model.safetensors")
    assert {(run["text"], run["seed"]) for run in found["runs"]} == {(text, seed) for text in study.TEXTS for seed in study.SEEDS}
    assert {run["steps"] for run in found["runs"]} == {TINY.steps}
    asked = [ask.type for ask in questions("known", found["per_type"])]
    assert all(
        {kind: len(bits) for kind, bits in told["right"].items()} == {kind: asked.count(kind) for kind in set(asked)}
        for run in found["runs"] for told in run["asked"].values()
    )  # fmt: skip
    assert all(0.5 < row["share"] <= 1 for row in harm.overall(found)), "every model of it learnt"


def answers(right: str, types: str = "naming"):
    from utils.corpus.scenes.world import single
    from utils.evaluation.scenes_task import Answer

    scene = single("dog", "blue")
    return [Answer(types, scene, f"k{n % 2}", "en", f"q{n}", "g", {}, "s", bit == "1", float(bit), "en") for n, bit in enumerate(right)]


def test_gains_are_paired_and_held_against_the_baseline():
    rows = gains(answers("0" * 20), answers("1" * 20))
    assert [row["type"] for row in rows] == ["naming", "all"]
    assert rows[0]["difference"] == rows[0]["low"] == rows[0]["high"] == 1.0 and rows[0]["p"] == pytest.approx(2 * 0.5**20)
    assert rows[0]["baseline"] == 0.5 and rows[0]["above"]
    half = gains(answers("1" * 20), answers("10" * 10))[0]
    assert half["difference"] == -0.5 and not half["above"] and half["low"] < -0.25
    assert could_show(half) == 12 or could_show(half) < 20
    assert could_show(gains(answers("10"), answers("01"))[0]) is None


def test_gains_of_other_questions_are_refused():
    with pytest.raises(runs.UserError, match="same questions in the same order"):
        gains(answers("10"), answers("1"))


def test_style_is_told_from_content():
    first, second = {"naming": "0" * 30, "card": "0" * 30, "total": "1" * 30}, {"naming": "1" * 30, "card": "1" * 30, "total": "1" * 30}
    found = made({"machine": {0: first}, "gold": {0: second}})
    told = {run["text"]: run for run in found["runs"]}
    told["gold"]["asked"] = {
        "gold": told["gold"]["asked"]["gold"],
        "machine": {**told["gold"]["asked"]["gold"], "right": {**second, "card": "0" * 30}},
    }
    said = harm.in_both_wordings(found, "machine", "gold")
    assert len(said) == 2 and said[0].startswith("naming: +100.0") and said[0].endswith(": in both") and said[1].endswith(": not in both")


def test_errors_are_held_against_what_gold_text_gains():
    rows = [{"side": "answer", "type": kind, "turns": 10, **dict.fromkeys(harm.CHANGED, 0)} for kind in ("all", "naming", "card", "total")]
    for row, wrong in zip(rows[1:], (5, 3, 0), strict=True):
        row["another colour"] = wrong
    found = made(
        {"machine": {0: {"naming": "0000", "card": "0011", "total": "1111"}}, "gold": {0: {"naming": "1111", "card": "1111", "total": "1111"}}}
    )
    found["translator"] = rows
    assert harm.changed_shares(found) == {"naming": 0.5, "card": 0.3, "total": 0.0}
    told = harm.errors_against_loss(found, most=1)
    assert told[0].endswith("naming 50.0 % changed, +100.0 points from gold") and "over 3 types: +1.00" in told[1]
