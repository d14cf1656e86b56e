"""Rows for a rehearsal: conversations drawn to LLaVA-Instruct's sizes about generated pictures, and the padded rows of a plain Trainer."""

import functools
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import torch

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.images import inside, load_picture
from utils.corpus.scenes.asks import TYPES, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import picture_scene
from utils.corpus.scenes.render import render
from utils.models.pixels import to_pixels
from utils.models.prompt_formats import VICUNA_V1, PromptFormat
from utils.models.prompts import IGNORE, encode_turns
from utils.training.packing import Pack
from utils.training.planner import PICTURES


@dataclass(frozen=True)
class Kind:
    """One of LLaVA-Instruct's three files: its rows (as the names say), its bytes, and the rounds of a conversation.

    Rows and bytes are reported (arXiv 2304.08485, section 3; haotian-liu/LLaVA docs/Data.md). One round for detail and
    reasoning is reported (the same section); how many a conversation has is not told: four are assumed.
    """

    name: str
    rows: int
    bytes: float
    rounds: int


KINDS = (
    Kind("conversation_58k", 58_000, 126e6, 4),
    Kind("detail_23k", 23_000, 20.5e6, 1),
    Kind("complex_reasoning_77k", 77_000, 79.6e6, 1),
)
# Assumed: characters of English a token of Llama's tokenizer, tokens of "USER: ", " ASSISTANT: " and the end in each round, how far
# lengths spread (sigma of their logarithm, cut at twice the mean), and the question's share of a round.
CHARACTERS, MARKS, SPREAD, ASKED = 4.2, 9, 0.35, 0.2
SIZE = (640, 480)  # pixels: the most common size in COCO, from which LLaVA-Instruct's pictures are


def overhead(rounds: int, indent: int | None = 2) -> float:
    """Bytes that JSON itself takes of a row with that many rounds, its keys, ids and `<image>` included."""
    turns = [{"from": speaker, "value": ""} for _ in range(rounds) for speaker in ("human", "gpt")]
    turns[0]["value"] = f"{IMAGE_TOKEN}\n"
    row = {"id": "000000000000", "image": "000000000000.jpg", "conversations": turns}
    two = len(json.dumps([row, row], indent=indent))
    return two - len(json.dumps([row], indent=indent))


def text_tokens(kind: Kind, indent: int | None = 2, rounds: int | None = None, characters: float = CHARACTERS) -> float:
    """Tokens of a conversation of that kind beside picture and prompt, from the published file's size.

    (bytes of the file / rows - JSON's own) / characters a token + the marks of each round. The layout (`indent`) is assumed.
    """
    rounds = rounds or kind.rounds
    return (kind.bytes / kind.rows - overhead(rounds, indent)) / characters + MARKS * rounds


def mean_tokens(**choice) -> float:
    """`text_tokens` over all three kinds."""
    return sum(kind.rows * text_tokens(kind, **choice) for kind in KINDS) / sum(kind.rows for kind in KINDS)


def _words(index: int, seed: int, language: str, rng: random.Random) -> Iterator[str]:
    """Endless words about a picture: what can be said of it in the picture world, again and again."""
    scene = picture_scene(index, seed)
    said = [answer for kind in TYPES for ask in possible(scene, kind, rng)[:3] for answer in say(ask, language)]
    rng.shuffle(said)
    return cycle(word for sentence in said for word in sentence.split())


def _filled(words: Iterator[str], tokens: float, size: Callable[[str], int]) -> str:
    """As many words as make up `tokens`, at least one."""
    taken: list[str] = []
    while not taken or tokens > 0:
        taken.append(next(words))
        tokens -= size(taken[-1])
    return " ".join(taken)


def _marks(tokenizer, prompt: PromptFormat) -> int:
    """Tokens that a round has beside question and answer, in this tokenizer."""
    return len(encode_turns(tokenizer, [("1", "1")] * 2, prompt)[0]) - len(encode_turns(tokenizer, [("1", "1")], prompt)[0]) - 2


def _conversation(kind: Kind, share: float, words: Iterator[str], size: Callable[[str], int], marks: int, rng: random.Random) -> list[dict]:
    spread = min(2.0, math.exp(rng.gauss(-(SPREAD**2) / 2, SPREAD)))
    each = share * spread * text_tokens(kind) / kind.rounds - marks
    turns = []
    for number in range(kind.rounds):
        question = _filled(words, ASKED * each, size)
        turns += [{"from": "human", "value": f"{IMAGE_TOKEN}\n{question}" if number == 0 else question}]
        turns += [{"from": "gpt", "value": _filled(words, (1 - ASKED) * each, size)}]
    return turns


def write_pictures(
    folder: Path, pictures: int, tokenizer, prompt: PromptFormat = VICUNA_V1, share: float = 1.0, language: str = "pt-BR", seed: int = 0
) -> list[dict]:
    """Generated pictures in `folder` and LLaVA rows about them, `share` times as long as LLaVA-Instruct's.

    A picture has each kind of conversation as often as in LLaVA-Instruct, and at least one.
    """
    size = functools.cache(lambda word: len(tokenizer(f" {word}", add_special_tokens=False)["input_ids"]))
    marks = _marks(tokenizer, prompt)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(pictures):
        rng = random.Random(f"rehearsal/{seed}/{index}")
        name, words = f"{index:012d}", _words(index, seed, language, rng)
        render(picture_scene(index, seed), size=SIZE[1]).resize(SIZE).save(folder / f"{name}.jpg", quality=90)
        kinds: list[Kind] = []
        while not kinds:
            kinds = [kind for kind in KINDS if rng.random() < kind.rows / PICTURES]
        rows += [{"id": name, "image": f"{name}.jpg", "conversations": _conversation(kind, share, words, size, marks, rng)} for kind in kinds]
    return rows


def conversations_of(packs: list[Pack], rows: list[list[int]]) -> list[tuple[str, tuple[list[int], list[int]]]]:
    """(picture, branch) of every conversation in these rows of pack indices."""
    return [(packs[index].picture, branch) for row in rows for index in row for branch in packs[index].branches]


class PaddedSteps(torch.utils.data.Dataset):
    """The steps of `order` for a plain Trainer: each conversation a row of its own with its picture's pixels, padded right.

    An item is a whole batch. Each step, `step` rows of `order`, is split evenly into `parts` batches, of at most `at_once`
    conversations where every step has enough of them: in one batch, the logits of all positions would fill a GPU.
    """

    order = None  # items come in the order given

    def __init__(self, packs: list[Pack], order: list[list[int]], step: int, at_once: int, prefix: list[int], pad: int, images: Path, size: int):
        steps = [conversations_of(packs, order[start : start + step]) for start in range(0, len(order), step)]
        self.parts = min(min(map(len, steps)), math.ceil(max(map(len, steps)) / at_once))
        self.batches = [each[n :: self.parts] for each in steps for n in range(self.parts)]
        self.prefix, self.pad, self.images, self.size = prefix, pad, images, size

    def __len__(self) -> int:
        return len(self.batches)

    def count(self, first: int) -> dict[str, int]:
        """Conversations, tokens (padding left out) and learnt tokens of all steps from `first` on."""
        branches = [branch for batch in self.batches[first * self.parts :] for _, branch in batch]
        return {
            "conversations": len(branches), "tokens": sum(len(self.prefix) + len(ids) for ids, _ in branches),
            "learnt": sum(label != IGNORE for _, labels in branches for label in labels),
        }  # fmt: skip

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        rows, n = self.batches[place], len(self.prefix)
        width = n + max(len(ids) for _, (ids, _) in rows)
        fill = lambda values, blank: torch.tensor([v + [blank] * (width - len(v)) for v in values])  # noqa: E731
        return {
            "input_ids": fill([self.prefix + ids for _, (ids, _) in rows], self.pad),
            "labels": fill([[IGNORE] * n + labels for _, (_, labels) in rows], IGNORE),
            "attention_mask": fill([[1] * (n + len(ids)) for _, (ids, _) in rows], 0),
            "pixel_values": torch.stack([to_pixels(load_picture(inside(self.images, picture)), self.size) for picture, _ in rows]),
        }
