"""What learns and what comes out: frozen tensors to the bit, layers computed twice, precision, the merged model's logits."""

import dataclasses
import hashlib
import itertools

import pytest
import torch
from safetensors import safe_open

from tests.training_runs import PLAN, STAGES, scenes, train
from utils import runs
from utils.models.load import load_folder
from utils.models.prompts import encode_prefix, image_id
from utils.models.tiny import IMAGE_TOKENS, build_tiny
from utils.scales import TINY, WORKSHOP
from utils.training import stages
from utils.training.adapter import adapt, merged, merged_from, peft_forward
from utils.training.data import PackCollator
from utils.training.loop import part_of
from utils.training.objective import language_loss, loss_as_forward
from utils.training.recipes import LLAVA_PT, Stage, Tune

FULL, LORA = Tune("full", 1e-3), Tune("lora", 1e-3, rank=4, alpha=8)
PARTS = ("vision", "projector", "llm", "embeddings")
SOME = [set(some) for size in range(1, 5) for some in itertools.combinations(PARTS, size)]
WAYS = [{part: FULL for part in PARTS if part in some} for some in SOME]
WAYS += [{part: LORA if part == "llm" else FULL for part in PARTS if part in some} for some in SOME if "llm" in some]


def hashes(model) -> dict[str, str]:
    return {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("tune", WAYS, ids=["+".join(f"{part}-{tune.how}" for part, tune in way.items()) for way in WAYS])
def test_every_frozen_tensor_keeps_its_hash_and_every_tuned_part_moves(tune, tokenizer, corpus, tmp_path):
    plan = dataclasses.replace(PLAN, steps=2, batch=1, save_every=5)  # the first step of a warm-up has a rate of 0
    before = hashes(build_tiny(tokenizer, seed=5))
    after = hashes(train("combination", tokenizer, corpus, tmp_path, plan, Stage("x", "scenes", tune, weight_decay=0.1))[0])
    assert before.keys() == after.keys()
    assert {part_of(name) for name in before if before[name] != after[name]} == set(tune)


@pytest.fixture()
def batch(tokenizer):
    return PackCollator(tuple(encode_prefix(tokenizer, IMAGE_TOKENS)), image_id(tokenizer))(scenes(tokenizer)[:2])


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_layers_computed_twice_give_the_same_loss_and_gradients_and_keep_less(kind, tokenizer, batch):
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = adapt(build_tiny(tokenizer, seed=5), STAGES[kind], 4).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        kept = []
        with loss_as_forward(model, "lm"):
            with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.nbytes) or t, lambda t: t):
                loss = language_loss(model, batch)
            kept_bytes = sum(kept)
            loss.backward()
        found.append((loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}, kept_bytes))
    (loss, gradients, kept), (loss_again, gradients_again, kept_again) = found
    assert loss == pytest.approx(loss_again, abs=1e-6) and gradients.keys() == gradients_again.keys()
    assert max((gradients[name] - gradients_again[name]).abs().max().item() for name in gradients) < 1e-6
    assert kept_again < 0.5 * kept


def test_the_lean_adapter_is_pefts_own_to_the_rounding(tokenizer, batch):
    model = adapt(build_tiny(tokenizer, seed=5), LLAVA_PT.stages[0], 4).train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.05)

    def found() -> tuple[float, dict]:
        model.zero_grad()
        loss = language_loss(model, batch)
        loss.backward()
        return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    lean, gradients = found()
    with model.disable_adapter(), torch.no_grad():
        without = language_loss(model, batch).item()
    peft_forward(model)
    own, own_gradients = found()
    assert lean == pytest.approx(own, abs=1e-6) and abs(lean - without) > 1e-3
    assert gradients.keys() == own_gradients.keys()
    assert max((gradients[name] - own_gradients[name]).abs().max().item() for name in gradients) < 1e-5
    with model.disable_adapter(), torch.no_grad():
        assert language_loss(model, batch).item() == pytest.approx(without, abs=1e-6)


def test_a_plan_may_compute_layers_twice(tokenizer, corpus, tmp_path, monkeypatch):
    seen = []
    from transformers.modeling_layers import GradientCheckpointingLayer

    own = GradientCheckpointingLayer.__call__
    monkeypatch.setattr(
        GradientCheckpointingLayer,
        "__call__",
        lambda self, *a, **k: seen.append(self.gradient_checkpointing and self.training) or own(self, *a, **k),
    )
    weights = []
    for checkpointing in (False, True):
        plan = dataclasses.replace(PLAN, steps=2, save_every=5, checkpointing=checkpointing)
        seen.clear()
        weights.append(train("adapter", tokenizer, corpus, tmp_path / str(checkpointing), plan)[0].state_dict())
        language = seen[-4:]  # the language model's layers run last
        assert all(language) == checkpointing and any(language) == checkpointing
    assert max((weights[0][name] - weights[1][name]).abs().max().item() for name in weights[0]) < 1e-6


def test_the_exported_model_has_the_adapted_models_logits_and_llava_hfs_names(tokenizer, batch, tmp_path):
    stage = LLAVA_PT.stages[0]
    model = adapt(build_tiny(tokenizer, seed=5), stage, 4).eval()
    ids = torch.tensor([encode_prefix(tokenizer, IMAGE_TOKENS)])
    pixels = batch["pixel_values"][:1]
    with torch.no_grad():
        plain = model(input_ids=ids, pixel_values=pixels).logits
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn_like(parameter)
        adapted = model(input_ids=ids, pixel_values=pixels).logits
        model.save_pretrained(tmp_path / "gathered")
        stages._export(merged(model), tokenizer, tmp_path / "model", torch.float32, "vicuna_v1")
        again, _ = load_folder(tmp_path / "model")
        gathered = merged_from(build_tiny(tokenizer, seed=5).eval(), tmp_path / "gathered")
        assert (adapted - plain).abs().max() > 0.1
        for other in (again, gathered):
            assert torch.allclose(other(input_ids=ids, pixel_values=pixels).logits, adapted, atol=1e-4)
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        names = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118  (safe_open is no dict)
        assert names == {"language_model", "multi_modal_projector", "vision_tower"}
    assert not (tmp_path / "model" / "adapter_config.json").exists()


def test_all_weights_are_read_back_from_what_was_gathered(tokenizer, tmp_path):
    model = build_tiny(tokenizer, seed=5)
    model.save_pretrained(tmp_path)
    again = merged_from(build_tiny(tokenizer, seed=6), tmp_path)
    assert hashes(again) == hashes(model)


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_what_learns_is_held_in_32_bits_and_the_rest_as_it_came(kind, tokenizer, tmp_path):
    model = adapt(build_tiny(tokenizer, seed=5).to(torch.bfloat16), STAGES[kind], 4)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == ({torch.bfloat16} if kind == "adapter" else set())
    stages._export(merged(model), tokenizer, tmp_path / "model", torch.bfloat16, "vicuna_v1")
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_four_bits_without_bitsandbytes_is_one_sentence(monkeypatch):
    monkeypatch.setattr(stages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(runs.UserError, match="loads weights in 4 bits, and bitsandbytes is missing; pip install -r requirements-gpu.txt"):
        stages._start(WORKSHOP, LLAVA_PT, None)


def test_memory_is_saved_by_choice(monkeypatch):
    stage = LLAVA_PT.stages[0]
    assert (stages.plan_of(TINY, stage, 1, 0).checkpointing, stages.plan_of(WORKSHOP, stage, 1, 0).checkpointing) == (False, True)
    monkeypatch.setenv("CHECKPOINTING", "1")
    monkeypatch.setenv("ACCUMULATE", "2")
    plan = stages.plan_of(TINY, stage, 1, 0)
    assert plan.checkpointing and plan.accumulate == 2
    monkeypatch.setenv("ACCUMULATE", "two")
    with pytest.raises(runs.UserError, match="the environment variable ACCUMULATE is 'two'; give it a whole number"):
        stages.plan_of(TINY, stage, 1, 0)
