"""Give a trained fusion a second modality: sounds as spectrograms, learnt beside the pictures so that these are not forgotten."""

import dataclasses
import functools
import random
from pathlib import Path

import torch

from utils import runs
from utils.corpus.sounds import Sound, asks_of, sound_of, spectrogram
from utils.models import load
from utils.models.fusions import fusion, open_fusion, parts
from utils.models.fusions.parts import PROMPT, WEIGHTS
from utils.models.pixels import to_pixels
from utils.models.prompts import encode_turns
from utils.training.checkpoints import trained_once
from utils.training.fusions import Budget, Rows, fit, pictures_of, tower_features

REPLAY = 4  # one row in so many is a picture, the others are melodies
CODE = "1"  # raise when sounds, rates or how a fusion takes them change


@dataclasses.dataclass(frozen=True)
class SecondBudget:
    """What every fusion gets to learn sounds: mostly melodies, some pictures, `steps` batches of `batch` in all."""

    sounds: int = 1600
    pictures: int = 800
    batch: int = 16
    steps: int = 200


@functools.lru_cache(maxsize=2)
def sounds_of(split: str, count: int) -> tuple[tuple[Sound, ...], torch.Tensor]:
    """`count` melodies of a split and their spectrograms' pixels (count, 3, 96, 96)."""
    sounds = tuple(sound_of(split, index) for index in range(count))
    return sounds, torch.stack([to_pixels(spectrogram(sound)) for sound in sounds])


class Mixed(torch.utils.data.Dataset):
    """A picture after every few melodies; a melody's row has the prompt of a picture, and `second` says which it is."""

    def __init__(self, pictures: Rows, sounds: tuple[Sound, ...], features: torch.Tensor, seed: int):
        self.pictures, self.sounds, self.features, self.seed, self.budget = pictures, sounds, features, seed, pictures.budget

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> list[dict]:
        number, turn = divmod(place, REPLAY)
        if not turn:
            return [part | {"second": False} for part in self.pictures[number]]
        index = random.Random(f"second/{self.seed}/{place}").randrange(len(self.sounds))
        told = [(question, answer) for _, question, answer in asks_of(self.sounds[index], self.pictures.language)]
        branches = [encode_turns(self.pictures.tokenizer, [turn], PROMPT) for turn in told]
        return [{"rows": (self.pictures.prefix, branches), "features": self.features[index], "second": True}]


def with_second(name: str, start: Path, seed: int):
    """(model, tokenizer, parameters added): a trained fusion with the parts that its second modality needs, still untrained."""
    model, tokenizer = open_fusion(name, start)
    before = parts.counts(model)["all"]
    fusion(name).add_second(model, parts.shipped(tokenizer), seed)
    model.thaw()
    return model, tokenizer, parts.counts(model)["all"] - before


def train_second(name: str, seed: int, start: Path, folder: Path, language: str = "pt-BR", budget: SecondBudget = SecondBudget()) -> dict:
    """Train the fusion in `start` further, on sounds and pictures, and save it to `folder`; returns the manifest.

    Finished, it skips itself; killed, it goes on from the last whole checkpoint. Raises UserError where `start` holds no such fusion.
    """
    start, folder = Path(start), Path(folder)
    if not (start / WEIGHTS).exists():
        raise runs.UserError(f"{start / WEIGHTS} is missing; train the fusion {name} first")
    inputs = runs.text_hash(
        CODE, name, seed, language, dataclasses.asdict(budget), runs.file_hash(start / WEIGHTS), runs.file_hash(load.SHIPPED / WEIGHTS)
    )
    return trained_once(
        folder, inputs, lambda: _train(name, seed, start, folder, language, budget), fusion=name, seed=seed, language=language,
        budget=dataclasses.asdict(budget),
    )  # fmt: skip


def _train(name: str, seed: int, start: Path, folder: Path, language: str, budget: SecondBudget) -> dict:
    """Prepare, train and save; returns what the manifest tells."""
    module = fusion(name)
    runs.seed_all(seed)
    model, tokenizer, added = with_second(name, start, seed)
    sounds, pixels = sounds_of("train", budget.sounds)
    if hasattr(module, "prepare_second"):
        module.prepare_second(model, pixels, seed)
    heard = tower_features(model, pixels, second=True)
    scenes, shown = pictures_of(budget.pictures, 0)
    seen = tower_features(model, shown)
    pictures = Budget(pictures=budget.pictures, batch=budget.batch, rounds=budget.steps * budget.batch / budget.pictures)
    data = Mixed(Rows(model, module, tokenizer, seen, scenes, language, pictures, seed), sounds, heard, seed)
    history = fit(model, data, module.PACKED, tokenizer.pad_token_id, folder, seed, f"{module.LETTER}, a second modality")
    return {"steps": budget.steps, "added": added, "history": history}
