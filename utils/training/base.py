"""`make base`: the English model that ships in `data/base`, rebuilt from nothing."""

import dataclasses
import time
from pathlib import Path

import torch

from utils import runs
from utils.models.prompts import encode_prefix, image_id
from utils.models.tiny import IMAGE_TOKENS, build_tiny
from utils.models.tokenizer import sample_lines, train_tokenizer
from utils.training.adapter import freeze_absent
from utils.training.data import PackCollator
from utils.training.english_base import CountingStream, PatchWords, SceneStream
from utils.training.loop import Plan, run_stage
from utils.training.recipes import ENGLISH_BASE
from utils.training.vocabulary import UNTRAINED

SHIPPED = runs.ROOT / "data" / "base"
ALIGN = Plan(steps=1200, batch=32, seed=11, save_every=400, log_every=50)
INSTRUCT = Plan(steps=2800, batch=16, seed=12, save_every=300, log_every=50)
COUNT = Plan(steps=700, batch=16, seed=13, save_every=350, log_every=25)


def words_collator(rows: list[dict]) -> dict:
    return {"pixel_values": torch.stack([r["pixels"] for r in rows]), "words": torch.stack([r["words"] for r in rows])}


def unseen_pieces(tokenizer, scenes: int = 4000) -> list[int]:
    """Pieces that no English text of the picture world uses: their embeddings are as random as at the start."""
    seen = {i for line in sample_lines(scenes, seed=0, portuguese=0.0) for i in tokenizer(line, add_special_tokens=False)["input_ids"]}
    return [i for i in range(len(tokenizer)) if i not in seen and i not in tokenizer.all_special_ids]


def build_base(folder: Path, align: Plan = ALIGN, instruct: Plan = INSTRUCT, count: Plan = COUNT) -> Path:
    """Train the English base in `folder`, resumable, and save it there as `model/` in half precision.

    About 50 minutes on two CPU cores. Returns the model's folder.
    """
    started = time.monotonic()
    inputs = runs.text_hash(dataclasses.asdict(ENGLISH_BASE), *map(dataclasses.asdict, (align, instruct, count)))
    model_folder = folder / "model"
    if runs.complete(folder, inputs):
        return model_folder
    runs.seed_all(align.seed)
    tokenizer = train_tokenizer()
    model = build_tiny(tokenizer, align.seed)
    packs = PackCollator(tuple(encode_prefix(tokenizer, IMAGE_TOKENS)), image_id(tokenizer))
    stages = {
        "align": (align, PatchWords(tokenizer, align.steps * align.batch, align.seed), words_collator),
        "instruct": (instruct, SceneStream(tokenizer, instruct.steps * instruct.batch, instruct.seed), packs),
        "count": (count, CountingStream(tokenizer, count.steps * count.batch, count.seed), packs),
    }
    for stage in ENGLISH_BASE.stages:
        plan, data, collate = stages[stage.name]
        freeze_absent(model, stage.tune)
        run_stage(model, data, collate, stage, plan, folder / stage.name, f"English base, {stage.name}")
    model.requires_grad_(False)
    model.half().save_pretrained(model_folder)
    tokenizer.save_pretrained(model_folder)
    runs.write_json(model_folder / UNTRAINED, unseen_pieces(tokenizer))
    runs.finish(folder, inputs, started)
    return model_folder
