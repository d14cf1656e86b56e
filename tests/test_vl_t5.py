"""VL-T5: the released checkpoint's keys and shapes, the embedding against a slow reference, and an answer that needs the picture."""

import math
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5EncoderModel

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import scene_of
from utils.models.regions import REGIONS, RegionFeatures, find_regions
from utils.models.vl_t5 import (
    TIED,
    VLT5,
    answers,
    prompt,
    released_config,
    small_vl_t5,
    visual_tokenizer,
    vl_t5_batch,
)  # fmt: skip
from utils.models.vl_t5_weights import convert_released, load_released
from utils.runs import UserError

QUESTIONS = {"background": "What is the color of the background?", "total": "How many things are there in total?"}


@pytest.fixture(scope="module")
def pieces(tokenizer):
    return visual_tokenizer(tokenizer)


@pytest.fixture()
def small(pieces):
    return small_vl_t5(pieces, seed=3).eval()


def regions(seed=0):
    rng = np.random.default_rng(seed)
    corners = rng.random((REGIONS, 2, 2), dtype=np.float32)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return RegionFeatures(rng.random((REGIONS, 2048), dtype=np.float32), boxes, np.full(REGIONS, -1))


def learn(model, pieces, texts, seen, targets, steps, until):
    """Train on one batch until the loss is small; the last loss."""
    batch = vl_t5_batch(pieces, texts, seen, targets)
    optimiser = torch.optim.AdamW(model.train().parameters(), lr=3e-3)
    for _ in range(steps):
        loss = model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if loss.item() < until:
            break
    return loss.item()


@pytest.fixture(scope="module")
def learned(pieces, base):
    """(model, questions, regions, right answers): a small VL-T5 that learned two questions about each of eight pictures by heart."""
    scenes = [scene_of("train", index) for index in range(8)]
    found = find_regions([render(scene) for scene in scenes], base[0])
    asked = [(say(Ask(kind, scene), "en"), seen) for kind in QUESTIONS for scene, seen in zip(scenes, found, strict=True)]
    assert {question for (question, _), _ in asked} == set(QUESTIONS.values())  # the words alone do not tell the answer
    texts, targets = [prompt("vqa", text=question) for (question, _), _ in asked], [answer for (_, answer), _ in asked]
    model = small_vl_t5(pieces, seed=1)
    learn(model, pieces, texts, [seen for _, seen in asked], targets, 150, 0.01)
    return model.eval(), texts, [seen for _, seen in asked], targets


def published() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of Epoch30 as j-min/VL-T5 saves them, from T5-base's published structure and VL-T5/src/modeling_t5.py."""
    matrix, norm, width = (32200, 768), (768,), 768
    visual = "encoder.visual_embedding"
    keys = dict.fromkeys(("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"), matrix)
    keys |= {f"{visual}.feat_embedding.0.weight": (width, 2048), f"{visual}.feat_embedding.0.bias": norm, f"{visual}.feat_embedding.1.weight": norm}
    place = f"{visual}.absolute_vis_pos_embedding"
    keys |= {f"{place}.0.weight": (width, 5), f"{place}.0.bias": norm, f"{place}.1.weight": norm}
    keys |= {f"{visual}.img_order_embedding.weight": (2, width), f"{visual}.obj_order_embedding.weight": matrix}
    for stack, attentions in (("encoder", ("SelfAttention",)), ("decoder", ("SelfAttention", "EncDecAttention"))):
        keys[f"{stack}.final_layer_norm.weight"] = norm
        keys[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, 12)
        for block in range(12):
            for layer, attention in enumerate(attentions):
                keys |= {f"{stack}.block.{block}.layer.{layer}.{attention}.{part}.weight": (width, width) for part in "qkvo"}
                keys[f"{stack}.block.{block}.layer.{layer}.layer_norm.weight"] = norm
            last = f"{stack}.block.{block}.layer.{len(attentions)}"
            keys |= {f"{last}.DenseReluDense.wi.weight": (3072, width), f"{last}.DenseReluDense.wo.weight": (width, 3072)}
            keys[f"{last}.layer_norm.weight"] = norm
    return keys


def test_keys_and_shapes_are_those_of_the_released_checkpoint():
    with torch.device("meta"):
        model = VLT5(released_config())
    assert {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == published()
    once = sum(math.prod(shape) for key, shape in published().items() if key not in TIED)
    assert round(4 * once / 1e6) == 898  # the released file has 898 MB: one shared matrix, float32
    assert once == sum(p.numel() for p in model.parameters())
    config = released_config()
    assert (config.num_heads, config.d_kv, config.dropout_rate, config.decoder_start_token_id, config.eos_token_id) == (12, 64, 0.1, 0, 1)
    assert config.dense_act_fn == "relu" and not config.is_gated_act and config.scale_decoder_outputs


def rms(vector, weight):
    return [w * v / math.sqrt(sum(x * x for x in vector) / len(vector) + 1e-6) for v, w in zip(vector, weight, strict=True)]


def slow_embedding(model, found, index, image):
    """Feature + box + image order + object order of one region, number by number, from arXiv 2102.02779 section 3.1 and the released code."""
    part = model.encoder.visual_embedding

    def linear(layer, x):
        return [sum(a * b for a, b in zip(row, x, strict=True)) + c for row, c in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)]

    x1, y1, x2, y2 = found.boxes[index].tolist()
    feature = rms(linear(part.feat_embedding[0], found.features[index].tolist()), part.feat_embedding[1].weight.tolist())
    released_area = (y2 - x2) * (y1 - x1)  # the released code's slip, part of its weights
    place = rms(linear(part.absolute_vis_pos_embedding[0], [x1, y1, x2, y2, released_area]), part.absolute_vis_pos_embedding[1].weight.tolist())
    order, word = part.img_order_embedding.weight[image].tolist(), model.shared.weight[-1 - index].tolist()
    return [sum(four) for four in zip(feature, place, order, word, strict=True)]


def test_the_visual_embedding_is_the_slow_reference(small):
    with torch.no_grad():
        for parameter in small.encoder.visual_embedding.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())))
    found = regions(5)
    inputs = torch.as_tensor(found.features)[None], torch.as_tensor(found.boxes)[None]
    with torch.no_grad():
        one = small.encoder.visual_embedding(*inputs)[0]
        second = small.encoder.visual_embedding(*inputs, torch.ones(1, REGIONS, dtype=torch.long))[0]
    for index in (0, 1, 35):
        assert torch.allclose(one[index], torch.tensor(slow_embedding(small, found, index, 0)), atol=2e-3)
        assert torch.allclose(second[index], torch.tensor(slow_embedding(small, found, index, 1)), atol=2e-3)


def test_a_region_is_called_by_its_own_visual_token(small, pieces):
    assert [pieces.convert_tokens_to_ids(f"<vis_extra_id_{i}>") for i in (0, 1, 35, 99)] == [len(pieces) - 1 - i for i in (0, 1, 35, 99)]
    assert pieces.convert_tokens_to_ids("<extra_id_0>") == len(pieces) - 101
    assert len(visual_tokenizer(pieces)) == len(pieces)
    part = small.encoder.visual_embedding
    assert part.obj_order_embedding.weight is small.shared.weight is small.lm_head.weight is small.encoder.embed_tokens.weight
    with torch.no_grad():
        small.shared.weight[-3] += 1.0
        found = regions(1)
        before = small_vl_t5(pieces, seed=3).encoder.visual_embedding(torch.as_tensor(found.features)[None], torch.as_tensor(found.boxes)[None])[0]
        after = part(torch.as_tensor(found.features)[None], torch.as_tensor(found.boxes)[None])[0]
    moved = (after - before).abs().amax(dim=1) > 0.5
    assert moved.nonzero().flatten().tolist() == [2]


def encode(model, batch, **extra):
    with torch.no_grad():
        return model.encoder(**{key: batch[key] for key in ("input_ids", "attention_mask", "vis_feats", "boxes")} | extra)[0]


def test_without_regions_the_encoder_is_t5s_own(small, pieces):
    batch = vl_t5_batch(pieces, ["vqa: What is this thing?", "vqa: Why?"], [regions(0), regions(1)])
    plain = T5EncoderModel(small.encoder.config).eval()
    left = plain.load_state_dict(small.state_dict(), strict=False)
    assert not left.missing_keys
    none = encode(small, batch, vis_feats=batch["vis_feats"][:, :0], boxes=batch["boxes"][:, :0])
    with torch.no_grad():
        expected = plain(batch["input_ids"], batch["attention_mask"])[0]
    real = batch["attention_mask"].bool()
    assert torch.allclose(none[real], expected[real], atol=1e-5)


def test_relative_positions_hold_between_words_only(small, pieces):
    batch = vl_t5_batch(pieces, ["vqa: What is this thing?"], [regions(0)])
    words = batch["input_ids"].shape[1]
    turned = torch.arange(REGIONS).flip(0)[None]
    straight = encode(small, batch)
    flipped = encode(small, batch, vis_feats=batch["vis_feats"].flip(1), boxes=batch["boxes"].flip(1), obj_order_ids=turned)
    assert torch.allclose(straight[:, :words], flipped[:, :words], atol=1e-4)  # no region is nearer to a word than another
    assert torch.allclose(straight[:, words:], flipped[:, words:].flip(1), atol=1e-4)
    renamed = encode(small, batch, obj_order_ids=turned)
    assert not torch.allclose(straight[:, :words], renamed[:, :words], atol=1e-2)


def test_a_row_is_the_same_alone_and_padded_in_a_batch(small, pieces):
    alone = vl_t5_batch(pieces, ["vqa: Why?"], [regions(0)], ["a cat"])
    both = vl_t5_batch(pieces, ["vqa: Why?", "vqa: What is in the top left corner?"], [regions(0), regions(1)], ["a cat", "It is a dog."])
    assert not both["attention_mask"].all() and (both["labels"] == -100).any()
    with torch.no_grad():
        one, two = small(**alone).logits, small(**both).logits
        bare = small(**{key: value for key, value in both.items() if key != "attention_mask"}).logits
    assert torch.allclose(one[0], two[0, : one.shape[1]], atol=1e-4)
    assert torch.allclose(two, bare, atol=1e-5)  # without a mask, padding is found by its id, as released


def test_masked_regions_count_for_nothing(small, pieces):
    first, other = regions(0), regions(9)
    mixed = RegionFeatures(np.concatenate([first.features[:5], other.features[5:]]), np.concatenate([first.boxes[:5], other.boxes[5:]]), first.ids)
    batch = vl_t5_batch(pieces, ["caption:"] * 2, [first, mixed], ["a cat"] * 2)
    mask = (torch.arange(REGIONS) < 5).long().expand(2, -1)
    with torch.no_grad():
        hidden, seen = small(**batch | {"vis_attention_mask": mask}).logits, small(**batch).logits
    assert torch.allclose(hidden[0], hidden[1], atol=1e-4) and not torch.allclose(seen[0], seen[1], atol=1e-2)
    batch.pop("labels")
    scored = {"max_new_tokens": 4, "min_new_tokens": 4, "return_dict_in_generate": True, "output_logits": True}
    for beams in (1, 2):
        hidden = small.generate(**batch | {"vis_attention_mask": mask}, **scored, num_beams=beams).logits[-1].reshape(2, beams, -1)
        assert torch.allclose(hidden[0], hidden[1], atol=1e-4)


def test_padded_regions_are_masked_and_true_ones_are_not(learned, pieces):
    _, texts, seen, _ = learned
    mask = vl_t5_batch(pieces, texts[:1] * 2, [seen[0], regions(0)])["vis_attention_mask"]
    things = len(scene_of("train", 0).items)
    assert mask.tolist() == [[1] * (1 + things) + [0] * (35 - things), [1] * REGIONS]


def picture_counts(model, pieces, texts, seen):
    """True when the same words get other answers about other pictures."""
    said = answers(model, pieces, [texts[0]] * 8, seen[:8])
    return len(set(said)) > 1


def test_a_small_model_learns_eight_pictures_by_heart(learned, pieces):
    model, texts, seen, targets = learned
    assert len(set(targets)) > 5
    assert answers(model, pieces, texts, seen) == targets  # greedy
    assert answers(model, pieces, texts, seen, beams=3) == targets


def test_generate_uses_the_picture_and_a_blinded_model_fails(learned, pieces):
    model, texts, seen, targets = learned
    assert picture_counts(model, pieces, texts, seen)
    turned = seen[1:8] + seen[:1]  # every question gets the next picture, and its answer
    assert answers(model, pieces, texts[:8], turned) == targets[1:8] + targets[:1]
    blind = model.encoder.visual_embedding.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    try:
        assert not picture_counts(model, pieces, texts, seen)
    finally:
        blind.remove()


def test_without_a_picture_it_refuses_instead_of_guessing(small, pieces):
    batch = vl_t5_batch(pieces, ["vqa: Why?"], [regions(0)])
    words = {key: batch[key] for key in ("input_ids", "attention_mask")}
    for call in (small.generate, small):
        with pytest.raises(UserError, match="give vis_feats and boxes"):
            call(**words)


def test_texts_and_answers_end_at_twenty_tokens(small, pieces):
    batch = vl_t5_batch(pieces, ["vqa: " + "What is this? " * 20], [regions(0)], ["It is a cat. " * 20])
    for key in ("input_ids", "labels"):
        assert batch[key].shape == (1, 20) and batch[key][0, -1] == pieces.eos_token_id
    steps = []
    small.decoder.register_forward_hook(lambda *_: steps.append(1))
    with torch.no_grad():
        small.shared.weight[[pieces.eos_token_id, pieces.pad_token_id]] = 0  # it never ends by itself
    [said] = answers(small, pieces, ["vqa: Why?"], [regions(0)])
    assert said and len(steps) == 20


def test_prefixes_are_the_released_ones():
    assert prompt("vqa", text="What is this?") == "vqa: What is this?"
    assert prompt("visual grounding", text="red cat") == "visual grounding: red cat"
    assert prompt("caption region", text="<vis_extra_id_3>") == "caption region: <vis_extra_id_3>"
    assert prompt("caption") == "caption:"
    assert prompt("vcr qar", text="q", answer="a", rationale="r") == "vcr qar question: q answer: a rationale: r"
    with pytest.raises(UserError, match="describe.*use one of: span prediction"):
        prompt("describe", text="x")
    with pytest.raises(UserError, match="needs the part 'answer'"):
        prompt("vcr qa", text="q")


def test_a_tokenizer_without_visual_tokens_is_told(tokenizer):
    with pytest.raises(UserError, match=r"give visual_tokenizer\(tokenizer\)"):
        small_vl_t5(tokenizer)


def test_the_seed_gives_the_weights(pieces, small):
    same, other = small_vl_t5(pieces, seed=3), small_vl_t5(pieces, seed=4)
    assert torch.equal(same.shared.weight, small.shared.weight) and not torch.equal(other.shared.weight, small.shared.weight)


def test_save_and_load_give_the_same_model(learned, pieces, tmp_path):
    model, texts, seen, targets = learned
    model.save_pretrained(tmp_path)
    again = VLT5.from_pretrained(tmp_path).eval()
    assert again.encoder.visual_embedding.obj_order_embedding.weight is again.shared.weight and again.config.feat_dim == 2048
    assert answers(again, pieces, texts[:8], seen[:8]) == targets[:8]


def test_attention_to_regions_can_be_read(small, pieces):
    small.set_attn_implementation("eager")
    batch = vl_t5_batch(pieces, ["vqa: Why?"], [regions(0)], ["a cat"])
    both, said = batch["input_ids"].shape[1] + REGIONS, batch["labels"].shape[1]
    with torch.no_grad():
        out = small(**batch, output_attentions=True)
    assert [a.shape for a in out.encoder_attentions] == [(1, 4, both, both)] * 2
    assert [a.shape for a in out.cross_attentions] == [(1, 4, said, both)] * 2


def released_file(path, model, old=False):
    """A `.pth` as the authors save it: DataParallel's prefix, tied copies, the norm that nothing uses; `old` has the older encoder's name."""
    state = {**model.state_dict(), "encoder.visual_embedding.layer_norm.weight": torch.ones(128)}
    if old:
        state = {key.replace("encoder.visual", "vis_encoder.visual"): value for key, value in state.items()}
    torch.save({f"module.{key}": value for key, value in state.items()}, path)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_a_released_file_is_converted_and_loaded(learned, pieces, tmp_path, old):
    model, texts, seen, targets = learned
    target = convert_released(released_file(tmp_path / "Epoch30.pth", model, old), tmp_path / "Epoch30.safetensors")
    stored = load_file(target)
    assert stored.keys() == model.state_dict().keys() - set(TIED)
    loaded = load_released(target, model.config)
    assert loaded.lm_head.weight is loaded.shared.weight and not loaded.training
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert answers(loaded, pieces, texts[:8], seen[:8]) == targets[:8]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Epoch30.pth", "Epoch30.safetensors"]


class Payload:
    """An object whose unpickling would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        import os

        return os.mkdir, (self.folder,)


def test_a_file_that_holds_more_than_tensors_is_refused_and_not_run(tmp_path):
    torch.save({"shared.weight": torch.ones(2), "x": Payload(str(tmp_path / "ran"))}, tmp_path / "bad.pth")
    (tmp_path / "torn.pth").write_bytes(b"PK\x03\x04")
    torch.save({"epoch": 3}, tmp_path / "number.pth")
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    for name in ("bad.pth", "torn.pth", "number.pth", "list.pth", "no.pth"):
        with pytest.raises(UserError, match=f"{name} is refused") as error:
            convert_released(tmp_path / name, tmp_path / "out.safetensors")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out.safetensors").exists()


NORM, PLACE = "encoder.final_layer_norm.weight", "encoder.visual_embedding.absolute_vis_pos_embedding.0.weight"


@pytest.mark.parametrize(
    "change,told",
    [
        ({NORM: None}, f"lacks the key {NORM}"),
        ({"shared.weight": None}, "lacks the key shared.weight"),
        ({PLACE: torch.ones(128, 4)}, f"{PLACE} has the shape (128, 4), not (128, 5)"),
        ({NORM: torch.full((128,), math.nan)}, f"{NORM} holds a number that is not finite"),
        ({"lm_head.weight": torch.zeros(1200, 128)}, "lm_head.weight differs from shared.weight"),
        ({"decoder.surprise": torch.ones(1)}, "unknown key decoder.surprise"),
    ],
)
def test_a_bad_checkpoint_is_told_with_its_name_and_key(small, tmp_path, change, told):
    state = {key: value for key, value in small.state_dict().items() if key not in TIED} | change
    path = tmp_path / "bad.safetensors"
    save_file({key: value for key, value in state.items() if value is not None}, path)
    with pytest.raises(UserError, match=re.escape(told)) as error:
        load_released(path, small.config)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_checkpoint_files_are_told(small, tmp_path):
    (tmp_path / "torn.safetensors").write_bytes(b"123")
    (tmp_path / "a.pth").write_bytes(b"")
    for name, told in (("torn.safetensors", "cannot be read"), ("no.safetensors", "cannot be read"), ("a.pth", "convert_released")):
        with pytest.raises(UserError, match=told):
            load_released(tmp_path / name, small.config)


def test_the_encoder_starts_as_t5_draws_it(small):
    """T5's own start (Raffel et al. 2020 in the Mesh code): queries (d_model·d_kv)^-0.5, other matrices the root of their inputs, words 1."""
    size = lambda weight: weight.detach().square().mean().sqrt().item()  # noqa: E731
    for stack in (small.encoder, small.decoder):
        attention, last = stack.block[1].layer[0].SelfAttention, stack.block[1].layer[-1].DenseReluDense
        drawn = [
            size(weight)
            for weight in (attention.q.weight, attention.k.weight, attention.v.weight, attention.o.weight, last.wi.weight, last.wo.weight)
        ]
        assert drawn == pytest.approx([(128 * 32) ** -0.5, 128**-0.5, 128**-0.5, 128**-0.5, 128**-0.5, 512**-0.5], rel=0.05)
    assert size(small.shared.weight) == pytest.approx(1.0, rel=0.05)
