"""The smallest change that makes a training stage fit a GPU: every set of changes is tried, the least harmful first."""

import dataclasses
from collections.abc import Iterator

from utils.training.gpus import GPUS, Gpu
from utils.training.planner import PROMPT, TEXT, Setting, fits, rank_of, tokens_of
from utils.training.recipes import Tune

# The changes in order of harm: each is worse than all those above it together.
CHANGES = ("checkpointing", "batch", "lora", "optimiser", "base", "length")


def _changed(setting: Setting, wanted: frozenset[str]) -> Iterator[Setting]:
    """The setting with these changes, from mild to strong where a change has degrees; nothing if one does not apply."""
    tune = dict(setting.stage.tune)
    if "checkpointing" in wanted:
        if setting.checkpointing:
            return
        setting = dataclasses.replace(setting, checkpointing=True)
    if "lora" in wanted:
        if "llm" not in tune or tune["llm"].how == "lora":
            return
        kept = {part: how for part, how in tune.items() if part == "projector"}
        stage = dataclasses.replace(setting.stage, tune=kept | {"llm": Tune("lora", 2e-4, rank=128, alpha=256)})
        setting = dataclasses.replace(setting, stage=stage)
    if "optimiser" in wanted:
        if setting.optimiser != "adamw":
            return
        setting = dataclasses.replace(setting, optimiser="adamw8bit")
    if "base" in wanted:
        if setting.base != "bfloat16" or not rank_of(setting):
            return  # 4-bit weights cannot learn themselves
        setting = dataclasses.replace(setting, base="nf4")
    batches = [setting.batch >> n for n in range(1, setting.batch.bit_length())] if "batch" in wanted else [setting.batch]
    least = tokens_of(setting) + PROMPT + TEXT
    lengths = [n for n in (8192, 4096, 3072, 2048, 1536, 1024) if least <= n < setting.length] if "length" in wanted else [setting.length]
    for length in lengths:
        for batch in batches:
            yield dataclasses.replace(setting, batch=batch, length=length, accumulate=setting.accumulate * setting.batch // batch)


def smallest_change(setting: Setting, card: Gpu) -> tuple[tuple[str, ...], Setting] | None:
    """The least harmful set of changes with which the setting fits, and the changed setting; None when none does."""
    for mask in range(2 ** len(CHANGES)):
        wanted = frozenset(name for bit, name in enumerate(CHANGES) if mask >> bit & 1)
        for candidate in _changed(setting, wanted):
            if fits(candidate, card):
                return tuple(name for name in CHANGES if name in wanted), candidate
    return None


def smallest_gpu(setting: Setting) -> Gpu | None:
    """The card with the least memory that holds the unchanged setting."""
    return next((card for card in sorted(GPUS.values(), key=lambda c: c.memory) if fits(setting, card)), None)
