"""From LLaVA rows to batches: rows of one picture share a pack, packs of like length share a batch."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import torch

from utils.corpus.conversations import turns_of
from utils.models.prompt_formats import VICUNA_V1, PromptFormat
from utils.models.prompts import encode_row
from utils.runs import UserError
from utils.training.features import joined, picture_of
from utils.training.packing import Pack, bundle, lay_out, split_long


def packs_of(
    rows: list[dict], tokenizer, prefix_length: int, max_length: int, prompt: PromptFormat = VICUNA_V1, prefix_of: Callable | None = None
) -> list[Pack]:
    """One pack per picture (more if too long), with a branch per conversation, or per turn where turns are independent.

    A format without questions takes the rows of one turn: captions. `prefix_of` gives each picture its own prefix, in place of one
    of `prefix_length` for all. Raises ValueError naming the row whose turns cannot be encoded, UserError where no row is left.
    """
    by_picture: dict[str, list] = {}
    own: dict[str, tuple[int, ...]] = {}
    dropped = 0
    for row in rows:
        turns, picture = turns_of(row), row["image"]
        if not prompt.asks and len(turns) > 1:
            continue
        if picture not in own:
            own[picture] = tuple(prefix_of(picture)) if prefix_of else ()
        parts = [[turn] for turn in turns] if row.get("turns") == "independent" else [turns]
        room = max_length - (len(own[picture]) or prefix_length)
        encoded = [encode_row(tokenizer, row["id"], part, room, prompt) for part in parts]
        dropped += sum(one.dropped for one in encoded)
        by_picture.setdefault(picture, []).extend((one.ids, one.labels) for one in encoded)
    if rows and not by_picture:
        raise UserError(
            f"the prompt {prompt.name} takes captions, rows of one turn, and there is none among {len(rows)} rows; add a file of captions"
        )
    if dropped:
        print(f"{dropped} turns at the ends of rows longer than {max_length} tokens were dropped", flush=True)
    packs = []
    for picture, branches in by_picture.items():
        packs += split_long(Pack(picture, tuple(branches), own[picture]), prefix_length, max_length)
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
    """Rows of packs in the order of `schedule`, each pack with its picture: its pixels, or cached tower features when given."""

    def __init__(self, packs: list[Pack], order: list[list[int]], images: Path, config, features: dict[str, dict] | None):
        self.packs, self.order, self.images, self.config, self.features = packs, order, images, config, features

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict:
        packs = [self.packs[index] for index in self.order[place]]
        find = self.features.__getitem__ if self.features is not None else lambda name: picture_of(self.config, self.images, name)
        return {"packs": packs, "pictures": [find(pack.picture) for pack in packs]}


@dataclasses.dataclass(frozen=True)
class PackCollator:
    """Rows of {"packs", "pictures"} to the tensors that training needs; see `lay_out` and `joined`. `prefix`: of packs without their own."""

    prefix: tuple[int, ...]
    image_id: int

    def __call__(self, rows: list[dict]) -> dict:
        batch = lay_out([pack for row in rows for pack in row["packs"]], list(self.prefix), self.image_id)
        for told in ("labels", "picture", "branch"):  # `asked` and `spans` say the same, ready to use
            del batch[told]
        return batch | joined([picture for row in rows for picture in row["pictures"]])
