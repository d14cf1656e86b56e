"""Ask a fusion about sounds that it never heard, exchange the sounds, and look whether it forgot the pictures."""

import random
from collections import Counter, defaultdict
from pathlib import Path

from utils.corpus.scenes.asks import CONVERSATION
from utils.corpus.sounds import TYPES, Sound, asks_of, sound_of, spectrogram
from utils.evaluation.fusions import ask_fusion, replies
from utils.evaluation.intervals import wilson
from utils.evaluation.scenes_task import questions, table
from utils.models.fusions import fusion, open_fusion
from utils.models.fusions.parts import Fusion


def held_out(count: int, language: str) -> list[tuple[str, str, str, Sound]]:
    """(type, question, answer, sound) of all questions on `count` melodies that no training saw."""
    return [(*ask, sound) for sound in (sound_of("known", index) for index in range(count)) for ask in asks_of(sound, language)]


def exchanged(asks: list[tuple]) -> list[Sound]:
    """For each question another melody on which its right answer is another."""
    rng = random.Random("exchanged")
    others = defaultdict(list)
    for kind, _, answer, sound in asks:
        others[kind].append((answer, sound))
    return [rng.choice([sound for other, sound in others[kind] if other != answer]) for kind, _, answer, _ in asks]


def hearing(model: Fusion, tokenizer, slots: int, language: str, sounds: int = 60) -> list[dict]:
    """A row for each type of question and one for all: right (word for word), total, share, interval, majority baseline, and how many right answers change with the sound."""
    asks = held_out(sounds, language)
    asked, gold = [ask[1] for ask in asks], [ask[2] for ask in asks]
    said = replies(model, tokenizer, slots, [spectrogram(ask[3]) for ask in asks], asked, second=True)
    swapped = replies(model, tokenizer, slots, [spectrogram(sound) for sound in exchanged(asks)], asked, second=True)
    rows = []
    for kind in (*TYPES, "all"):
        some = [n for n, ask in enumerate(asks) if kind in (ask[0], "all")]
        right = [n for n in some if said[n].casefold() == gold[n].casefold()]
        low, high = wilson(len(right), len(some))
        commonest = sum(Counter(gold[n] for n in some if asks[n][0] == t).most_common(1)[0][1] for t in TYPES if kind in (t, "all"))
        changed = sum(swapped[n] != said[n] for n in right)
        rows.append(
            {"type": kind, "right": len(right), "total": len(some), "share": len(right) / len(some), "low": low, "high": high,
             "baseline": commonest / len(some), "changed": changed / max(1, len(right))}
        )  # fmt: skip
    return rows


def evaluate_second(name: str, folder: Path, language: str = "pt-BR", per_type: int = 40) -> dict:
    """{"sounds": rows of `hearing`, "pictures": table of the scenes task} of a fusion that `train_second` saved."""
    model, tokenizer = open_fusion(name, folder, second=True)
    slots = fusion(name).SLOTS
    pictures = ask_fusion(model, tokenizer, slots, questions("known", per_type, CONVERSATION), language)
    return {"sounds": hearing(model, tokenizer, slots, language), "pictures": table(pictures)}
