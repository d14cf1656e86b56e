"""What it takes to run a described system whose sources are silent: each missing value with where it is borrowed from."""

import dataclasses

from utils.runs import UserError
from utils.training.recipes import Fact, Recipe, Stage, Tune, fields_of, provenance

_SILENT = "no source of this system says it"
_NEXT = "LLaVA-VL/LLaVA-NeXT scripts/train"
_PLAIN_SCHEDULE = {"warmup": 0.03, "weight_decay": 0.0, "schedule": "cosine", "replay": 0.0}
_ALL = {"vision": Tune("full", 2e-6), "projector": Tune("full", 1e-5), "llm": Tune("full", 1e-5), "embeddings": Tune("full", 1e-5)}

# Recipe, stage -> the values for its unknown fields, and what they rest on.
GUESSES = {
    ("amalia-vl", "align"): (
        {"tune": {"projector": Tune("full", 1e-3)}, "prompt": "plain", "max_length": 8192, **_PLAIN_SCHEDULE},
        f"{_NEXT}/pretrain_clip.sh: the same class and the same stage",
    ),
    ("amalia-vl", "instruct"): (
        {"tune": _ALL, "prompt": "chatml", **_PLAIN_SCHEDULE, "replay": 0.25},
        f"{_NEXT}/finetune_clip.sh: the same class and the same stage; English rows as llava-pt has them, for the card names English data first",
    ),
    ("amalia-vl", "prefer"): (
        {
            "tune": {part: Tune("full", 5e-7) for part in _ALL}, "prompt": "chatml", "epochs": 1, "beta": 0.1, "chosen": 1.0, "max_length": 16_384,
            **_PLAIN_SCHEDULE, "warmup": 0.1,
        },
        f"{_NEXT}/dpo_ov7b.sh; beta also in arXiv 2305.18290, appendix B; the length of the stage before; beside the pairs the chosen answers "
        "are learnt as they are, at the weight of MPO (arXiv 2411.10442), by whose authors MMPR is: on a few answers, pairs alone took the tiny model's words away",
    ),
    ("mblip", "warmup"): ({"warmup": 0.125}, "its 1,000 steps as a share of its 8,000: a short run keeps the shape"),
    ("mblip", "instruct"): ({"warmup": 0.03}, "LLaVA's share: how many steps mBLIP's two epochs are is not told"),
    ("mblip-bloomz", "instruct"): ({"warmup": 0.03}, "LLaVA's share: how many steps mBLIP's two epochs are is not told"),
}  # fmt: skip
NEEDED = ("tune", "prompt", "max_length", "warmup", "weight_decay", "schedule", "replay")


def _filled(stage: Stage, guess: dict) -> Stage:
    """The stage with a guess where it has None, and warm-up as a share; what a source says stays."""
    missing = {name: value for name, value in guess.items() if name != "tune" and getattr(stage, name) is None}
    tune = guess.get("tune", {}) if stage.tune is None else stage.tune
    tune = {part: guess["tune"][part] if how.lr is None and part in guess.get("tune", {}) else how for part, how in tune.items()}
    return dataclasses.replace(stage, **missing, tune=tune or None, warmup_steps=None)


def _check(recipe: Recipe, stage: Stage) -> None:
    lacks = [name for name in NEEDED if getattr(stage, name) is None]
    lacks += [f"tune.{part}.lr" for part, how in (stage.tune or {}).items() if how.lr is None]
    lacks += ["beta"] if stage.objective == "preference" and stage.beta is None else []
    if lacks:
        raise UserError(f"stage {stage.name} of {recipe.name} has no {', '.join(lacks)}; add them to GUESSES in utils/training/guesses.py")


def runnable(recipe: Recipe) -> Recipe:
    """The recipe with every value that a training run needs; the borrowed ones become assumed, with what they rest on.

    Raises UserError naming a stage whose missing values nobody has guessed. A recipe that lacks nothing comes back equal.
    """
    keys = {stage.name: (recipe.name, stage.name) for stage in recipe.stages}
    stages = tuple(_filled(s, GUESSES[keys[s.name]][0]) if keys[s.name] in GUESSES else s for s in recipe.stages)
    for stage in stages:
        _check(recipe, stage)
    if stages == recipe.stages:
        return recipe
    before = {row["field"]: row for row in provenance(recipe)}
    filled = dataclasses.replace(recipe, stages=stages)
    facts = []
    for field, value in fields_of(filled).items():
        old = before.get(field)
        if old and old["value"] == value:
            facts.append(Fact(old["status"], old["source"], (field,), old["note"]))
        else:
            facts.append(Fact("assumed", GUESSES[keys[field.split(".")[1]]][1], (field,), _SILENT))
    return dataclasses.replace(filled, facts=tuple(facts))
