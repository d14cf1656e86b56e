"""Data of the English base: an endless seeded stream of scenes, as packs and as words for patches."""

import random
from collections.abc import Callable

import numpy as np
import torch

from utils.corpus.scenes.asks import TYPES, Ask, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.words import COLOUR, KIND
from utils.corpus.scenes.world import PLACES, Scene, look_alikes, scene_of, scene_where, uneven
from utils.models.pixels import to_pixels
from utils.models.prompts import encode_turns
from utils.models.tiny import IMAGE_TOKENS
from utils.training.packing import Pack

# How many questions of each type a picture gets, at most; harder types come more often.
QUESTIONS = {
    "naming": 1, "yes_no": 2, "counting": 1, "total": 1, "position": 1, "background": 0.5, "card": 1, "category": 1,
    "listing": 1, "description": 0.6, "comparison": 1, "relation": 1, "arithmetic": 1, "group": 1,
}  # fmt: skip

# The last stage's mix: counting and comparing come first, the rest keeps its place.
COUNTING_QUESTIONS = QUESTIONS | {
    "comparison": 2,
    "group": 2,
    "counting": 1,
    "listing": 2,
    "background": 0.3,
    "total": 0.3,
    "category": 0.5,
    "card": 0.6,
}

BUDGET = 300  # tokens of questions and answers beside one picture


def _weight(ask: Ask, groups: bool) -> float:
    """Prefer repeated kinds, and with `groups` groups of several, where a question counts: "one" must be no safe guess."""
    counts = ask.scene.counts
    if ask.type == "counting":
        hard = counts[ask.kind] > 1
    elif ask.type == "comparison":
        hard = counts[ask.kind] != counts[ask.other]
    elif ask.type == "group" and groups:
        hard = sum(KIND[kind].category == ask.category for kind in counts) > 1
    else:
        hard = False
    return 3.0 if hard else 1.0


def draw_asks(scene: Scene, rng: random.Random, mix: dict[str, float] = QUESTIONS) -> list[Ask]:
    """A picture's questions for training: as many of each type as `mix` says, where the scene allows them."""
    asks = []
    for kind_of_question in TYPES:
        found = possible(scene, kind_of_question, rng)
        wanted = mix[kind_of_question]
        wanted = int(wanted) + (rng.random() < wanted % 1)
        if kind_of_question == "yes_no":
            asks += found
        elif found and wanted:
            asks += rng.choices(found, [_weight(a, groups=mix["group"] > 1) for a in found], k=wanted)
    rng.shuffle(asks)
    return asks


def fill_pack(tokenizer, scene: Scene, rng: random.Random, budget: int = BUDGET, mix: dict[str, float] = QUESTIONS) -> tuple:
    """Branches of one picture up to `budget` tokens, so that the rows of a batch need little padding."""
    branches, seen, room = [], set(), budget
    for ask in draw_asks(scene, rng, mix) + draw_asks(scene, rng, mix):
        said = say(ask, "en")
        if said in seen:
            continue
        branch = encode_turns(tokenizer, [said])
        if len(branch[0]) > room:
            continue
        seen.add(said)
        room -= len(branch[0])
        branches.append(branch)
    return tuple(branches)


class SceneStream(torch.utils.data.Dataset):
    """`size` training pictures with `budget` tokens of English questions each; item i is the same on every run with the same seed."""

    def __init__(self, tokenizer, size: int, seed: int, budget: int = BUDGET):
        self.tokenizer, self.size, self.seed, self.budget = tokenizer, size, seed, budget

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict:
        scene = scene_of("train", index, self.seed)
        rng = random.Random(f"asks/{self.seed}/{index}")
        return {
            "packs": [Pack(str(index), fill_pack(self.tokenizer, scene, rng, self.budget))],
            "pictures": [{"pixels": to_pixels(render(scene))[None]}],
        }


class CountingStream(SceneStream):
    """`SceneStream` with mostly pictures that must be counted: in the plain stream most counts are one."""

    def __getitem__(self, index: int) -> dict:
        rng = random.Random(f"counting/{self.seed}/{index}")
        wanted = rng.choices((uneven, look_alikes, lambda scene: True), (3, 5, 2))[0]
        scene = scene_where(wanted, "train", index, self.seed)
        return {
            "packs": [Pack(str(index), fill_pack(self.tokenizer, scene, rng, mix=COUNTING_QUESTIONS))],
            "pictures": [{"pixels": to_pixels(render(scene))[None]}],
        }


def patch_words(scene: Scene, tokenizer) -> torch.Tensor:
    """(IMAGE_TOKENS, vocabulary): for each patch, equal shares for the words of what its cell shows.

    The bag of a cell: the noun in singular and plural, the card's colour, the background's colour, and the two
    words of its place.
    """
    words = torch.zeros(IMAGE_TOKENS, len(tokenizer))
    side = int(IMAGE_TOKENS**0.5)
    for cell, place in enumerate(PLACES):
        item = scene.at(cell)
        bag = [*place.split(), COLOUR[scene.background].words["en"].singular]
        if item:
            noun = KIND[item.kind].words["en"]
            bag += [noun.singular, noun.plural, *([COLOUR[item.card].words["en"].singular] if item.card else [])]
        ids = sorted({i for word in bag for i in tokenizer(f" {word}", add_special_tokens=False)["input_ids"]})
        row, column = divmod(cell, 2)
        patches = [r * side + c for r in range(side) for c in range(side) if (r * 2 // side, c * 2 // side) == (row, column)]
        words[np.ix_(patches, ids)] = 1 / len(ids)
    return words


class PatchWords(torch.utils.data.Dataset):
    """`size` training pictures with what `words` (scene, tokenizer) gives, the words of each patch unless told, for an alignment stage."""

    def __init__(self, tokenizer, size: int, seed: int, words: Callable[[Scene, object], torch.Tensor] = patch_words):
        self.tokenizer, self.size, self.seed, self.words = tokenizer, size, seed, words

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict:
        scene = scene_of("train", index, self.seed)
        return {"words": self.words(scene, self.tokenizer), "pixels": to_pixels(render(scene))}
