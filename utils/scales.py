"""The three scales: sizes, caps and devices. A scale never changes what learns or which function runs."""

import dataclasses
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """One scale. Steps, rows and questions are caps; None means all there is.

    `rate` multiplies a recipe's learning rates: a model hundreds of times narrower wants larger steps.
    `weights` is where the start model comes from: "data" (shipped with the repository), or a hub id per recipe.
    """

    name: str
    machine: str
    pictures: int | None
    steps: int | None
    batch: int  # rows a step
    row_tokens: int  # tokens a row: pictures with their questions are bundled up to it
    max_rank: int | None
    rate: float
    thesis_steps: int
    sweep_steps: int  # of each run that compares LoRA ranks and rates; 0: none unless asked for
    questions: int
    device: str
    dtype: str
    weights: str
    four_bit: bool = False
    fusion_share: float = 1.0  # of the part of the taxonomy's study that a notebook makes again


TINY = Scale(
    name="tiny", machine="2 CPU cores, no network", pictures=2400, steps=1200, batch=4, row_tokens=420, max_rank=32, rate=15.0, thesis_steps=240,
    sweep_steps=48, questions=40, device="cpu", dtype="float32", weights="data",
)  # fmt: skip
WORKSHOP = Scale(
    name="workshop", machine="one GPU of 16–24 GB", pictures=None, steps=400, batch=4, row_tokens=2048, max_rank=32, rate=1.0, thesis_steps=0,
    sweep_steps=0, questions=200, device="cuda", dtype="bfloat16", weights="llava-hf/llava-1.5-7b-hf", four_bit=True,
)  # fmt: skip
A100 = Scale(
    name="a100", machine="one GPU of 80 GB", pictures=None, steps=None, batch=16, row_tokens=2048, max_rank=None, rate=1.0, thesis_steps=0,
    sweep_steps=0, questions=1000, device="cuda", dtype="bfloat16", weights="llava-hf/llava-1.5-13b-hf",
)  # fmt: skip
SCALES = {scale.name: scale for scale in (TINY, WORKSHOP, A100)}


def scale(name: str) -> Scale:
    """The record of a scale; raises ValueError naming the valid ones.

    The environment variable SHARE (0 < SHARE <= 1) shrinks rows, steps and questions: tests run the whole course
    in a minute that way. SEED (a whole number) is the seed of the trainings. Such a run says so in its folder name.
    """
    if name not in SCALES:
        raise ValueError(f"SCALE {name!r} is unknown; use one of: {', '.join(SCALES)}")
    share = os.environ.get("SHARE", "1")
    try:
        fraction = float(share)
    except ValueError:
        fraction = 0.0
    if not 0 < fraction <= 1:
        raise ValueError(f"SHARE {share!r} is not a number between 0 and 1")
    size, seed = SCALES[name] if fraction == 1 else shrink(SCALES[name], fraction), chosen_seed()
    return dataclasses.replace(size, name=f"{size.name}-seed{seed}") if seed else size


def chosen_seed() -> int:
    """The environment variable SEED, 0 without it: the seed of every training that is not given one. Raises ValueError."""
    text = os.environ.get("SEED") or "0"
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"SEED {text!r} is not a whole number from 0 up; give it one or remove it")
    return int(text)


def shrink(full: Scale, share: float) -> Scale:
    part = lambda n, least: max(least, round(n * share)) if n else n  # noqa: E731
    return dataclasses.replace(
        full, name=f"{full.name}-{share:g}", pictures=part(full.pictures, 20), steps=part(full.steps, 4),
        thesis_steps=part(full.thesis_steps, 4),
        sweep_steps=full.sweep_steps and part(full.sweep_steps, 4), questions=part(full.questions, 4), fusion_share=share,
    )  # fmt: skip
