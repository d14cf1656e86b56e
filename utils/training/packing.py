"""Shared-image packing: every question about one picture shares the picture's prefix in one sequence.

    prefix: <s> system USER: [36 image tokens] \\n        branch 0
    branch: question ASSISTANT: answer </s>               branches 1, 2, … each sees the prefix and itself only

Several pictures may share a row, blind to each other. Positions restart at the prefix's end for each branch, so loss and gradients equal those of separate rows
(tests/test_packing.py). The picture's tokens are computed once instead of once per question.
"""

import random
from dataclasses import dataclass

import torch

from utils.models.prompts import IGNORE

PAD = -1  # branch number of padding


@dataclass(frozen=True)
class Pack:
    """One picture's key and its branches, each a pair (ids, labels) of equal length."""

    picture: str
    branches: tuple[tuple[list[int], list[int]], ...]


def split_long(pack: Pack, prefix_length: int, max_length: int) -> list[Pack]:
    """Packs of at most `max_length` tokens with the same picture; a branch is never cut.

    Raises ValueError for a single branch that does not fit, naming the picture.
    """
    packs, room, current = [], max_length - prefix_length, []
    used = 0
    for branch in pack.branches:
        size = len(branch[0])
        if size > room:
            raise ValueError(f"picture {pack.picture}: one conversation has {size} tokens, {room} fit beside the picture; shorten it")
        if used + size > room:
            packs.append(Pack(pack.picture, tuple(current)))
            current, used = [], 0
        current.append(branch)
        used += size
    return [*packs, Pack(pack.picture, tuple(current))] if current else packs


def pack_length(pack: Pack, prefix_length: int) -> int:
    return prefix_length + sum(len(ids) for ids, _ in pack.branches)


def bundle(packs: list[Pack], prefix_length: int, budget: int, rng: random.Random, open_rows: int = 32) -> list[list[int]]:
    """Indices of the packs, shuffled and grouped into rows of at most `budget` tokens (a longer pack has its own row).

    First fit over a few open rows: little padding, and what shares a row stays random.
    """
    order = list(range(len(packs)))
    rng.shuffle(order)
    rows: list[list[int]] = []
    opened: list[tuple[int, list[int]]] = []  # (tokens, indices)
    for index in order:
        size = pack_length(packs[index], prefix_length)
        place = next((n for n, (used, _) in enumerate(opened) if used + size <= budget), None)
        if place is not None:
            used, indices = opened[place]
            opened[place] = (used + size, [*indices, index])
            continue
        opened.append((size, [index]))
        if len(opened) > open_rows:
            fullest = max(range(len(opened)), key=lambda n: opened[n][0])
            rows.append(opened.pop(fullest)[1])
    return rows + [indices for _, indices in opened]


def lay_out(rows: list[list[Pack]], prefix: list[int], pad_id: int) -> dict[str, torch.Tensor]:
    """Tensors for a batch of rows, each one or more packs side by side, padded right.

    Returns input_ids, labels, position_ids, picture and branch, each (batch, length) int64; `picture` counts the
    packs of a row from 0, `branch` is 0 on a prefix and 1… on its branches; both are PAD on padding. Pictures follow
    each other in reading order, as their features must. `block_mask` makes the attention mask.
    """
    length = max(sum(pack_length(pack, len(prefix)) for pack in row) for row in rows)
    shape = (len(rows), length)
    batch = {
        "input_ids": torch.full(shape, pad_id),
        "labels": torch.full(shape, IGNORE),
        "position_ids": torch.zeros(shape, dtype=torch.long),
        "picture": torch.full(shape, PAD),
        "branch": torch.full(shape, PAD),
    }
    for number, row in enumerate(rows):
        at = 0
        for picture, pack in enumerate(row):
            for values in _columns(pack, picture, prefix):
                end = at + len(values[0])
                for name, column in zip(batch, values, strict=True):
                    batch[name][number, at:end] = torch.tensor(column)
                at = end
    return batch


def _columns(pack: Pack, picture: int, prefix: list[int]):
    """The five columns of a pack's prefix, then of each branch; positions of a branch go on from the prefix."""
    n = len(prefix)
    yield prefix, [IGNORE] * n, list(range(n)), [picture] * n, [0] * n
    for number, (ids, labels) in enumerate(pack.branches, start=1):
        yield ids, labels, list(range(n, n + len(ids))), [picture] * len(ids), [number] * len(ids)


def block_mask(picture: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """(batch, 1, length, length) bool: True where a token may look: back, at its picture's prefix and its own branch.

    Padding looks at padding only, so that no row of the softmax is empty.
    """
    length = branch.shape[1]
    back = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
    same_picture = picture[:, :, None] == picture[:, None, :]
    reachable = (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
    return (back & same_picture & reachable)[:, None]
