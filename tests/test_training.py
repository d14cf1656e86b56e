"""Training on the real classes made small: what learns, what stays, how it stops and goes on, what it exports."""

import dataclasses
import hashlib
import json

import pytest
import torch

from utils import runs
from utils.corpus.scenes.instruct import PARTS
from utils.models import load
from utils.models.load import load_folder, load_start, true_shape
from utils.models.prompts import encode_prefix, image_id
from utils.models.tiny import IMAGE_TOKENS, build_tiny
from utils.scales import SCALES, TINY, scale, shrink
from utils.training.adapter import LORA_TARGETS, adapt, freeze_absent
from utils.training.base import ALIGN, COUNT, INSTRUCT, build_base, unseen_pieces, words_collator
from utils.training.checkpoints import usable_checkpoints
from utils.training.data import PackCollator
from utils.training.english_base import PatchWords, SceneStream, patch_words
from utils.training.loop import Plan, parameter_groups, part_of, run_stage
from utils.training.recipes import ENGLISH_BASE, LLAVA_PT, THESIS, Stage, Tune, recipe
from utils.training.recipes import PARTS as MODEL_PARTS
from utils.training.stages import Corpus, stage_folder, train_stage
from utils.training.vocabulary import align_vocabulary, untrained_pieces

SMALL = dataclasses.replace(TINY, name="small", steps=6, batch=2, row_tokens=260, max_rank=4)
OWN_STAGES = [(r.name, s) for r in (LLAVA_PT, THESIS, ENGLISH_BASE) for s in r.stages]


def fingerprint(model) -> dict[str, str]:
    """A hash per part; adapters are merged in first, so that what matters is the function."""
    parts: dict[str, hashlib._Hash] = {}
    for name, value in sorted(model.state_dict().items()):
        parts.setdefault(part_of(name), hashlib.sha256()).update(value.detach().numpy().tobytes())
    return {part: digest.hexdigest() for part, digest in parts.items()}


@pytest.fixture()
def start(tmp_path, monkeypatch, model, tokenizer):
    """A random tiny model in the place of the shipped one."""
    folder = tmp_path / "start"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    monkeypatch.setattr(load, "SHIPPED", folder)
    return folder


@pytest.fixture()
def files(corpus):
    # Gold Portuguese stands in for a translation here: training does not care where the text came from.
    return Corpus(tuple(corpus / "gold" / "pt-BR" / n for n in PARTS), tuple(corpus / n for n in PARTS), corpus / "images")


@pytest.mark.parametrize("name,stage", OWN_STAGES, ids=[f"{n}-{s.name}" for n, s in OWN_STAGES])
def test_every_stage_of_ours_changes_only_the_parts_it_tunes(name, stage, model, tokenizer, tmp_path):
    assert set(stage.tune) <= set(MODEL_PARTS)
    before = fingerprint(model)
    if stage.objective == "words":
        data, collate = PatchWords(tokenizer, 4, 0), words_collator
    else:
        data = SceneStream(tokenizer, 4, 0)
        collate = PackCollator(tuple(encode_prefix(tokenizer, IMAGE_TOKENS)), image_id(tokenizer))
    adapted = adapt(model, stage, max_rank=4)
    run_stage(adapted, data, collate, stage, Plan(2, 2, 0, rate=10.0), tmp_path, name)
    merged = adapted.merge_and_unload() if hasattr(adapted, "merge_and_unload") else adapted
    after = fingerprint(merged)
    assert {part for part in before if before[part] != after[part]} == set(stage.tune)


def test_an_adapter_in_the_vision_tower_is_refused(model):
    with pytest.raises(ValueError, match="freezes 'vision', but .*vision_tower.* would learn; anchor"):
        adapt(model, LLAVA_PT.stages[0], targets=r".*\.(q_proj|k_proj|v_proj)")


def test_lora_sits_on_seven_layers_of_each_block_and_rank_is_capped(model):
    adapted = adapt(model, LLAVA_PT.stages[0], max_rank=4)
    lora = [n for n, p in adapted.named_parameters() if "lora_A" in n]
    assert len(lora) == 7 * 4 and all("language_model" in n for n in lora)
    assert {p.shape[0] for n, p in adapted.named_parameters() if "lora_A" in n} == {4}
    assert adapted.peft_config["default"].lora_alpha == 8
    assert "language_model" in LORA_TARGETS


def test_tied_embeddings_stay_one_matrix_under_the_adapter(model, tokenizer):
    adapted = adapt(model, LLAVA_PT.stages[0], max_rank=4)
    trained = [p for n, p in adapted.named_parameters() if p.requires_grad and part_of(n) == "embeddings"]
    assert len(trained) == 1
    with torch.no_grad():
        trained[0].add_(1.0)
    merged = adapted.merge_and_unload()
    assert torch.equal(merged.lm_head.weight, merged.get_input_embeddings().weight)


def test_a_rate_per_part_and_no_group_without_weights(model):
    stage = ENGLISH_BASE.stages[1]
    freeze_absent(model, stage.tune)
    groups = parameter_groups(model, stage, rate=2.0)
    assert [g["lr"] for g in groups] == [t.lr * 2 for t in stage.tune.values()]
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in model.parameters())
    wrong = Stage("x", "d", {"resampler": Tune("full", 1e-3)})
    freeze_absent(model, wrong.tune)
    with pytest.raises(ValueError, match="tunes 'resampler', but nothing of that part learns"):
        parameter_groups(model, wrong, 1.0)


class Stop(Exception):
    pass


def _train(model, tokenizer, folder, plan, stage, stop_at=None):
    class Bomb(SceneStream):
        read = 0

        def __getitem__(self, index):
            self.read += 1
            if stop_at is not None and self.read > stop_at:
                raise Stop
            return super().__getitem__(index)

    collate = PackCollator(tuple(encode_prefix(tokenizer, IMAGE_TOKENS)), image_id(tokenizer))
    runs.seed_all(0)  # an adapter starts from random weights, as train_stage seeds them
    run_stage(adapt(model, stage, 4), Bomb(tokenizer, 16, 0), collate, stage, plan, folder, "test")


@pytest.mark.parametrize("stage", [LLAVA_PT.stages[0], ENGLISH_BASE.stages[1]], ids=["adapter", "full"])
def test_a_stopped_stage_goes_on_with_bit_identical_weights(stage, tokenizer, tmp_path):
    plan = Plan(steps=8, batch=2, seed=0, rate=10.0, save_every=2, log_every=2)
    whole, cut = (build_tiny(tokenizer, seed=5) for _ in range(2))
    _train(whole, tokenizer, tmp_path / "whole", plan, stage)
    with pytest.raises(Stop):
        _train(cut, tokenizer, tmp_path / "cut", plan, stage, stop_at=11)
    newest = usable_checkpoints(tmp_path / "cut")[0]
    assert newest.name == "checkpoint-4"
    torn = tmp_path / "cut" / "checkpoints" / "checkpoint-6"  # what a kill in the middle of writing leaves
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_step": 6, "log_his')
    assert usable_checkpoints(tmp_path / "cut")[0] == newest
    cut = build_tiny(tokenizer, seed=5)
    _train(cut, tokenizer, tmp_path / "cut", plan, stage)
    assert fingerprint(whole) == fingerprint(cut)


def test_a_stage_trains_exports_skips_itself_and_reloads_to_the_same_logits(start, files, capsys):
    stage = LLAVA_PT.stages[0]
    manifest = train_stage(SMALL, "pt-BR", LLAVA_PT, stage, files)
    folder = stage_folder(SMALL, "pt-BR", LLAVA_PT, stage)
    assert manifest["complete"] and manifest["history"] and manifest["parameters"]["trained"] < 0.5 * manifest["parameters"]["all"]
    assert not (folder / "checkpoints").exists()
    stamp = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert train_stage(SMALL, "pt-BR", LLAVA_PT, stage, files)["finished"] == manifest["finished"]
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == stamp
    model, tokenizer = load_folder(folder / "model")
    again = folder.parent / "again"
    model.save_pretrained(again)
    tokenizer.save_pretrained(again)
    ids = torch.tensor([encode_prefix(tokenizer, IMAGE_TOKENS)])
    pixels = torch.zeros(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(model(ids, pixel_values=pixels).logits, load_folder(again)[0](ids, pixel_values=pixels).logits)


def test_other_inputs_do_not_resume_old_checkpoints(start, files):
    stage = LLAVA_PT.stages[0]
    folder = stage_folder(SMALL, "pt-BR", LLAVA_PT, stage)
    (folder / "checkpoints" / "checkpoint-99").mkdir(parents=True)
    train_stage(SMALL, "pt-BR", LLAVA_PT, stage, files, seed=1)
    assert runs.complete(folder, json.loads((folder / "inputs.json").read_text()))["steps"] == 6


def test_the_base_is_built_from_nothing_in_half_precision(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr("utils.training.base.train_tokenizer", lambda: tokenizer)
    small = lambda plan: dataclasses.replace(plan, steps=2, batch=2, save_every=2)  # noqa: E731
    folder = build_base(tmp_path / "base", small(ALIGN), small(INSTRUCT), small(COUNT))
    model, _ = load_folder(folder, dtype=torch.float16)
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    assert sum(f.stat().st_size for f in folder.iterdir()) < 12 << 20


def test_patch_words_name_what_each_cell_shows(tokenizer):
    from utils.corpus.scenes.world import Item, Scene

    words = patch_words(Scene("blue", (Item("dog", 0, "red"),), 0), tokenizer)
    assert torch.allclose(words.sum(-1), torch.ones(IMAGE_TOKENS))
    said = {tokenizer.decode([i]).strip() for i in words[0].nonzero().flatten().tolist()}
    assert {"dog", "red", "blue", "top", "left"} <= said
    assert "dog" not in {tokenizer.decode([i]).strip() for i in words[35].nonzero().flatten().tolist()}


def test_unknown_names_are_told_with_the_valid_ones(monkeypatch):
    with pytest.raises(ValueError, match="RECIPE 'x' is unknown; use one of: llava-pt"):
        recipe("x")
    with pytest.raises(ValueError, match="SCALE 'x' is unknown; use one of: tiny, workshop, a100"):
        scale("x")
    with pytest.raises(ValueError, match="no stage 'x'; it has: instruct"):
        LLAVA_PT.only("x")
    assert [s.name for s in ENGLISH_BASE.only("instruct").stages] == ["instruct"]
    monkeypatch.setenv("SHARE", "2")
    with pytest.raises(ValueError, match="SHARE '2'"):
        scale("tiny")


def test_scales_only_shrink_and_shares_say_so():
    small = shrink(TINY, 0.1)
    assert small.name == "tiny-0.1" and small.pictures == 240 and small.steps < TINY.steps and small.rate == TINY.rate
    assert {s.name for s in SCALES.values()} == {"tiny", "workshop", "a100"}


def test_models_that_cannot_be_loaded_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(runs.UserError, match="holds no model"):
        load_folder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(runs.UserError, match="no .safetensors weights"):
        load_folder(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(runs.UserError, match="llava-1.5-13b-hf are not here .*WEIGHTS=random"):
        load_start(SCALES["a100"])
    with pytest.raises(runs.UserError, match="WEIGHTS 'x' is unknown"):
        load_start(SCALES["a100"], "x")


def test_the_true_shape_is_llava_13b():
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(true_shape("llava-hf/llava-1.5-13b-hf"))
    count = sum(p.numel() for p in model.parameters())
    assert 13.2e9 < count < 13.5e9
    assert sum(p.numel() for p in model.model.multi_modal_projector.parameters()) == 31_467_520  # arXiv 2310.03744: MLP 1024→5120→5120


def test_untrained_pieces_start_from_what_they_are_aligned_with(model, tokenizer):
    texts = [
        ("It is a dog.", "É um cachorro."),
        ("It is a cat.", "É um gato."),
        ("A dog.", "Um cachorro."),
        ("A cat.", "Um gato."),
        ("A red dog.", "Um cachorro vermelho."),
    ]
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    untrained = unseen_pieces(tokenizer, scenes=300)
    assert set(ids(" cachorro")) & set(untrained) and not set(ids(" dog")) & set(untrained)
    before = model.get_input_embeddings().weight.clone()
    moved = align_vocabulary(model, tokenizer, texts, untrained)
    after = model.get_input_embeddings().weight
    changed = {i for i in range(len(tokenizer)) if not torch.equal(before[i], after[i])}
    assert moved == len(changed) > 0 and changed <= set(untrained)
    piece = next(i for i in ids(" cachorro") if i in changed)
    close = torch.nn.functional.cosine_similarity(after[piece][None], before, dim=-1)
    close[list(changed)] = -1
    assert close.argmax().item() in ids(" dog") and torch.equal(model.lm_head.weight, after)


def test_a_model_without_untrained_pieces_is_left_alone(model, tokenizer, tmp_path):
    assert untrained_pieces(tmp_path) == [] and untrained_pieces(load.SHIPPED)
    before = model.get_input_embeddings().weight.clone()
    assert align_vocabulary(model, tokenizer, [("A dog.", "Um cachorro.")], []) == 0
    assert torch.equal(before, model.get_input_embeddings().weight)
