"""Shared-image packing equals separate rows: loss and gradients, several pictures in a row included."""

import random

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

from utils.models.prompt_formats import PLAIN
from utils.models.prompts import IGNORE, encode_prefix, encode_turns, image_id
from utils.models.tiny import IMAGE_TOKENS, tiny_config
from utils.training.data import PackCollator, mix, packs_of, schedule
from utils.training.english_base import SceneStream
from utils.training.objective import language_loss, loss_as_forward
from utils.training.packing import SHARED, Pack, block_mask, bundle, lay_out, pack_length, split_long
from utils.training.spans import read_spans


@pytest.fixture(scope="module")
def stream(tokenizer):
    data = SceneStream(tokenizer, 4, seed=3)
    return [data[i] for i in range(3)]


def _gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_packed_loss_and_gradients_equal_separate_rows(model, tokenizer, stream):
    prefix = encode_prefix(tokenizer, IMAGE_TOKENS)
    rows = [
        {name: stream[0][name] + stream[1][name] for name in ("packs", "pictures")},
        stream[2],
    ]
    packed = language_loss(model, PackCollator(tuple(prefix), image_id(tokenizer))(rows))
    packed_gradients = _gradients(model, packed)
    total, count = 0.0, 0
    for item in stream:
        for ids, labels in item["packs"][0].branches:
            row = torch.tensor([prefix + ids])
            out = model(
                input_ids=row, pixel_values=item["pictures"][0]["pixels"], attention_mask=torch.ones_like(row),
                labels=torch.tensor([[IGNORE] * len(prefix) + labels]), use_cache=False,
            )  # fmt: skip
            learnt = sum(label != IGNORE for label in labels)
            total, count = total + out.loss * learnt, count + learnt
    separate = total / count
    assert packed.item() == pytest.approx(separate.item(), abs=1e-5)
    for name, gradient in _gradients(model, separate).items():
        if name in packed_gradients:
            assert torch.allclose(packed_gradients[name], gradient, atol=1e-5), name
        else:
            assert gradient.abs().max() < 1e-6, name


def test_mask_keeps_questions_and_pictures_apart():
    picture = torch.tensor([[SHARED, 0, 0, 0, 0, 1, 1]])
    branch = torch.tensor([[0, 0, 1, 1, 2, 0, 1]])
    seen = block_mask(picture, branch)[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1, 1],
    ]  # fmt: skip


@pytest.mark.parametrize("shared", [0, 1, 5], ids=["no text before the picture", "one token", "a system text"])
def test_spans_look_where_the_mask_says(shared):
    prefix = [*range(10, 10 + shared), 3, 3, 4]
    packs = [Pack("a", (([7, 8], [IGNORE, 8]), ([7], [7]))), Pack("b", (([5, 6, 7], [IGNORE, 6, 7]),))]
    batch = lay_out(packs, prefix, image_id=3)
    length = batch["input_ids"].shape[1]
    assert length == shared + 3 + 2 + 1 + 3 + 3
    looks = torch.zeros(length, length, dtype=torch.bool)
    spans = read_spans(batch["spans"], torch.float32)
    for span in spans:
        columns = torch.cat([torch.arange(spans[n].start, spans[n].end) for n in span.seen])
        size = span.end - span.start
        mask = torch.ones(size, len(columns)).tril(len(columns) - size) if span.mask is None else span.mask == 0
        looks[span.start : span.end, columns] = mask.bool()
    assert torch.equal(looks, block_mask(batch["picture"], batch["branch"])[0, 0])


def test_the_first_word_of_a_branch_is_asked_of_its_own_prefix(model, tokenizer, stream):
    """Captions (the plain format) begin with a learnt word; beside another caption it must not follow that caption's end."""
    prefix = encode_prefix(tokenizer, IMAGE_TOKENS, PLAIN)
    captions = [encode_turns(tokenizer, [("", text)], PLAIN) for text in ("A dog.", "Two red cats and a ball.")]
    together = {"packs": [Pack("p", tuple(captions))], "pictures": stream[0]["pictures"]}
    apart = [{"packs": [Pack("p", (caption,))], "pictures": stream[0]["pictures"]} for caption in captions]
    collate = PackCollator(tuple(prefix), image_id(tokenizer))
    sizes = [len(ids) for ids, _ in captions]
    losses = [language_loss(model, collate([row])).item() for row in apart]
    assert losses[0] != pytest.approx(losses[1], abs=1e-3)
    mean = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)
    assert language_loss(model, collate([together])).item() == pytest.approx(mean, abs=1e-5)


def test_grouped_keys_and_other_decoders_pack_as_well(tokenizer, stream):
    """Qwen2's layers, two query heads to a key: the packed loss is that of the class's own forward."""
    config = tiny_config(tokenizer)
    text = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=96, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=1024,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(LlavaConfig(**{**config.to_dict(), "text_config": text.to_dict(), "tie_word_embeddings": False}))
    prefix, item = encode_prefix(tokenizer, IMAGE_TOKENS), stream[0]
    ids, labels = item["packs"][0].branches[0]
    one = {"packs": [Pack("p", ((ids, labels),) * 2)], "pictures": item["pictures"]}
    row, told = torch.tensor([prefix + ids]), torch.tensor([[IGNORE] * len(prefix) + labels])
    plain = model(input_ids=row, pixel_values=item["pictures"][0]["pixels"], attention_mask=torch.ones_like(row), labels=told, use_cache=False).loss
    assert language_loss(model, PackCollator(tuple(prefix), image_id(tokenizer))([one])).item() == pytest.approx(plain.item(), abs=1e-5)
    model.config.text_config.model_type = "mamba"
    with pytest.raises(ValueError, match="span attention knows the layers of llama, qwen2, mistral, not of mamba"):
        language_loss(model, PackCollator(tuple(prefix), image_id(tokenizer))([one]))


def test_after_training_the_model_is_as_it_was(model, tokenizer, stream):
    """The span attention is lent, also when the loss fails: generation must find the class's own layers."""
    prefix = encode_prefix(tokenizer, IMAGE_TOKENS)
    row = torch.tensor([prefix])
    ask = lambda: model(input_ids=row, pixel_values=stream[0]["pictures"][0]["pixels"]).logits  # noqa: E731
    with torch.no_grad():
        before = ask()
        batch = PackCollator(tuple(prefix), image_id(tokenizer))([stream[0]])
        with pytest.raises(IndexError), loss_as_forward(model, "lm"):
            language_loss(model, batch | {"asked": torch.tensor([10**6])})
        language_loss(model, batch)
        assert torch.equal(ask(), before)


def test_a_batch_without_labels_is_an_error(model, tokenizer, stream):
    prefix = encode_prefix(tokenizer, IMAGE_TOKENS)
    packs = [Pack("p", tuple((ids, [IGNORE] * len(ids)) for ids, _ in stream[0]["packs"][0].branches))]
    batch = PackCollator(tuple(prefix), image_id(tokenizer))([{"packs": packs, "pictures": stream[0]["pictures"]}])
    with pytest.raises(ValueError, match="no token of this batch carries loss"):
        language_loss(model, batch)
    with pytest.raises(ValueError, match="a prefix has no image token"):
        lay_out(packs, prefix, image_id=-5)


def _packs(count: int) -> list[Pack]:
    rng = random.Random(0)
    return [Pack(str(n), tuple(([7] * size, [7] * size) for size in rng.choices(range(5, 40), k=rng.randint(1, 6)))) for n in range(count)]


def test_bundles_hold_every_pack_once_within_the_budget():
    packs = _packs(200)
    rows = bundle(packs, 70, 300, random.Random(1))
    assert sorted(i for row in rows for i in row) == list(range(200))
    sizes = [sum(pack_length(packs[i], 70) for i in row) for row in rows]
    assert max(sizes) <= 300 and sum(sizes) / len(sizes) > 0.8 * 300
    assert rows == bundle(packs, 70, 300, random.Random(1))


def test_schedule_uses_every_pack_before_any_comes_again():
    packs = _packs(50)
    rows = len(bundle(packs, 70, 300, random.Random("schedule/5/0")))
    order = schedule(packs, 70, 300, rows * 2, seed=5)
    assert sorted(i for row in order[:rows] for i in row) == list(range(50))
    assert order == schedule(packs, 70, 300, rows * 2, seed=5)


def test_a_long_picture_is_split_between_questions_and_never_inside(tokenizer):
    pack = Pack("p", tuple(([n] * 30, [n] * 30) for n in range(6)))
    parts = split_long(pack, 70, 140)
    assert [len(part.branches) for part in parts] == [2, 2, 2] and sum((part.branches for part in parts), ()) == pack.branches
    with pytest.raises(ValueError, match="picture p: one conversation has 30 tokens"):
        split_long(pack, 70, 90)


def test_rows_of_one_picture_share_a_pack_and_turns_part_only_when_independent(tokenizer):
    turn = lambda q, a: [{"from": "human", "value": q}, {"from": "gpt", "value": a}]  # noqa: E731
    row = {"id": "1", "image": "1.png", "conversations": turn("<image>\nWhat is this?", "A dog.") + turn("Where?", "There.")}
    together = packs_of([row, row], tokenizer, 70, 1024)
    apart = packs_of([{**row, "turns": "independent"}], tokenizer, 70, 1024)
    assert [len(p.branches) for p in together] == [2] and [len(p.branches) for p in apart] == [2]
    assert len(together[0].branches[0][0]) == sum(len(ids) for ids, _ in apart[0].branches) + len(tokenizer("USER: ")["input_ids"])
    broken = {**row, "conversations": turn("<image>\nWhat?", " ")}
    with pytest.raises(ValueError, match="row 1: turn 1 has an empty answer"):
        packs_of([broken], tokenizer, 70, 1024)


def test_replay_is_the_share_that_was_asked_for():
    translated, english = _packs(60), _packs(90)
    mixed = mix(translated, english, 0.25, seed=1)
    assert len(mixed) == 80 and mixed[:60] == translated
    assert mix(translated, english, 0.0, seed=1) == translated
