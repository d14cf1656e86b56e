"""Recipes: a system as a value that lists its stages. What learns, from what, in which order; no sizes of machines.

Beside the values lie facts: each field is reported (in the named source), assumed (our inference) or unknown (None).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("vision", "resampler", "projector", "llm", "embeddings")
STATUSES = ("reported", "assumed", "unknown")


@dataclass(frozen=True)
class Tune:
    """How one part learns: "full" or "lora", at which rate (None: not known); rank, alpha and dropout for LoRA."""

    how: str
    lr: float | None
    rank: int | None = None
    alpha: int | None = None
    dropout: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage. A part absent from `tune` is frozen; `tune` None: not known what learns.

    `objective` is "lm" or "words" (see training/objective.py), or "preference": DPO (arXiv 2305.18290) with its `beta`,
    beside it, weighted by `chosen`, the plain loss of the chosen answers.
    `prompt` is plain, vicuna_v1, llama_3 or chatml. `max_steps`, where given, replaces `epochs`, and `warmup_steps`
    replaces `warmup` (a share of the steps). `rows`, `batch` (rows a step over all GPUs) and `cost` are as its source
    tells them. None: not known.
    """

    name: str
    data: str
    tune: Mapping[str, Tune] | None
    prompt: str | None = "vicuna_v1"
    objective: str = "lm"
    epochs: float | None = 1
    max_length: int | None = 2048
    warmup: float | None = 0.03
    weight_decay: float | None = 0.0
    replay: float | None = 0.0  # share of English rows mixed in, against forgetting
    vocabulary: str = "as it is"  # or "aligned": see training/vocabulary.py
    rows: int | None = None
    batch: int | None = None
    schedule: str | None = "cosine"
    max_steps: int | None = None
    warmup_steps: int | None = None
    beta: float | None = None
    chosen: float | None = None
    cost: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Fact:
    """Where values come from: a status, the source in words, the dotted names of the fields, and a note.

    In a name, `*` stands for any one segment and `a|b` for either: "stages.adapt|short.tune.*.lr".
    """

    status: str
    source: str
    fields: tuple[str, ...]
    note: str = ""


def reported(source: str, fields: str, note: str = "") -> Fact:
    """The source says it, in so many words; `fields` are separated by spaces."""
    return Fact("reported", source, tuple(fields.split()), note)


def assumed(reason: str, fields: str, note: str = "") -> Fact:
    """Our inference, with what it rests on; also where two sources differ and one was chosen."""
    return Fact("assumed", reason, tuple(fields.split()), note)


def unknown(looked: str, fields: str, note: str = "") -> Fact:
    """Not found in the places named; the value is None."""
    return Fact("unknown", looked, tuple(fields.split()), note)


@dataclass(frozen=True)
class Recipe:
    """A system: its parts in words, its stages, and for each field a fact."""

    name: str
    start: str
    stages: tuple[Stage, ...]
    source: str
    assumed: tuple[str, ...] = ()
    vision: str | None = None
    connector: str | None = None
    llm: str | None = None
    image: str | None = None
    machine: str | None = None
    facts: tuple[Fact, ...] = ()
    shape: str = ""  # hub id of its start model (models/shapes.py); empty: the scale's LLaVA

    def only(self, *names: str) -> "Recipe":
        """The recipe with these stages alone, in its own order; raises ValueError for a stage it does not have."""
        known = [stage.name for stage in self.stages]
        for name in names:
            if name not in known:
                raise ValueError(f"recipe {self.name} has no stage {name!r}; it has: {', '.join(known)}")
        return dataclasses.replace(self, stages=tuple(s for s in self.stages if s.name in names))

    def stage(self, name: str) -> Stage:
        return self.only(name).stages[0]


def _tune_values(tune: Mapping[str, Tune] | None) -> dict[str, object]:
    """`tune` holds the names of the parts that learn; rank, alpha and dropout belong to LoRA alone."""
    values: dict[str, object] = {"tune": None if tune is None else tuple(tune)}
    for part, how in (tune or {}).items():
        values |= {f"tune.{part}.how": how.how, f"tune.{part}.lr": how.lr}
        if how.how == "lora":
            values |= {f"tune.{part}.rank": how.rank, f"tune.{part}.alpha": how.alpha, f"tune.{part}.dropout": how.dropout}
    return values


def _stage_values(stage: Stage) -> dict[str, object]:
    values = {f.name: getattr(stage, f.name) for f in dataclasses.fields(stage) if f.name not in ("name", "tune")}
    # Of two ways to say one thing, only the one in use is a field; beta and chosen have a meaning in DPO alone.
    del values["epochs" if stage.max_steps is not None else "max_steps"]
    del values["warmup" if stage.warmup_steps is not None else "warmup_steps"]
    if stage.objective != "preference":
        del values["beta"], values["chosen"]
    return values | _tune_values(stage.tune)


def fields_of(recipe: Recipe) -> dict[str, object]:
    """Every field of a recipe by its dotted name, such as "stages.instruct.tune.llm.lr"; fields that cannot apply are left out."""
    found = {name: getattr(recipe, name) for name in ("start", "vision", "connector", "llm", "image", "machine")}
    return found | {f"stages.{stage.name}.{field}": value for stage in recipe.stages for field, value in _stage_values(stage).items()}


def covers(pattern: str, field: str) -> bool:
    """Whether a fact's name, with its `*` and `a|b`, stands for this field."""
    wanted, segments = pattern.split("."), field.split(".")
    return len(wanted) == len(segments) and all(w == "*" or s in w.split("|") for w, s in zip(wanted, segments, strict=True))


def provenance(recipe: Recipe) -> list[dict]:
    """Every field with its value, status, source and note, as rows of a table.

    Raises ValueError for a field with no fact or with two, a status that does not exist, and a value that
    contradicts its status: unknown means None, and None means unknown.
    """
    rows = []
    for field, value in fields_of(recipe).items():
        facts = [fact for fact in recipe.facts if any(covers(pattern, field) for pattern in fact.fields)]
        if len(facts) != 1:
            raise ValueError(f"recipe {recipe.name}: {field} has {len(facts)} facts; give it exactly one")
        fact = facts[0]
        if fact.status not in STATUSES:
            raise ValueError(f"recipe {recipe.name}: the status {fact.status!r} of {field} is none of: {', '.join(STATUSES)}")
        if (fact.status == "unknown") != (value is None):
            raise ValueError(f"recipe {recipe.name}: {field} is {value!r}, but its fact says {fact.status}; unknown means None")
        rows.append({"field": field, "value": value, "status": fact.status, "source": fact.source, "note": fact.note})
    return rows


_THESIS = "undergraduate thesis, UFG, Goiânia 2024"
_TASK_LORA = "haotian-liu/LLaVA scripts/v1_5/finetune_task_lora.sh"
_ADDED = (
    assumed("ours, against forgetting", "stages.instruct.replay"),
    assumed("ours, after WECHSEL (arXiv 2112.06598): pieces the start model never trained", "stages.instruct.vocabulary"),
)
_FACTS = (
    reported(_THESIS, "start machine stages.instruct.data|epochs|max_length|optional stages.instruct.tune.llm.lr"),
    assumed("LLaVA-1.5 (arXiv 2310.03744): the thesis says LLaVA 13B and no version", "vision connector llm image stages.instruct.objective|prompt"),
    assumed(_TASK_LORA, "stages.instruct.tune.llm.how|rank|alpha", "the thesis does not say LoRA; in that repository the rate 2e-4 belongs to LoRA"),
    assumed(_TASK_LORA, "stages.instruct.tune.projector.how|lr stages.instruct.warmup|weight_decay|schedule"),
    assumed("ours: no dropout", "stages.instruct.tune.llm.dropout", "haotian-liu/LLaVA llava/train/train.py defaults to 0.05"),
    unknown(_THESIS, "stages.instruct.rows|batch|cost"),
)

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
    vision="CLIP ViT-L/14, 336 pixels",
    connector="MLP of two layers",
    llm="Vicuna 13B v1.5",
    image="padded to a square, 576 tokens",
    machine="one A100 80GB",
    facts=(
        *_FACTS,
        *_ADDED,
        assumed("ours: the start model has hardly seen the language", "stages.instruct.tune stages.instruct.tune.embeddings.how|lr"),
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
    facts=(
        *_FACTS,
        assumed(_TASK_LORA, "stages.instruct.tune"),
        assumed("the thesis names no English rows and no change of the vocabulary", "stages.instruct.replay|vocabulary"),
    ),
)

# How the shipped English model is made: LLaVA's two stages (arXiv 2304.08485, section 4.2), everything trained,
# then a short third one: in the second most counts are one, and comparing stayed at 80 %. It is ours: no facts.
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


def recipe(name: str) -> Recipe:
    """The recipe of that name, ready to train: what its sources do not say is borrowed and marked so (guesses.py).

    Raises ValueError naming the valid ones.
    """
    from utils.training.guesses import runnable
    from utils.training.systems import SYSTEMS

    if name not in SYSTEMS:
        raise ValueError(f"RECIPE {name!r} is unknown; use one of: {', '.join(SYSTEMS)}")
    return runnable(SYSTEMS[name])
