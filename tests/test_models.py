"""True shapes against published sizes, the small real classes, and the one door that opens them."""

import dataclasses
import random

import pytest
import torch
from PIL import Image

from utils.corpus.conversations import IMAGE_TOKEN
from utils.models import load
from utils.models.load import load_folder, load_start, open_model, random_shape
from utils.models.prompts import render_prompt
from utils.models.shapes import PARTS, SHAPES, count, empty, parameters, part_of, true_shape
from utils.models.small import next_from_llava, small_blip2, small_like, small_llava, small_next
from utils.models.tiling import picture_inputs, picture_tokens, tiled_tokens, tiling_of
from utils.models.tiny import build_tiny
from utils.runs import UserError
from utils.scales import A100, TINY
from utils.training import loop
from utils.training.systems import AMALIA_VL

V7, V13, NDINO, ONE, AMALIA, MT0, BLOOMZ = SHAPES
BUILDS = {
    "llava-linear": lambda t, seed=0: small_llava(t, "linear", seed),
    "next-clip": lambda t, seed=0: small_next(t, seed=seed),
    "next-siglip": lambda t, seed=0: small_next(t, "siglip", seed=seed),
    "next-linear": lambda t, seed=0: small_next(t, connector="linear", seed=seed),
    "onevision": lambda t, seed=0: small_like(ONE, t, seed),
    "blip2-mt5": lambda t, seed=0: small_blip2(t, "mt5", seed),
    "blip2-bloom": lambda t, seed=0: small_blip2(t, "bloom", seed),
    "blip2-opt": lambda t, seed=0: small_blip2(t, "opt", seed),
}
built = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
PICTURE = Image.frombytes("RGB", (150, 90), random.Random(0).randbytes(3 * 150 * 90))


def example(model, tokenizer, picture=PICTURE, answer=" A dog."):
    """One picture and question as the class wants them, with labels on the answer."""
    config, image = model.config, tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    before, after = render_prompt("What is it?").split(IMAGE_TOKEN)
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    told = [*ids(answer), tokenizer.eos_token_id]
    asked = [*ids(before), *[image] * picture_tokens(config, (picture.height, picture.width)), *ids(after)]
    whole, labels = (asked, told) if config.is_encoder_decoder else (asked + told, [-100] * len(asked) + told)
    return {"input_ids": torch.tensor([whole]), "labels": torch.tensor([labels]), **picture_inputs(config, picture)}


# Published sizes. Where a source rounds, the test allows its last digit.
@pytest.mark.parametrize(
    "name,parts,published,tolerance",
    [
        (V13, ("projector",), 31_467_520, 0),  # 1024 -> 5120 -> 5120 with biases (arXiv 2310.03744)
        (V7, ("projector",), 20_979_712, 0),  # 1024 -> 4096 -> 4096
        (V7, PARTS, 7.06e9, 0.01e9),  # the hub's count of llava-hf/llava-1.5-7b-hf
        (V13, PARTS, 13.35e9, 0.01e9),  # the hub's count of llava-hf/llava-1.5-13b-hf
        (V13, ("llm", "embeddings"), 13_015_864_320 + 2 * 64 * 5120, 0),  # Llama-2-13B, and 64 rows in and out
        (NDINO, ("llm", "embeddings"), 8_030_261_248 + 2 * 64 * 4096, 0),  # Llama-3-8B, and 64 rows
        (ONE, ("llm", "embeddings"), 7_615_616_512 + 2 * 64 * 3584, 0),  # Qwen2-7B, and 64 rows
        (AMALIA, ("llm", "embeddings"), 9.15e9, 0.01e9),  # EuroLLM-9B: 9.15 B (its model card)
        (MT0, ("llm", "embeddings"), 3.74e9, 0.01e9),  # mT5-XL: 3.7 B (arXiv 2010.11934)
        (BLOOMZ, ("llm", "embeddings"), 7_069_016_064, 0),  # BLOOM-7b1's model card
        (MT0, ("resampler", "projector"), 107e6, 0.5e6),  # BLIP-2 ViT-g FlanT5-XL trains 107 M (arXiv 2301.12597, table 2)
        (MT0, ("vision",), 1.0e9, 0.05e9),  # EVA ViT-g: 1.0 B (arXiv 2211.07636), of which BLIP-2 drops the last layer
    ],
)
def test_true_shapes_have_the_published_sizes(name, parts, published, tolerance):
    counted = parameters(name)
    assert abs(sum(counted[part] for part in parts) - published) <= tolerance


@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_of_a_true_shape_has_a_part_and_no_memory(name):
    model = empty(name)
    counted = count(model)
    assert sum(counted.values()) == sum(p.numel() for p in model.parameters())
    assert {part for part in PARTS if counted[part] == 0} == (set() if "mblip" in name else {"resampler"})
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert SHAPES[name].source


def test_what_amalia_does_not_publish_is_marked_assumed():
    assert len(SHAPES[AMALIA].assumed) >= 4 and not SHAPES[V13].assumed
    config = true_shape(AMALIA)
    assert 9e9 < sum(parameters(AMALIA).values()) < 10e9  # "9B" (arXiv 2606.19100)
    tiling = tiling_of(config)
    assert 7000 < max(tiled_tokens(grid, tiling) for grid in tiling.grids) <= 7800  # its reported limit of visual tokens


def test_parts_are_those_that_training_knows(model):
    assert {n: part_of(n) for n, _ in model.named_parameters()} == {n: loop.part_of(n) for n, _ in model.named_parameters()}


def test_an_unknown_shape_is_one_sentence(tokenizer):
    for ask in (true_shape, empty, parameters, lambda n: small_like(n, tokenizer), lambda n: open_model(n, "random")):
        with pytest.raises(UserError, match="no shape is known for 'llava'; use one of: llava-hf/llava-1.5-7b-hf, "):
            ask("llava")


@built
def test_a_small_model_learns_in_every_part_and_answers(build, tokenizer):
    model = build(tokenizer)
    asked = example(model, tokenizer)
    loss = model(**asked).loss
    assert 0 < loss.item() < 12
    loss.backward()
    learning = {part_of(n) for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert learning == {part for part, n in count(model).items() if n}
    asked.pop("labels")
    made = model.eval().generate(**asked, max_new_tokens=3, do_sample=False)
    assert 1 <= made.shape[1] - (0 if model.config.is_encoder_decoder else asked["input_ids"].shape[1]) <= 4


@built
def test_a_small_model_looks_at_the_picture(build, tokenizer):
    model = build(tokenizer).eval()
    with torch.no_grad():
        seen = [model(**example(model, tokenizer, picture)).logits for picture in (PICTURE, Image.new("RGB", PICTURE.size, "red"))]
    assert (seen[0] - seen[1]).abs().max() > 1e-4


@built
def test_the_seed_decides_a_small_model(build, tokenizer):
    one, same, other = (build(tokenizer, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@built
def test_a_saved_small_model_opens_as_its_own_class_with_the_same_answer(build, tokenizer, tmp_path):
    model = build(tokenizer).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load_folder(tmp_path)
    assert type(again) is type(model)
    with torch.no_grad():
        assert torch.equal(again(**example(model, tokenizer)).logits, model(**example(model, tokenizer)).logits)


def test_a_linear_connector_is_linear_and_a_mlp_is_not(tokenizer):
    a, b = torch.randn(2, 5, 128, generator=torch.Generator().manual_seed(0))
    for connector, linear in (("linear", True), ("mlp", False)):
        for model in (small_llava(tokenizer, connector), small_next(tokenizer, connector=connector)):
            through = model.model.multi_modal_projector
            with torch.no_grad():
                assert torch.allclose(through(a + b) + through(0 * a), through(a) + through(b), atol=1e-5) == linear
                assert torch.equal(through(a), through.linear_1(a)) == linear  # it starts as one matrix


def test_queries_of_a_q_former_differ_from_the_start(tokenizer):
    queries = small_blip2(tokenizer).query_tokens[0]
    assert torch.pdist(queries.detach()).min() > 0.01


def test_small_like_follows_the_true_shape(tokenizer):
    for name, record in SHAPES.items():
        small, true = small_like(name, tokenizer), true_shape(name)
        assert type(small).__name__ == record.cls
        assert small.config.vision_config.model_type == true.vision_config.model_type
        assert small.config.text_config.model_type == ("llama" if name == ONE else true.text_config.model_type)


def test_unknown_kinds_are_one_sentence(tokenizer):
    with pytest.raises(UserError, match="the connector 'mlp3' is unknown; use one of: mlp, linear"):
        small_next(tokenizer, connector="mlp3")
    with pytest.raises(UserError, match="the tower 'dino' is unknown; use one of: clip, siglip"):
        small_next(tokenizer, "dino")
    with pytest.raises(UserError, match="the language model 'gpt' is unknown; use one of: mt5, bloom, opt"):
        small_blip2(tokenizer, "gpt")


def test_a_tiling_model_starts_from_a_llavas_weights(model, tokenizer):
    tiled = next_from_llava(model, tokenizer, seed=1)
    ours = model.state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in tiled.state_dict().items() if key != "model.image_newline")
    assert tiled.model.image_newline.abs().sum() > 0
    with pytest.raises(UserError, match="other sizes than the tiny one; start from the folder data/base"):
        config = true_shape(V7)
        config.vision_config, config.text_config = model.config.vision_config, dataclasses.replace(model.config.text_config, hidden_size=96)
        next_from_llava(type(model)(config), tokenizer)


@pytest.mark.parametrize("name", [V13, NDINO, ONE, MT0, BLOOMZ])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_random_weights_of_a_shape_fill_every_tensor_once(name, dtype, tokenizer, monkeypatch):
    config = small_like(name, tokenizer).config
    placed, original = [], torch.empty_like

    def poisoned(old, **options):  # memory as bad as it may be: what nobody sets shows
        new = original(old, **options)
        placed.append(new.numel() * new.element_size())
        return new.fill_(float("nan") if new.is_floating_point() else -7)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty_like", poisoned)
        model = random_shape(name, dtype, seed=1, config=config)
    torch.manual_seed(2)
    usual = type(model)._from_config(small_like(name, tokenizer).config, dtype=dtype)
    tensors = [*model.parameters(), *model.buffers()]
    # untie_head asks for one more, on the meta device, where it takes no memory.
    heads = model.language_model.lm_head.weight.numel() * dtype.itemsize if name == MT0 else 0
    assert sum(placed) == sum(t.numel() * t.element_size() for t in tensors) + heads
    assert {n: t.dtype for n, t in model.named_parameters()} == {n: t.dtype for n, t in usual.named_parameters()} | (
        {"language_model.lm_head.weight": dtype} if name == MT0 else {}
    )
    for (name_of, buffer), (_, wanted) in zip(model.named_buffers(), usual.named_buffers(), strict=True):
        assert buffer.dtype == wanted.dtype and torch.equal(buffer, wanted), name_of
    for name_of, value in model.named_parameters():
        spread, wanted = value.float().std(), dict(usual.named_parameters()).get(name_of, value).float().std()
        assert value.isfinite().all(), name_of
        assert "query_tokens" in name_of or abs(spread - wanted) <= (0.2 if value.numel() > 1000 else 0.5) * wanted, name_of
    with torch.no_grad():
        asked = example(model, tokenizer)
        asked["pixel_values"] = asked["pixel_values"].to(dtype)
        assert model(**asked).loss.isfinite()


def test_the_seed_decides_random_weights(tokenizer):
    config = lambda: small_like(MT0, tokenizer).config  # noqa: E731
    one, same, other = (random_shape(MT0, torch.float32, seed=seed, config=config()).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["query_tokens"], other["query_tokens"])


def test_one_door_opens_hub_random_and_tiny(tokenizer, monkeypatch):
    monkeypatch.setattr(load, "train_tokenizer", lambda: tokenizer)
    shrunk = {name: small_like(name, tokenizer).config for name in (MT0, NDINO)}
    monkeypatch.setattr(load, "true_shape", shrunk.__getitem__)
    shrunk[MT0].image_token_index = 0
    torch.manual_seed(7)
    drawn = torch.rand(3)
    torch.manual_seed(7)
    opened, its = open_model(MT0, "random", torch.bfloat16)
    assert type(opened).__name__ == "Blip2ForConditionalGeneration" and opened.dtype == torch.bfloat16 and its is tokenizer
    assert opened.config.image_token_index == tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    opened, _ = open_model(NDINO, "tiny", torch.bfloat16)
    assert type(opened).__name__ == "LlavaNextForConditionalGeneration" and opened.dtype == torch.bfloat16 and not opened.training
    assert torch.equal(torch.rand(3), drawn)  # a stage's own seed still decides what it draws after loading
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="mblip-mt0-xl are not here .*WEIGHTS=random"):
        open_model(MT0)
    with pytest.raises(UserError, match="WEIGHTS 'trained' is unknown; use hub, random or tiny"):
        open_model(MT0, "trained")


@pytest.mark.parametrize("name", [V7, NDINO, MT0])
def test_weights_downloaded_elsewhere_open_without_a_network(name, tokenizer, tmp_path, monkeypatch):
    held = tmp_path / f"models--{name.replace('/', '--')}"
    (held / "refs").mkdir(parents=True)
    (held / "refs" / "main").write_text("0" * 40)
    small = small_like(name, tokenizer, seed=2)
    small.save_pretrained(held / "snapshots" / ("0" * 40))
    tokenizer.save_pretrained(held / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    opened, its = open_model(name, "hub", torch.bfloat16)
    assert type(opened).__name__ == SHAPES[name].cls and opened.dtype == torch.bfloat16
    assert torch.equal(opened.get_input_embeddings().weight, small.get_input_embeddings().weight.bfloat16())
    assert its.convert_tokens_to_ids(IMAGE_TOKEN) == tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)


def test_a_recipes_start_at_the_tiny_scale(tokenizer, monkeypatch):
    monkeypatch.setattr(load, "train_tokenizer", lambda: tokenizer)
    assert torch.equal(load_start(TINY, name=V13)[0].lm_head.weight, load_start(TINY)[0].lm_head.weight)  # the shipped base
    assert type(load_start(TINY, name=BLOOMZ)[0]).__name__ == "Blip2ForConditionalGeneration"
    amalia, _ = load_start(TINY, name=AMALIA_VL.shape)  # SigLIP in full size; here the base's CLIP tower, so that it sees
    assert type(amalia).__name__ == "LlavaNextForConditionalGeneration" and amalia.config.vision_config.model_type == "clip_vision_model"
    sees = [next(value for name, value in one.state_dict().items() if "patch_embedding" in name) for one in (amalia, load_start(TINY)[0])]
    assert torch.equal(*sees)


def test_a_big_random_model_is_refused_before_it_is_built_when_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(load, "random_shape", lambda *a, **k: pytest.fail("13 billion numbers were on their way"))
    with pytest.raises(UserError, match="scale a100 wants one GPU of 80 GB, and no GPU was found; use SCALE=tiny here"):
        load_start(A100, "random")


def test_a_folder_of_another_class_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be loaded .its config.json says model_type 'llama', not one of llava, llava_next,"):
        load_folder(tmp_path)


def test_build_tiny_gives_the_same_model_as_the_mlp_connector(tokenizer):
    one, other = build_tiny(tokenizer, 2).state_dict(), small_llava(tokenizer, "mlp", 2).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
