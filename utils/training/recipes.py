"""Recipes: a system as a value that lists its stages. What learns, from what, in which order; no sizes of machines.

Values are reported (in the named source), assumed (our inference, listed in `assumed`) or unknown (None).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("vision", "resampler", "projector", "llm", "embeddings")


@dataclass(frozen=True)
class Tune:
    """How one part learns: "full" or "lora", at which rate; rank and alpha for LoRA."""

    how: str
    lr: float
    rank: int | None = None
    alpha: int | None = None


@dataclass(frozen=True)
class Stage:
    """One stage. A part absent from `tune` is frozen. `objective` is "lm" or "words" (see training/objective.py)."""

    name: str
    data: str
    tune: Mapping[str, Tune]
    prompt: str = "vicuna_v1"
    objective: str = "lm"
    epochs: float | None = 1
    max_length: int = 2048
    warmup: float = 0.03
    weight_decay: float = 0.0
    replay: float = 0.0  # share of English rows mixed in, against forgetting
    vocabulary: str = "as it is"  # or "aligned": see training/vocabulary.py


@dataclass(frozen=True)
class Recipe:
    name: str
    start: str
    stages: tuple[Stage, ...]
    source: str
    assumed: tuple[str, ...] = ()

    def only(self, *names: str) -> "Recipe":
        """The recipe with these stages alone, in its own order; raises ValueError for a stage it does not have."""
        known = [stage.name for stage in self.stages]
        for name in names:
            if name not in known:
                raise ValueError(f"recipe {self.name} has no stage {name!r}; it has: {', '.join(known)}")
        return dataclasses.replace(self, stages=tuple(s for s in self.stages if s.name in names))

    def stage(self, name: str) -> Stage:
        return self.only(name).stages[0]


LLAVA_PT = Recipe(
    name="llava-pt",
    start="LLaVA 13B",
    stages=(
        Stage(
            name="instruct",
            data="translated LLaVA-Instruct",
            tune={
                "llm": Tune("lora", 2e-4, rank=128, alpha=256),
                "projector": Tune("full", 2e-5),
                "embeddings": Tune("full", 4e-4),
            },
            replay=0.25,
            vocabulary="aligned",
        ),
    ),
    source="undergraduate thesis, UFG, Goiânia 2024: LLaVA 13B, rate 2e-4, length 2048, one epoch, one A100 80GB",
    assumed=(
        "LoRA: the thesis does not say so; in haotian-liu/LLaVA the rate 2e-4 belongs to LoRA (scripts/v1_5/finetune_task_lora.sh)",
        "rank 128, alpha 256 and the projector's rate 2e-5: that script's",
        "input and output embeddings trained: ours, because the start model has hardly seen the language",
        "pieces the start model never trained begin from the English ones they are aligned with: ours, after WECHSEL; hub models have none",
        "a quarter of English rows replayed: ours, against forgetting",
    ),
)

# The thesis's own numbers, without what we added: run beside the recipe to show what the rate does at a size.
THESIS = dataclasses.replace(
    LLAVA_PT,
    name="thesis-rate",
    stages=(
        dataclasses.replace(
            LLAVA_PT.stages[0], tune={k: v for k, v in LLAVA_PT.stages[0].tune.items() if k != "embeddings"}, replay=0.0, vocabulary="as it is"
        ),
    ),
    assumed=LLAVA_PT.assumed[:2],
)

# How the shipped English model is made: LLaVA's two stages (arXiv 2304.08485, section 4.2), everything trained,
# then a short third one: in the second most counts are one, and comparing stayed at 80 %.
ENGLISH_BASE = Recipe(
    name="english-base",
    start="random weights",
    stages=(
        Stage(
            name="align", data="words for patches", objective="words", warmup=0.05,
            tune={part: Tune("full", 2e-3) for part in ("vision", "projector", "embeddings")},
        ),
        Stage(
            name="instruct", data="English scenes", warmup=0.02, weight_decay=0.01,
            tune={part: Tune("full", 1e-3) for part in ("vision", "projector", "llm", "embeddings")},
        ),
        Stage(
            name="count", data="English scenes that must be counted", warmup=0.05, weight_decay=0.01,
            tune={part: Tune("full", 4e-4) for part in ("vision", "projector", "llm", "embeddings")},
        ),
    ),
    source="ours, after LLaVA's stages",
    assumed=("the alignment objective: words for patches instead of captions", "the tower is trained: no CLIP of this size exists to start from"),
)  # fmt: skip

RECIPES = {recipe.name: recipe for recipe in (LLAVA_PT,)}


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises ValueError naming the valid ones."""
    if name not in RECIPES:
        raise ValueError(f"RECIPE {name!r} is unknown; use one of: {', '.join(RECIPES)}")
    return RECIPES[name]
