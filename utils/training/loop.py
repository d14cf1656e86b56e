"""One training loop for every stage: transformers' Trainer with a rate per part and our losses."""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from utils.runs import full_disk_told
from utils.training.objective import OBJECTIVES
from utils.training.recipes import Stage, Tune

HISTORY = "history.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a machine does with a stage: steps, rows per step, seed, the rate's multiplier, the cap on rank."""

    steps: int
    batch: int
    seed: int
    rate: float = 1.0
    max_rank: int | None = None
    device: str = "cpu"
    save_every: int = 100
    log_every: int = 25


def part_of(name: str) -> str:
    """The part a parameter belongs to, by its name in transformers' LLaVA (with or without a PEFT wrapper)."""
    if "vision_tower" in name:
        return "vision"
    if "multi_modal_projector" in name:
        return "projector"
    if "embed_tokens" in name or "lm_head" in name:
        return "embeddings"
    return "llm"


def freeze_absent(model, tune: Mapping[str, Tune]) -> None:
    """Let only the fully tuned parts learn; adapters are added later and learn by themselves."""
    for name, parameter in model.named_parameters():
        wanted = tune.get(part_of(name))
        parameter.requires_grad_(wanted is not None and wanted.how == "full")


def parameter_groups(model, stage: Stage, rate: float) -> list[dict]:
    """One optimiser group per tuned part, with its own rate; raises ValueError for a part that has no weights."""
    found: dict[str, list] = {part: [] for part in stage.tune}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found[part_of(name)].append(parameter)
    for part, parameters in found.items():
        if not parameters:
            raise ValueError(f"stage {stage.name} tunes {part!r}, but nothing of that part learns in this model")
    return [{"params": parameters, "lr": stage.tune[part].lr * rate} for part, parameters in found.items()]


class StageTrainer(Trainer):
    """Trainer with the stage's loss and a rate per part."""

    def __init__(self, stage: Stage, rate: float, **arguments):
        super().__init__(**arguments)
        self.stage, self.rate = stage, rate

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return OBJECTIVES[self.stage.objective](model, inputs)

    def _get_train_sampler(self, *arguments):
        if hasattr(self.train_dataset, "order"):  # bundled rows come with their own order
            return torch.utils.data.SequentialSampler(self.train_dataset)
        return super()._get_train_sampler(*arguments)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        """A full model's weights lie on disk under llava-hf's names; the Trainer would match none of them, in silence."""
        if hasattr(self.model, "peft_config"):
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype, local_files_only=True)
        self.model.load_state_dict(saved.state_dict())

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            groups = parameter_groups(self.model, self.stage, self.rate)
            self.optimizer = torch.optim.AdamW(groups, weight_decay=self.stage.weight_decay, betas=(0.9, 0.98))
        return self.optimizer


class Progress(TrainerCallback):
    """One line per tenth of the way: step, loss, time left; and the loss history in a file."""

    def __init__(self, folder: Path, label: str):
        self.folder, self.label, self.started, self.first = folder, label, time.monotonic(), 0

    def on_train_begin(self, args, state, control, **_):
        self.started, self.first = time.monotonic(), state.global_step

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or "loss" not in logs:
            return
        tenth = max(1, state.max_steps // 10)
        if state.global_step % tenth < args.logging_steps:
            done = state.global_step - self.first
            left = (time.monotonic() - self.started) / max(1, done) * (state.max_steps - state.global_step)
            print(f"{self.label}: step {state.global_step}/{state.max_steps}, loss {float(logs['loss']):.3f}, {left / 60:.1f} min left", flush=True)


def _arguments(folder: Path, stage: Stage, plan: Plan) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"), max_steps=plan.steps, per_device_train_batch_size=plan.batch, seed=plan.seed,
        learning_rate=max(t.lr for t in stage.tune.values()) * plan.rate, lr_scheduler_type="cosine",
        warmup_steps=max(1, math.ceil(stage.warmup * plan.steps)), logging_steps=plan.log_every, save_steps=plan.save_every,
        save_total_limit=2, remove_unused_columns=False, report_to=[], use_cpu=plan.device == "cpu", disable_tqdm=True,
        dataloader_pin_memory=False, bf16=plan.device != "cpu", max_grad_norm=1.0, logging_nan_inf_filter=False, log_level="error",
    )  # fmt: skip


def usable_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints newest first, without those that a kill left half-written."""
    found = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    whole = []
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text())
            if not (path / "optimizer.pt").stat().st_size:
                raise ValueError("empty optimizer")
            whole.append(path)
        except (OSError, ValueError) as error:
            print(f"checkpoint {path.name} is torn ({error}); the one before is used", file=sys.stderr)
    return whole


def run_stage(model, dataset, collate: Callable, stage: Stage, plan: Plan, folder: Path, label: str) -> list[dict]:
    """Train a stage to its end, from its newest whole checkpoint if there is one; returns the loss history.

    The history is a list of {"step", "loss"}; it is also written to `history.json` in `folder`.
    """
    trainer = StageTrainer(
        stage, plan.rate, model=model, args=_arguments(folder, stage, plan), train_dataset=dataset, data_collator=collate,
        callbacks=[Progress(folder, label)],
    )  # fmt: skip
    trainer.remove_callback(_printer())
    checkpoints = usable_checkpoints(folder)
    with full_disk_told(folder):
        trainer.train(resume_from_checkpoint=str(checkpoints[0]) if checkpoints else None)
    history = [{"step": row["step"], "loss": float(row["loss"])} for row in trainer.state.log_history if "loss" in row]
    (folder / HISTORY).write_text(json.dumps(history))
    return history


def _printer():
    from transformers import PrinterCallback

    return PrinterCallback
