"""Shared-image packing equals separate rows: loss and gradients, several pictures in a row included."""

import random

import pytest
import torch

from utils.models.prompts import IGNORE, encode_prefix
from utils.models.tiny import IMAGE_TOKENS
from utils.training.data import PackCollator, mix, packs_of, schedule
from utils.training.english_base import SceneStream
from utils.training.objective import language_loss
from utils.training.packing import Pack, block_mask, bundle, lay_out, pack_length, split_long


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
        {"packs": stream[0]["packs"] + stream[1]["packs"], "pixels": torch.cat([stream[0]["pixels"], stream[1]["pixels"]])},
        {"packs": stream[2]["packs"], "pixels": stream[2]["pixels"]},
    ]
    packed = language_loss(model, PackCollator(tuple(prefix), tokenizer.pad_token_id)(rows))
    packed_gradients = _gradients(model, packed)
    total, count = 0.0, 0
    for item in stream:
        for ids, labels in item["packs"][0].branches:
            row = torch.tensor([prefix + ids])
            out = model(
                input_ids=row, pixel_values=item["pixels"], attention_mask=torch.ones_like(row),
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
    picture = torch.tensor([[0, 0, 0, 0, 1, 1, -1]])
    branch = torch.tensor([[0, 1, 1, 2, 0, 1, -1]])
    seen = block_mask(picture, branch)[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1],
    ]  # fmt: skip


def test_a_batch_without_labels_is_an_error(model, tokenizer, stream):
    prefix = encode_prefix(tokenizer, IMAGE_TOKENS)
    batch = lay_out([stream[0]["packs"]], prefix, tokenizer.pad_token_id) | {"pixel_values": stream[0]["pixels"]}
    batch["labels"][:] = IGNORE
    with pytest.raises(ValueError, match="no token of this batch carries loss"):
        language_loss(model, batch)


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
