"""From LLaVA rows to batches: rows of one picture share a pack, packs of like length share a batch."""

import dataclasses
import random
from pathlib import Path

import torch

from utils.corpus.conversations import turns_of
from utils.corpus.images import inside, load_picture
from utils.models.pixels import to_pixels
from utils.models.prompts import VICUNA_V1, PromptFormat, encode_row
from utils.training.objective import tower_features
from utils.training.packing import Pack, bundle, lay_out, split_long

CACHE_LIMIT = 2 << 30  # bytes of tower features kept in memory; more are computed again at each step


def packs_of(rows: list[dict], tokenizer, prefix_length: int, max_length: int, prompt: PromptFormat = VICUNA_V1) -> list[Pack]:
    """One pack per picture (more if too long), with a branch per conversation, or per turn where turns are independent.

    Raises ValueError naming the row whose turns cannot be encoded.
    """
    by_picture: dict[str, list] = {}
    dropped = 0
    for row in rows:
        turns = turns_of(row)
        parts = [[turn] for turn in turns] if row.get("turns") == "independent" else [turns]
        encoded = [encode_row(tokenizer, row["id"], part, max_length - prefix_length, prompt) for part in parts]
        dropped += sum(one.dropped for one in encoded)
        by_picture.setdefault(row["image"], []).extend((one.ids, one.labels) for one in encoded)
    if dropped:
        print(f"{dropped} turns at the ends of rows longer than {max_length} tokens were dropped", flush=True)
    packs = []
    for picture, branches in by_picture.items():
        packs += split_long(Pack(picture, tuple(branches)), prefix_length, max_length)
    return packs


def mix(translated: list[Pack], english: list[Pack], replay: float, seed: int) -> list[Pack]:
    """The translated packs and so many English ones that they make up the share `replay` of all."""
    wanted = round(len(translated) * replay / (1 - replay)) if replay else 0
    rng = random.Random(f"replay/{seed}")
    return translated + (rng.sample(english, k=min(wanted, len(english))) if wanted else [])


def schedule(packs: list[Pack], prefix_length: int, budget: int, rows: int, seed: int) -> list[list[int]]:
    """`rows` rows of pack indices: all packs once each round, newly shuffled and bundled to `budget` tokens."""
    order: list[list[int]] = []
    epoch = 0
    while len(order) < rows:
        rng = random.Random(f"schedule/{seed}/{epoch}")
        made = bundle(packs, prefix_length, budget, rng)
        rng.shuffle(made)
        order += made
        epoch += 1
    return order[:rows]


class PackedRows(torch.utils.data.Dataset):
    """Rows of packs in the order of `schedule`, each pack with its picture's pixels, or cached tower features when given."""

    def __init__(self, packs: list[Pack], order: list[list[int]], images: Path, size: int, features: dict[str, torch.Tensor] | None):
        self.packs, self.order, self.images, self.size, self.features = packs, order, images, size, features

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict:
        packs = [self.packs[index] for index in self.order[place]]
        if self.features is not None:
            return {"packs": packs, "features": torch.stack([self.features[pack.picture] for pack in packs])}
        return {"packs": packs, "pixels": torch.stack([to_pixels(load_picture(inside(self.images, p.picture)), self.size) for p in packs])}


@torch.no_grad()
def cache_features(model, pictures: list[str], images: Path, size: int, batch: int = 64) -> dict[str, torch.Tensor] | None:
    """Tower features per picture, computed once because the tower is frozen; None when they would not fit in memory."""
    found: dict[str, torch.Tensor] = {}
    for start in range(0, len(pictures), batch):
        names = pictures[start : start + batch]
        pixels = torch.stack([to_pixels(load_picture(inside(images, name)), size) for name in names])
        features = tower_features(model, pixels.to(model.device, model.dtype)).cpu()
        if features[0].numel() * features.element_size() * len(pictures) > CACHE_LIMIT:
            return None
        found |= dict(zip(names, features, strict=True))
    return found


@dataclasses.dataclass(frozen=True)
class PackCollator:
    """Batches of {"packs", "pixels"} or {"packs", "features"} to tensors; see `lay_out`."""

    prefix: tuple[int, ...]
    pad_id: int

    def __call__(self, rows: list[dict]) -> dict:
        batch = lay_out([row["packs"] for row in rows], list(self.prefix), self.pad_id)
        if "features" in rows[0]:
            return batch | {"features": torch.cat([row["features"] for row in rows])}
        return batch | {"pixel_values": torch.cat([row["pixels"] for row in rows])}
