"""Training on shared-image packs against what people run instead: learnt tokens a second, same model, same rows."""

import random
import tempfile
import time
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments

from utils.corpus.conversations import read_rows
from utils.corpus.images import load_picture
from utils.corpus.scenes.instruct import PARTS, write_corpus
from utils.models.load import SHIPPED, image_size, image_tokens, load_folder
from utils.models.pixels import to_pixels
from utils.models.prompts import IGNORE, encode_prefix
from utils.training.adapter import adapt
from utils.training.data import PackCollator, PackedRows, cache_features, packs_of
from utils.training.english_base import SceneStream
from utils.training.loop import Plan, StageMethods, StageTrainer, trainer_options
from utils.training.objective import language_loss, loss_as_forward
from utils.training.packing import Pack, bundle
from utils.training.recipes import LLAVA_PT

PICTURES, ROUNDS = 8, 6
STEPS, BATCH, RANK = 12, 4, 32  # steps and rows a step of both trainers


def run() -> list[dict]:
    return [*against_trainer(), *shared_prefix()]


def _row(measure: str, value: float, target: float, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": "×", "target": target, "meets": value >= target, "how": how}


class PlainTrainer(StageMethods, Trainer):
    """transformers' Trainer with the model's own loss on padded rows; only the rates per part are ours, so that both learn alike."""

    def __init__(self, stage, rate: float, **arguments):
        super().__init__(**arguments)
        self.stage, self.rate = stage, rate


class PaddedRows(torch.utils.data.Dataset):
    """The same conversations as `PackedRows`, each a row of its own with its picture's pixels."""

    order = None  # rows come in the order given

    def __init__(self, packs, order, prefix, images, size):
        self.steps = [[(packs[i].picture, branch) for row in order[n * BATCH : (n + 1) * BATCH] for i in row for branch in packs[i].branches]
                      for n in range(len(order) // BATCH)]  # fmt: skip
        self.prefix, self.images, self.size = prefix, images, size

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, place: int) -> list[dict]:
        rows = []
        for picture, (ids, labels) in self.steps[place]:
            pixels = to_pixels(load_picture(self.images / picture), self.size)
            rows.append({"ids": self.prefix + ids, "labels": [IGNORE] * len(self.prefix) + labels, "pixels": pixels})
        return rows


def padded(rows: list[dict], pad: int) -> dict[str, torch.Tensor]:
    """A batch padded right to its longest row, as data collators do."""
    width = max(len(row["ids"]) for row in rows)
    fill = lambda values, blank: torch.tensor([v + [blank] * (width - len(v)) for v in values])  # noqa: E731
    mask = fill([[1] * len(row["ids"]) for row in rows], 0)
    return {"input_ids": fill([row["ids"] for row in rows], pad), "labels": fill([row["labels"] for row in rows], IGNORE),
            "attention_mask": mask, "pixel_values": torch.stack([row["pixels"] for row in rows])}  # fmt: skip


def against_trainer() -> list[dict]:
    """Both trainers over the same conversations in the same steps; the last losses must agree within 1 %."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_corpus(place, 400)
        rows = [{k: v for k, v in row.items() if k != "turns"} for name in PARTS for row in read_rows(place / name)]
        ours, plain = (_train(place, rows, packed) for packed in (True, False))
    tokens = ours["learnt"] / ours["seconds"], plain["learnt"] / plain["seconds"]
    apart = abs(ours["loss"] - plain["loss"]) / plain["loss"]
    how = (
        f"{len(rows)} conversations over 400 pictures, {STEPS} steps, LoRA r {RANK}; {tokens[0]:.0f} against {tokens[1]:.0f} learnt tokens a second, "
        f"last losses {ours['loss']:.4f} and {plain['loss']:.4f} ({apart:.2%} apart), {torch.get_num_threads()} threads"
    )
    row = _row("learnt tokens a second, ours over the plain Trainer with padding", tokens[0] / tokens[1], 2.5, how)
    return [row | {"meets": row["meets"] and apart < 0.01 and ours["learnt"] == plain["learnt"]}]


def _train(place: Path, rows: list[dict], packed: bool) -> dict:
    """Seconds, learnt tokens and the last loss of a short training."""
    torch.manual_seed(0)
    model, tokenizer = load_folder(SHIPPED)
    stage, prefix, size = LLAVA_PT.stages[0], encode_prefix(tokenizer, image_tokens(model)), image_size(model)
    packs = packs_of(rows, tokenizer, len(prefix), 1024)
    order = bundle(packs, len(prefix), 420, random.Random(0))[: STEPS * BATCH]
    learnt = sum(label != IGNORE for row in order for i in row for _, labels in packs[i].branches for label in labels)
    plan = Plan(STEPS, BATCH, seed=0, rate=1.0, max_rank=RANK, save_every=10_000, log_every=1)
    started = time.perf_counter()
    options = trainer_options(place / ("ours" if packed else "plain"), stage, plan) | {"save_strategy": "no"}
    pictures = sorted({packs[i].picture for row in order for i in row})
    if packed:
        features = cache_features(model, pictures, place / "images", size)
        data, collate = PackedRows(packs, order, place / "images", size, features), PackCollator(tuple(prefix), tokenizer.pad_token_id)
    else:
        data, collate = PaddedRows(packs, order, prefix, place / "images", size), lambda items: padded(items[0], tokenizer.pad_token_id)
        options |= {"per_device_train_batch_size": 1}  # one item is a step's rows
    adapted = adapt(model, stage, RANK)
    trainer = (StageTrainer if packed else PlainTrainer)(
        stage, 1.0, model=adapted, args=TrainingArguments(**options), train_dataset=data, data_collator=collate
    )
    if packed:
        with loss_as_forward(adapted, "lm"):
            trainer.train()
    else:
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": time.perf_counter() - started, "learnt": learnt, "loss": float(losses[-1])}


def shared_prefix() -> list[dict]:
    """Forward and backward of one shared row against a row per question."""
    model, tokenizer = load_folder(SHIPPED)
    model.train()
    collate = PackCollator(tuple(encode_prefix(tokenizer, image_tokens(model))), tokenizer.pad_token_id)
    data = SceneStream(tokenizer, PICTURES, seed=1)
    items = [data[n] for n in range(PICTURES)]
    apart = [{"packs": [Pack("", (branch,))], "pixels": item["pixels"]} for item in items for branch in item["packs"][0].branches]
    learnt = sum(label != IGNORE for item in items for _, labels in item["packs"][0].branches for label in labels)
    shared = _seconds(model, [collate(items)])
    separate = _seconds(model, [collate(apart[start : start + 16]) for start in range(0, len(apart), 16)])
    ratio = separate / shared
    how = f"{PICTURES} pictures, {len(apart)} questions, {learnt} learnt tokens, {torch.get_num_threads()} threads, forward and backward"
    return [_row("learnt tokens a second, shared over separate rows", ratio, 2.5, how)]


def _seconds(model, batches: list[dict]) -> float:
    """The faster half of a few rounds of forward and backward."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for batch in batches:
            language_loss(model, batch).backward()
            model.zero_grad()
        times.append(time.perf_counter() - started)
    return min(times)
