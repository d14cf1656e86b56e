"""Small real trainings that several tests share: an adapter, all weights, and preferences, each from the same start."""

import functools
import json
from pathlib import Path

from utils import runs
from utils.models.prompts import encode_prefix, image_id
from utils.models.tiny import IMAGE_TOKENS, build_tiny
from utils.training.adapter import adapt, merged
from utils.training.data import PackCollator
from utils.training.english_base import SceneStream
from utils.training.loop import Plan, fit, history_of
from utils.training.preference import PairCollator, pair_of
from utils.training.recipes import ENGLISH_BASE, LLAVA_PT, Stage, Tune

PREFER = Stage("prefer", "pairs", {"llm": Tune("lora", 2e-4, rank=128, alpha=256), "projector": Tune("full", 2e-5)}, objective="preference")
STAGES = {"adapter": LLAVA_PT.stages[0], "full": ENGLISH_BASE.stages[1], "preference": PREFER}
PLAN = Plan(steps=8, batch=2, seed=0, rate=10.0, max_rank=4, save_every=2, log_every=2)


def preference_rows(corpus: Path, count: int = 16) -> list[dict]:
    """Rows of one question with a worse answer: that of the next row."""
    rows = json.loads((corpus / "conversation_58k.json").read_text())[: count + 1]
    for row, other in zip(rows, rows[1:], strict=False):
        row["conversations"] = row["conversations"][:2]
        row["rejected"] = other["conversations"][-1]["value"] + " No."
    return rows[:count]


@functools.cache
def scenes(tokenizer, count: int = 16) -> list[dict]:
    """Rows of the picture world, drawn once."""
    stream = SceneStream(tokenizer, count, 0)
    return [stream[n] for n in range(count)]


def train(kind: str, tokenizer, corpus: Path, folder: Path, plan: Plan = PLAN, stage: Stage | None = None, spoil=lambda collate: collate):
    """Run a stage of `kind` in `folder` from one and the same start; returns (merged model, history). `spoil` wraps the collator."""
    stage, model = stage or STAGES[kind], build_tiny(tokenizer, seed=5)
    prefix = tuple(encode_prefix(tokenizer, IMAGE_TOKENS))
    runs.seed_all(0)  # an adapter starts from random weights, as train_stage seeds them
    if stage.objective == "preference":
        data = [pair_of(row, tokenizer, 200) for row in preference_rows(corpus)]
        collate = PairCollator(lambda _: prefix, tokenizer, corpus / "images", model.config)
    else:
        data, collate, model = scenes(tokenizer), PackCollator(prefix, image_id(tokenizer)), adapt(model, stage, plan.max_rank)
    trainer = fit(model, data, spoil(collate), stage, plan, folder, kind)
    return merged(trainer.model), history_of(trainer)
