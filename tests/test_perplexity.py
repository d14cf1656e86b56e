"""Perplexity: every item is counted, and an answer's likelihood is that of the class's own forward."""

import math
import random

import pytest
import torch
from PIL import Image

from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import scene_of
from utils.evaluation.perplexity import answer_nll, summary
from utils.models.prompt_formats import PROMPTS
from utils.models.prompts import IGNORE, encode_prefix, encode_turns
from utils.models.small import small_blip2, small_next
from utils.models.tiling import picture_inputs, picture_tokens
from utils.runs import UserError

QUESTIONS = ["What is it?", "How many animals are there in this picture?", "Is there a dog?"]
ANSWERS = ["It is a dog.", "There are two.", "Yes, there is a dog at the top left."]


def test_means_of_the_corpus_and_of_the_items_by_hand():
    found = summary([(2 * math.log(4), 2, 4), (math.log(16), 1, 2)])
    assert found["all"] == found["within"]
    assert found["all"]["per_token"] == pytest.approx({"corpus": 2 ** (8 / 3), "mean": 10})  # 8 bits over 3 tokens; (4 + 16) / 2
    assert found["all"]["per_character"] == pytest.approx({"corpus": 2 ** (8 / 6), "mean": 3})  # over 6 characters; (2 + 4) / 2
    assert (found["all"]["items"], found["all"]["tokens"], found["all"]["characters"]) == (2, 3, 6)


def test_an_outlier_is_counted_listed_and_shown_with_and_without():
    good, at_limit, over = (math.log(10), 1, 4), (math.log(999.9999), 1, 3), (2 * math.log(5000), 2, 8)
    found = summary([over, good, at_limit])
    assert found["outliers"] == [{"item": 0, "perplexity": pytest.approx(5000)}]
    assert found["all"]["per_token"]["mean"] == pytest.approx((10 + 999.9999 + 5000) / 3)
    assert found["within"]["items"] == 2 and found["within"]["per_token"]["mean"] == pytest.approx((10 + 999.9999) / 2)
    assert found["within"]["per_character"]["corpus"] == pytest.approx(math.exp((good[0] + at_limit[0]) / 7))
    assert [one["item"] for one in summary([over, good, at_limit], limit=50)["outliers"]] == [0, 2]
    fails = summary([over] * 3)
    assert len(fails["outliers"]) == 3 and fails["within"]["per_token"] == {"corpus": None, "mean": None}


def test_a_model_that_fails_on_most_does_not_look_better():
    """The trap of the published script: what is left over after dropping is the mean of the few easy items."""
    weak, strong = [(9.0, 1, 3)] * 9 + [(1.0, 1, 3)], [(2.0, 1, 3)] * 10
    one, other = summary(weak), summary(strong)
    assert one["within"]["per_token"]["mean"] < other["within"]["per_token"]["mean"]
    assert one["all"]["per_token"]["mean"] > other["all"]["per_token"]["mean"]
    assert (len(one["outliers"]), len(other["outliers"])) == (9, 0)


def test_empty_infinite_and_unknown_items_are_told():
    found = summary([(1.0, 2, 3), (0.0, 0, 0), (math.inf, 2, 3), (math.nan, 2, 3), (3.0, 1, 0), (1e6, 1, 5)])
    assert (found["empty"], found["not_a_number"], found["infinite"]) == ([1, 4], [3], 1)
    assert found["outliers"] == [{"item": 2, "perplexity": math.inf}, {"item": 5, "perplexity": math.inf}]
    assert found["all"]["items"] == 3 and found["within"]["items"] == 1
    assert found["items"] == found["all"]["items"] + len(found["empty"]) + len(found["not_a_number"])
    assert found["all"]["per_token"] == {"corpus": math.inf, "mean": math.inf}
    assert found["within"]["per_token"] == pytest.approx({"corpus": math.exp(0.5), "mean": math.exp(0.5)})
    assert summary([])["all"]["per_character"] == {"corpus": None, "mean": None}
    assert summary([(700.0, 1, 1)] * 100)["all"]["per_token"]["mean"] > 1e303  # a sum that is nearly too big
    assert summary([(709.7, 1, 1)] * 100)["all"]["per_token"]["mean"] == math.inf


def test_a_likelihood_with_the_wrong_sign_is_one_sentence():
    with pytest.raises(UserError, match=r"2 of 3 items have a negative .*\(counted from 0: 0, 2\); give the negative log likelihood"):
        summary([(-1.0, 2, 3), (1.0, 2, 3), (1.0, -2, 3)])


def test_the_order_of_the_items_changes_nothing():
    rng = random.Random(0)
    items = [(rng.choice([rng.random() * 30, 0.0, math.inf, math.nan, 1e5]), rng.randint(0, 4), rng.randint(0, 9)) for _ in range(300)]
    found, turned = summary(items), summary(items[::-1])
    assert turned["all"] == found["all"] and turned["within"] == found["within"]
    assert turned["empty"] == sorted(299 - at for at in found["empty"]) and len(turned["outliers"]) == len(found["outliers"])


def pictures(count, tiled=False):
    made = [render(scene_of("known", n)) for n in range(count)]
    return [picture.resize((96 + 90 * n, 96)) for n, picture in enumerate(made)] if tiled else made


def by_forward(model, tokenizer, picture, question, answer, form):
    """The same by the class itself: its mean loss over the labels of one row."""
    prefix = encode_prefix(tokenizer, picture_tokens(model.config, (picture.height, picture.width)), form)
    ids, labels = encode_turns(tokenizer, [(question, answer)], form)
    told = sum(label != IGNORE for label in labels)
    row = {"input_ids": torch.tensor([prefix + ids]), "labels": torch.tensor([[IGNORE] * len(prefix) + labels])}
    with torch.no_grad():
        loss = model(**row, **picture_inputs(model.config, picture)).loss
    return float(loss) * told, told, len(answer)


def assert_rows(model, tokenizer, shown, prompt=""):
    form = PROMPTS[prompt or "vicuna_v1"]
    wanted = [by_forward(model, tokenizer, *row, form) for row in zip(shown, QUESTIONS, ANSWERS, strict=True)]
    for batch in (1, 2, 3):
        found = answer_nll(model, tokenizer, shown, QUESTIONS, ANSWERS, batch=batch, prompt=prompt)
        assert [one[1:] for one in found] == [one[1:] for one in wanted]
        assert [one[0] for one in found] == pytest.approx([one[0] for one in wanted], rel=2e-5)
    return wanted


def test_an_answers_likelihood_is_that_of_the_class_row_by_row(base):
    model, tokenizer = base
    wanted = assert_rows(model, tokenizer, pictures(3))
    assert wanted[0][1] == len(tokenizer(" " + ANSWERS[0], add_special_tokens=False)["input_ids"]) + 1  # the answer and its end
    assert_rows(model, tokenizer, pictures(3), "llama_3")


def test_pictures_of_several_sizes_and_another_class(tokenizer):
    assert_rows(small_next(tokenizer).eval(), tokenizer, pictures(3, tiled=True))
    assert_rows(small_blip2(tokenizer, "opt").eval(), tokenizer, pictures(3))


def test_the_order_of_the_rows_changes_nothing(base):
    model, tokenizer = base
    shown = pictures(3)
    straight = answer_nll(model, tokenizer, shown, QUESTIONS, ANSWERS, batch=2)
    turned = answer_nll(model, tokenizer, shown[::-1], QUESTIONS[::-1], ANSWERS[::-1], batch=2)[::-1]
    assert [one[1:] for one in straight] == [one[1:] for one in turned]
    assert [one[0] for one in straight] == pytest.approx([one[0] for one in turned], rel=2e-5)


def test_picture_question_and_answer_all_count(base):
    model, tokenizer = base
    shown = pictures(1)
    ask = lambda picture, question, answer: answer_nll(model, tokenizer, [picture], [question], [answer])[0][0]  # noqa: E731
    right = ask(shown[0], QUESTIONS[0], ANSWERS[0])
    assert abs(ask(Image.new("RGB", shown[0].size, "red"), QUESTIONS[0], ANSWERS[0]) - right) > 0.01
    assert abs(ask(shown[0], QUESTIONS[1], ANSWERS[0]) - right) > 0.01
    assert ask(shown[0], QUESTIONS[0], "dog a is It It") > right + 1
    assert ask(shown[0], QUESTIONS[0], f"  {ANSWERS[0]}\n") == pytest.approx(right, rel=1e-6)


def test_an_empty_answer_is_counted_and_harms_no_other(base):
    model, tokenizer = base
    shown = pictures(3)
    found = answer_nll(model, tokenizer, shown, QUESTIONS, ["", ANSWERS[1], " \n"])
    assert found[0] == found[2] == (0.0, 0, 0)
    assert found[1] == pytest.approx(answer_nll(model, tokenizer, shown[1:2], QUESTIONS[1:2], ANSWERS[1:2])[0], rel=2e-5)
    assert summary(found)["empty"] == [0, 2]
    assert answer_nll(model, tokenizer, shown[:1], [""], [""]) == [(0.0, 0, 0)] and answer_nll(model, tokenizer, [], [], []) == []


def test_all_rows_that_cannot_be_scored_are_named_at_once(base, tokenizer):
    model, own = base
    with pytest.raises(UserError, match="3 of 4 items cannot be scored") as told:
        answer_nll(model, own, pictures(1) * 4, ["", "What?", "What?", "What?"], ["A dog.", "</s> A dog.", "dog " * 1200, "A dog."])
    assert all(part in str(told.value) for part in ("item 1: turn 1 has an empty question", "item 2: ", "</s>", "item 3: ", "1024 positions"))
    with pytest.raises(UserError, match="Blip2ForConditionalGeneration has an encoder"):
        answer_nll(small_blip2(tokenizer, "mt5"), tokenizer, pictures(1), QUESTIONS[:1], ANSWERS[:1])
