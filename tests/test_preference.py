"""Preferences: eq. 7 of the DPO paper on our rows, a reference that stays, only the tuned parts move, the model comes out whole."""

import dataclasses
import json
import math

import pytest
import torch
from torch.nn.functional import log_softmax, logsigmoid

from tests.training_runs import PLAN, PREFER, preference_rows, train
from utils.models import load
from utils.models.load import load_folder
from utils.models.prompts import encode_prefix, encode_turns
from utils.models.tiny import IMAGE_TOKENS, build_tiny, tiny_config
from utils.scales import TINY
from utils.training import preference
from utils.training.loop import Progress, part_of
from utils.training.preference import PairCollator, pair_of, preference_trainer
from utils.training.recipes import LLAVA_PT, Recipe, Tune
from utils.training.stages import Corpus, stage_folder, train_recipe

FULL = dataclasses.replace(PREFER, tune={"llm": Tune("full", 1e-4)})


@pytest.fixture()
def pairs(tokenizer, corpus):
    return [pair_of(row, tokenizer, 200) for row in preference_rows(corpus, 4)]


@pytest.fixture()
def collate(tokenizer, corpus):
    prefix = tuple(encode_prefix(tokenizer, IMAGE_TOKENS))
    return PairCollator(lambda _: prefix, tokenizer, corpus / "images", tiny_config(tokenizer))


def log_probability(model, collate, ids: list[int], learnt: list[int], pixels: torch.Tensor) -> torch.Tensor:
    """Of the learnt tokens of one conversation, asked of the model by itself."""
    row = torch.tensor([[*collate.prefix_of(""), *ids]])
    said = log_softmax(model(input_ids=row, pixel_values=pixels, use_cache=False).logits[0, :-1].float(), -1)
    each = said.gather(-1, row[0, 1:, None])[:, 0]
    return each[len(collate.prefix_of("")) - 1 :][torch.tensor(learnt, dtype=torch.bool)].sum()


@pytest.mark.parametrize("stage", [PREFER, FULL], ids=["adapter", "full"])
def test_the_loss_is_equation_7(stage, tokenizer, pairs, collate, tmp_path, monkeypatch):
    monkeypatch.setattr(preference, "BETA", 0.3)  # TRL has a beta of its own
    trainer = preference_trainer(build_tiny(tokenizer, seed=5), pairs, collate, stage, PLAN, tmp_path, Progress("x"))
    base = build_tiny(tokenizer, seed=5).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:  # the policy has gone some way
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        batch = collate(pairs)
        loss = trainer.compute_loss(trainer.model.eval(), batch)
        margins = []
        for pair, pixels in zip(pairs, batch["pixel_values"][: len(pairs), None], strict=True):
            moved = [
                log_probability(trainer.model, collate, pair[side], pair[f"{side}_learnt"], pixels)
                - log_probability(base, collate, pair[side], pair[f"{side}_learnt"], pixels)
                for side in ("chosen", "rejected")
            ]
            margins.append(moved[0] - moved[1])
    assert max(abs(margin) for margin in margins) > 0.1
    assert loss.item() == pytest.approx(-logsigmoid(0.3 * torch.stack(margins)).mean().item(), abs=1e-5)


def test_a_stage_may_also_learn_the_chosen_answers_themselves(tokenizer, pairs, collate, tmp_path):
    stage, model = dataclasses.replace(FULL, chosen=0.5), build_tiny(tokenizer, seed=5)
    trainer = preference_trainer(model, pairs, collate, stage, PLAN, tmp_path, Progress("x"))
    with torch.no_grad():
        batch = collate(pairs)
        said = [
            log_probability(model, collate, pair["chosen"], pair["chosen_learnt"], pixels)
            for pair, pixels in zip(pairs, batch["pixel_values"][: len(pairs), None], strict=True)
        ]
        plain = -torch.stack(said).sum() / sum(sum(pair["chosen_learnt"]) for pair in pairs)  # a mean over tokens
        assert trainer.compute_loss(model.eval(), batch).item() == pytest.approx(math.log(2) + 0.5 * plain.item(), abs=1e-4)  # no margin yet


def test_training_prefers_the_chosen_answers_and_moves_only_the_tuned_parts(tokenizer, corpus, tmp_path):
    before = build_tiny(tokenizer, seed=5).state_dict()
    model, history = train("preference", tokenizer, corpus, tmp_path)
    changed = {part_of(name) for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"llm", "projector"}
    assert history[0]["loss"] > history[-1]["loss"] and history[-1]["right"] > 0.7
    state = json.loads((tmp_path / "checkpoints" / "checkpoint-8" / "trainer_state.json").read_text())
    assert state["log_history"][-1]["rewards/margins"] > 0


def test_only_the_last_answer_is_learnt_and_what_comes_before_is_shared(tokenizer):
    turn = lambda q, a: [{"from": "human", "value": q}, {"from": "gpt", "value": a}]  # noqa: E731
    row = {"id": "1", "image": "1.png", "conversations": turn("<image>\nWhat is this?", "A dog.") + turn("Where?", "On the left.")}
    pair = pair_of(row | {"rejected": "I see a cat."}, tokenizer, 200)
    for side, answer in (("chosen", " On the left.</s>"), ("rejected", " I see a cat.</s>")):
        assert tokenizer.decode([i for i, learnt in zip(pair[side], pair[f"{side}_learnt"], strict=True) if learnt]) == answer
    shared = pair["chosen_learnt"].index(1)
    assert pair["chosen"][:shared] == pair["rejected"][:shared] and pair["rejected_learnt"].index(1) == shared
    assert pair["chosen"] == encode_turns(tokenizer, [("What is this?", "A dog."), ("Where?", "On the left.")])[0]


@pytest.mark.parametrize(
    "change,room,words",
    [
        ({}, 200, "row 7: a preference row needs the text of a worse answer under 'rejected'"),
        ({"rejected": " A dog."}, 200, "row 7: the rejected answer equals the chosen one"),
        ({"rejected": "A very small cat."}, 6, "row 7: the chosen conversation has .* tokens, 6 fit beside the picture"),
    ],
)
def test_a_row_that_is_no_pair_is_named(change, room, words, tokenizer):
    row = {"id": "7", "image": "1.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]}
    with pytest.raises(ValueError, match=words):
        pair_of(row | change, tokenizer, room)


def test_a_recipe_of_two_stages_prefers_from_the_model_of_the_first(tokenizer, corpus, tmp_path, monkeypatch):
    build_tiny(tokenizer, seed=5).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    monkeypatch.setattr(load, "SHIPPED", tmp_path / "start")
    rows = tmp_path / "pairs.json"
    rows.write_text(json.dumps(preference_rows(corpus, 8)))
    first = dataclasses.replace(LLAVA_PT.stages[0], replay=0.0, vocabulary="as it is")
    recipe = Recipe("two", "random", (first, PREFER), "a test")
    small = dataclasses.replace(TINY, name="small", steps=2, batch=2, row_tokens=260, max_rank=4)
    manifests = train_recipe(small, "pt-BR", recipe, Corpus((rows,), (), corpus / "images"))
    assert manifests[1]["pairs"] == 8 and manifests[1]["history"][-1]["right"] >= 0
    weights = [load_folder(stage_folder(small, "pt-BR", recipe, stage) / "model")[0].state_dict() for stage in recipe.stages]
    embeddings, rest = "model.language_model.embed_tokens.weight", "model.language_model.layers.0.mlp.up_proj.weight"
    start = load_folder(tmp_path / "start")[0].state_dict()
    assert not torch.equal(weights[0][embeddings], start[embeddings]) and torch.equal(weights[0][embeddings], weights[1][embeddings])
    assert not torch.equal(weights[0][rest], weights[1][rest])
