"""A second modality: short melodies drawn as spectrograms, with questions and gold answers in four varieties."""

import random
from dataclasses import dataclass

from PIL import Image

from utils.corpus.scenes.lists import LISTS

RATE = 8000  # samples a second
SECONDS = 1.6
WINDOW, SIDE = 256, 96  # samples under one spectrum; rows and columns of the spectrogram, as large as a picture of the picture world
LOW, HIGH = 400, 2600  # hertz: all tones lie between
STEPS = (250, 700)  # hertz between two tones of a melody that rises or falls: enough to see
MIDDLE = (LOW + HIGH) / 2
FLOOR = 60  # decibels below the loudest that are still drawn
TYPES = ("how_many", "direction", "last")
DIRECTIONS = ("rises", "falls", "level")
# Question and answers of each type. `how_many` has its answers in the order 1 to 4.
WORDS = {
    "en": {
        "how_many": ("How many tones do you hear?", ("One tone is heard.", "Two tones are heard.", "Three tones are heard.", "Four tones are heard.")),
        "direction": ("Does the sound go up or down?", ("The sound goes up.", "The sound goes down.", "The sound stays level.")),
        "last": ("Is the last tone high or low?", ("It is high.", "It is low.")),
    },
    "pt": {
        "how_many": ("Quantos toques se ouvem?", ("Ouve-se um toque.", "Ouvem-se dois toques.", "Ouvem-se três toques.", "Ouvem-se quatro toques.")),
        "direction": ("O som sobe ou desce?", ("O som sobe.", "O som desce.", "O som fica igual.")),
        "last": ("O último toque é agudo ou grave?", ("É agudo.", "É grave.")),
    },
    "it": {
        "how_many": ("Quanti suoni si sentono?", ("Si sente un suono.", "Si sentono due suoni.", "Si sentono tre suoni.", "Si sentono quattro suoni.")),
        "direction": ("Il suono sale o scende?", ("Il suono sale.", "Il suono scende.", "Il suono resta uguale.")),
        "last": ("L'ultimo suono è acuto o grave?", ("È acuto.", "È grave.")),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """A melody: the pitch of each tone in hertz, and the seed of its noise and loudness."""

    tones: tuple[float, ...]
    seed: int

    @property
    def direction(self) -> str:
        if len(set(self.tones)) == 1:
            return "level"
        return "rises" if self.tones[-1] > self.tones[0] else "falls"


def sound_of(split: str, index: int) -> Sound:
    """The index-th melody of a split ("train" or "known"): one to four tones that rise, fall or stay level."""
    rng = random.Random(f"sound/{split}/{index}")
    many, direction = rng.randint(1, 4), rng.choice(DIRECTIONS)
    while True:
        tones = [rng.uniform(LOW, HIGH)]
        for _ in range(many - 1):
            tones.append(tones[-1] + {"rises": 1, "falls": -1, "level": 0}[direction] * rng.uniform(*STEPS))
        if all(LOW <= tone <= HIGH for tone in tones) and abs(tones[-1] - MIDDLE) > 100:  # no last tone between high and low
            return Sound(tuple(tones), rng.randrange(1 << 30))


def waveform(sound: Sound):
    """The melody as float samples, `RATE` a second: tones of equal length with soft ends, over a little noise."""
    import numpy as np

    rng = np.random.default_rng(sound.seed)
    samples = int(RATE * SECONDS)
    wave = 0.01 * rng.standard_normal(samples)
    slot = samples // len(sound.tones) if len(sound.tones) > 1 else samples // 2
    for number, pitch in enumerate(sound.tones):
        length = int(slot * 0.7)
        time = np.arange(length) / RATE
        start = number * slot + int(rng.integers(0, slot - length))
        wave[start : start + length] += rng.uniform(0.5, 1) * np.hanning(length) ** 0.5 * np.sin(2 * np.pi * pitch * time)
    return wave


def spectrogram(sound: Sound) -> Image.Image:
    """A 96×96 RGB picture: time from left to right, 0 to 3,000 hertz from bottom to top, loud is light (decibels)."""
    import numpy as np

    wave = waveform(sound)
    starts = np.linspace(0, len(wave) - WINDOW, SIDE).astype(int)
    frames = np.stack([wave[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames)).T[:SIDE]  # (96 bins of 31.25 hertz, 96 moments)
    level = 20 * np.log10(power / power.max() + 1e-6)
    shade = (255 * np.clip(1 + level / FLOOR, 0, 1)).astype(np.uint8)
    return Image.fromarray(shade[::-1].copy()).convert("RGB")


def asks_of(sound: Sound, language: str) -> list[tuple[str, str, str]]:
    """(type, question, answer) of every question that a melody allows; one tone has no direction.

    A word list that has no words for sounds is asked in English.
    """
    if language in LISTS:
        words = LISTS[language].sounds or WORDS["en"]
    else:
        words = WORDS.get(language, WORDS.get(language.split("-")[0]))
    if words is None:
        raise ValueError(f"sounds have no questions in {language!r}; there are: {', '.join(('en', 'it', 'pt-BR', 'pt-PT', *LISTS))}")
    which = {
        "how_many": len(sound.tones) - 1,
        "direction": DIRECTIONS.index(sound.direction),
        "last": 0 if sound.tones[-1] > MIDDLE else 1,
    }
    return [(kind, words[kind][0], words[kind][1][which[kind]]) for kind in TYPES if kind != "direction" or len(sound.tones) > 1]
