"""What preference training changed is told as it is: shares, sight, sentences and chart; a real run moves the wording and keeps the prompt."""

import dataclasses

import pytest

from utils.corpus.conversations import read_rows, turns_of, write_rows
from utils.corpus.images import load_picture
from utils.corpus.preferences import FILE, write_pairs
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.varieties import sister
from utils.evaluation import preference_results
from utils.evaluation.generate import answer_all
from utils.evaluation.preference_results import (
    Asked,
    ask_model,
    flipped,
    preference_chart,
    preference_result,
    preference_rows,
    preference_sentences,
)  # fmt: skip
from utils.evaluation.scenes_task import Answer, questions
from utils.evaluation.variety import telling, variety_of
from utils.models.load import SHIPPED, load_folder
from utils.runs import UserError
from utils.scales import TINY
from utils.training.recipes import Recipe, Stage, Tune
from utils.training.stages import Corpus, stage_folder, train_stage

FULL = {"llm": Tune("full", 2e-3), "embeddings": Tune("full", 4e-3)}
OURS = Recipe(
    "overfit", "the base", source="a test",
    stages=(
        Stage("instruct", "rows", FULL, prompt="vicuna_v1"),
        Stage("prefer", "pairs", {part: Tune("full", 2e-3) for part in FULL}, prompt="vicuna_v1", objective="preference", beta=0.1, chosen=1.0),
    ),
)  # fmt: skip
SMALL = dataclasses.replace(TINY, name="small", rate=1.0)
STEPS = (26, 24)


def answered(asks, language, own, right):
    """Right answers, the first `own` of them in `language` and the rest in its sister; the first `right` count as right."""
    other = sister(language) or language
    return [
        Answer(a.type, a.scene, "", language, say(a, language)[0], "", {}, say(a, language if n < own else other)[1], n < right, 1.0, None)
        for n, a in enumerate(asks)
    ]


def both(language, own=(3, 15), right=(18, 17)):
    plain = questions("known", 2)[:20]
    asks = telling(questions("known", 10), language)[:20] if sister(language) else []
    return [Asked(answered(asks, language, o, 20), answered(plain, language, o, r)) for o, r in zip(own, right, strict=True)]


@pytest.mark.parametrize("language", ["pt-PT", "pt-BR"])
def test_the_share_of_the_language_asked_for_is_told_with_its_interval_and_its_number(language):
    before, after = both(language)
    found = preference_result(before, after, language)
    rows = preference_rows(found)
    assert [row["measure"] for row in rows][:: len(rows) - 1] == [f"decidable answers in {language}", "plain questions right"]
    share = rows[0]
    assert (share["before"], share["before_of"], share["after"]) == (3 / 20, 20, 15 / 20) and share["difference"] == pytest.approx(0.6)
    assert 0.3 < share["low"] < 0.6 < share["high"] < 0.9 and share["before_low"] < 0.15 < share["before_high"]
    assert all(row["before_of"] <= 20 and (row["low"] is None) == row["measure"].startswith("…") for row in rows)
    assert (rows[-1]["before"], rows[-1]["after"]) == (0.9, 0.85) and rows[-1]["difference"] == pytest.approx(-0.05)
    first, second = preference_sentences(found)
    assert first.startswith(f"Decidable answers in {language} (against {sister(language)}): 15 % to 75 %, +60.0 points") and "is reached" in first
    assert "90 % to 85 %, -5.0 points" in second and "a loss of 3 points cannot be ruled out" in second


def test_a_rise_that_is_too_small_and_sight_that_is_lost_are_said():
    found = preference_result(*both("pt-PT", own=(3, 8), right=(20, 8)), "pt-PT")
    first, second = preference_sentences(found)
    assert "our aim of 30 points is not reached" in first and "seeing was lost: more than 3 points" in second
    nothing = preference_result(*both("pt-PT", own=(3, 3), right=(20, 20)), "pt-PT")
    assert "+0.0 points" in preference_sentences(nothing)[0] and "not reached" in preference_sentences(nothing)[0]


def test_where_nothing_could_be_decided_no_share_is_made_up():
    before, after = both("pt-PT")
    mute = Asked([dataclasses.replace(a, said="Sim.") for a in before.telling], before.plain)
    found = preference_result(mute, after, "pt-PT")
    assert (
        preference_rows(found)[0]["before"] is None and "could not be told on one side; our aim of 30 points is not" in preference_sentences(found)[0]
    )
    assert "before: nothing to decide" in [text.get_text() for text in preference_chart(found, "r", "s").axes[0].texts]


def test_italian_has_no_sister_and_the_first_sentence_says_so():
    found = preference_result(*both("it"), "it")
    assert [row["measure"] for row in preference_rows(found)] == ["plain questions right"]
    assert preference_sentences(found)[0] == "it has no sister variety here, so its pairs are seen-right against hallucinated alone."
    assert flipped(*both("it"), "it") == [] and len(preference_chart(found, "amalia-vl", "tiny").axes) == 1


def test_the_chart_says_whose_it_is_and_shows_the_shares():
    found = preference_result(*both("pt-PT"), "pt-PT")
    figure = preference_chart(found, "amalia-vl", "tiny-0.05")
    assert all(word in figure.get_suptitle() for word in ("amalia-vl", "tiny-0.05", "pt-PT"))
    dots = {line.get_label(): line.get_xdata()[0] for line in figure.axes[0].lines if not line.get_label().startswith("_")}
    assert dots == {"before": pytest.approx(15), "after": pytest.approx(75)}
    assert [text.get_text() for text in figure.axes[1].texts][-2:] == ["90 % of 20", "85 % of 20"]


def test_flipped_answers_are_read_before_and_after():
    before, after = both("pt-PT")
    rows = flipped(before, after, "pt-PT", most=5)
    assert len(rows) == 5 and all(row["before"] != row["after"] and variety_of(row["after"], "pt-PT") == "pt-PT" for row in rows)


def test_answers_are_kept_and_asked_once(base, tmp_path, monkeypatch):
    model, tokenizer = base
    model.save_pretrained(tmp_path / "model"), tokenizer.save_pretrained(tmp_path / "model")
    first = ask_model(tmp_path / "model", "pt-PT", tmp_path / "out", 1)
    assert len(first.plain) == 14 and first.telling and all(telling([a_question(a)], "pt-PT") for a in first.telling)
    monkeypatch.setattr(preference_results, "load_model", lambda *_: pytest.fail("asked again"))
    assert ask_model(tmp_path / "model", "pt-PT", tmp_path / "out", 1) == first
    assert ask_model(tmp_path / "model", "it", tmp_path / "it", 1).telling == []


def a_question(answer):
    """The question that an answer belongs to, found again among all."""
    return next(ask for ask in questions("known", 2, seed=preference_results.TELLING_SEED) if (ask.type, ask.scene) == (answer.type, answer.scene))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model overfit on three Brazilian answers, then on pairs that prefer the European ones: (folder of pairs, two models)."""
    folder = tmp_path_factory.mktemp("overfit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTPUTS", str(folder / "outputs"))
        write_pairs(folder, 96, "pt-PT", seed=3)
        pairs = [row for row in read_rows(folder / FILE) if row["pair"] == "variety" and row["type"] == "naming"][:3]
        write_rows(folder / FILE, pairs)
        for row in pairs:
            row["conversations"][-1]["value"] = row["rejected"]
        write_rows(folder / "rows.json", pairs)
        before = None
        for stage, file, batch, steps in zip(OURS.stages, ("rows.json", FILE), (1, 3), STEPS, strict=True):
            scale = dataclasses.replace(SMALL, batch=batch)
            train_stage(scale, "pt-PT", OURS, stage, Corpus((folder / file,), (), folder / "images"), steps=steps, before=before)
            before = stage_folder(scale, "pt-PT", OURS, stage) / "model"
        return folder, [stage_folder(SMALL, "pt-PT", OURS, stage) / "model" for stage in OURS.stages]


def said_by(model_folder, folder):
    rows = read_rows(folder / FILE)
    asked = [turns_of(row)[0][0] for row in rows]
    model, tokenizer = load_folder(model_folder)
    return model, answer_all(model, tokenizer, [load_picture(folder / "images" / row["image"]) for row in rows], asked)


def test_a_real_run_moves_the_wording_the_right_way_and_keeps_the_prompt(trained):
    folder, models = trained
    (_, before), (after_model, after) = (said_by(one, folder) for one in models)
    share = [[variety_of(text, "pt-PT") for text in said].count("pt-PT") for said in (before, after)]
    assert share[0] == 0 and share[1] >= 2, (before, after)
    assert after_model.config.prompt == "vicuna_v1"


def test_pairs_in_another_prompt_than_the_model_learnt_are_refused(tmp_path):
    model, tokenizer = load_folder(SHIPPED)
    model.config.prompt = "vicuna_v1"
    model.save_pretrained(tmp_path / "model"), tokenizer.save_pretrained(tmp_path / "model")
    write_pairs(tmp_path, 4, "pt-PT")
    stage, pairs = dataclasses.replace(OURS.stages[1], prompt="chatml"), Corpus((tmp_path / FILE,), (), tmp_path / "images")
    with pytest.raises(
        UserError, match="stage prefer asks in the format chatml, and its start model learnt vicuna_v1; start it from the stage before"
    ):
        train_stage(SMALL, "pt-PT", OURS, stage, pairs, before=tmp_path / "model")
