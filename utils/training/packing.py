"""Shared-image packing: every question about one picture shares the picture's prefix in one sequence.

    shared: <s> system USER:                              once, for all pictures
    prefix: [36 image tokens] \\n                         branch 0 of its picture
    branch: question ASSISTANT: answer </s>               branches 1, 2, … each sees the prefix and itself only

All pictures of a batch lie in one sequence without padding, blind to each other. Positions restart at the prefix's end for each
branch, so loss and gradients equal those of separate rows (tests/test_packing.py); `spans.py` computes it.
"""

import random
from dataclasses import dataclass

import torch

from utils.models.prompts import IGNORE

SHARED = -1  # number of the picture on the text that all pictures share


@dataclass(frozen=True)
class Pack:
    """One picture's key and its branches, each a pair (ids, labels) of equal length; its own prefix where sizes differ (tiles)."""

    picture: str
    branches: tuple[tuple[list[int], list[int]], ...]
    prefix: tuple[int, ...] = ()


def split_long(pack: Pack, prefix_length: int, max_length: int) -> list[Pack]:
    """Packs of at most `max_length` tokens with the same picture; a branch is never cut.

    Raises ValueError for a single branch that does not fit, naming the picture.
    """
    packs, room, current = [], max_length - (len(pack.prefix) or prefix_length), []
    used = 0
    for branch in pack.branches:
        size = len(branch[0])
        if size > room:
            raise ValueError(f"picture {pack.picture}: one conversation has {size} tokens, {room} fit beside the picture; shorten it")
        if used + size > room:
            packs.append(Pack(pack.picture, tuple(current), pack.prefix))
            current, used = [], 0
        current.append(branch)
        used += size
    return [*packs, Pack(pack.picture, tuple(current), pack.prefix)] if current else packs


def pack_length(pack: Pack, prefix_length: int) -> int:
    return (len(pack.prefix) or prefix_length) + sum(len(ids) for ids, _ in pack.branches)


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


def lay_out(packs: list[Pack], prefix: list[int], image_id: int) -> dict[str, torch.Tensor]:
    """Tensors of packs side by side in one row; `prefix` is that of packs without their own.

    Returns input_ids, labels, position_ids, picture and branch, each (1, length) int64: `picture` counts the packs from 0 and is
    SHARED before the first image token, `branch` is 0 on a prefix and 1… on its branches. Pictures follow each other in reading
    order, as their features must. `spans` (spans, 3) is for `read_spans`; `asked` and `targets` (learnt tokens) say which
    token's output must name which next id, rising: a branch's first id comes after its prefix, not after the branch before it.
    Raises ValueError for a prefix without image tokens.
    """
    whole = [list(pack.prefix or prefix) for pack in packs]
    if any(image_id not in ids for ids in whole):
        raise ValueError("a prefix has no image token, so its picture would have no place; build it with encode_prefix")
    shared = whole[0].index(image_id)
    columns = _columns(packs, whole, shared)
    batch = {name: torch.tensor([[value for piece in columns for value in piece[n]]]) for n, name in enumerate(COLUMNS)}
    table, asks, start, own, root = [], [], 0, -1, 0 if shared else -1
    for ids, labels, _, picture, branch in columns:
        parent = own if branch[0] else root if picture[0] != SHARED else -1
        if not branch[0]:
            own = len(table)
        last = table[parent][1] - 1 if parent >= 0 else -1
        asks += [(last if n == 0 else start + n - 1, label) for n, label in enumerate(labels) if label != IGNORE]
        table.append((start, start + len(ids), parent))
        start += len(ids)
    asks.sort(key=lambda ask: ask[0])
    places, targets = zip(*asks, strict=True) if asks else ((), ())
    return batch | {"spans": torch.tensor(table), "asked": torch.tensor(places, dtype=torch.long), "targets": torch.tensor(targets, dtype=torch.long)}


COLUMNS = ("input_ids", "labels", "position_ids", "picture", "branch")


def _columns(packs: list[Pack], whole: list[list[int]], shared: int) -> list[tuple]:
    """The five columns of the shared text, then of each pack's prefix and branches; positions of a branch go on from the prefix."""
    found = [(whole[0][:shared], [IGNORE] * shared, list(range(shared)), [SHARED] * shared, [0] * shared)] if shared else []
    for picture, (pack, ids) in enumerate(zip(packs, whole, strict=True)):
        n, own = len(ids), ids[shared:]
        found.append((own, [IGNORE] * len(own), list(range(shared, n)), [picture] * len(own), [0] * len(own)))
        for number, (words, labels) in enumerate(pack.branches, start=1):
            size = len(words)
            found.append((words, labels, list(range(n, n + size)), [picture] * size, [number] * size))
    return found


def block_mask(picture: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """(batch, 1, length, length) bool: True where a token may look: back, at the shared text, its picture's prefix and its own branch.

    The definition in one picture; training never builds it (see spans.py).
    """
    length = branch.shape[1]
    back = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
    same_picture = picture[:, :, None] == picture[:, None, :]
    reachable = (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
    return (back & ((picture[:, None, :] == SHARED) | (same_picture & reachable)))[:, None]
