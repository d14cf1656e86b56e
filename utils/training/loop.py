"""One training loop for every stage: transformers' Trainer with a rate per part and our losses."""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from utils.models.shapes import part_of
from utils.runs import UserError, full_disk_told, write_text
from utils.training import processes
from utils.training.adapter import load_loose, save_loose
from utils.training.checkpoints import newest_checkpoint, seal
from utils.training.objective import WEIGHTS, loss_as_forward
from utils.training.recipes import Stage

HISTORY = "history.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a machine does with a stage: steps, rows per step, seed, the rate's multiplier, the cap on rank.

    `batch` counts the rows of one step in all processes. `accumulate` splits a process's share into that many batches, and
    `checkpointing` computes each layer again in the backward pass instead of keeping it: both save memory and change no number
    beyond rounding.
    """

    steps: int
    batch: int
    seed: int
    rate: float = 1.0
    max_rank: int | None = None
    device: str = "cpu"
    save_every: int = 100
    log_every: int = 25
    checkpointing: bool = False
    accumulate: int = 1


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


class StageMethods:
    """What the trainers of all stages do alike: a rate per part, rows in their own order, exact resumption."""

    def _get_train_sampler(self, *arguments):
        if hasattr(self.train_dataset, "order"):  # bundled rows come with their own order
            return torch.utils.data.SequentialSampler(self.train_dataset)
        return super()._get_train_sampler(*arguments)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        """A full model's weights lie on disk under llava-hf's names; the Trainer would match none of them, in silence."""
        if hasattr(self.model, "peft_config") or self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return load_loose(self.model, Path(resume_from_checkpoint))
        saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype, local_files_only=True)
        self.model.load_state_dict(saved.state_dict())

    def _save(self, output_dir=None, state_dict=None):
        super()._save(output_dir, state_dict)
        save_loose(self.model, Path(output_dir or self.args.output_dir))

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            groups = parameter_groups(model or self.model, self.stage, self.rate)
            self.optimizer = torch.optim.AdamW(groups, weight_decay=self.stage.weight_decay, betas=(0.9, 0.98))
        return self.optimizer


class StageTrainer(StageMethods, Trainer):
    """Trainer with the stage's loss; a step of several batches or processes equals one of a single large batch."""

    loss_is_scaled_for_ga = True

    def __init__(self, stage: Stage, rate: float, **arguments):
        super().__init__(**arguments)
        self.stage, self.rate = stage, rate

    def _get_num_items_in_batch(self, batch_samples, device):
        """What the whole step's loss is a mean of, over all its batches in all processes; None for one batch in one."""
        if self.args.world_size * self.args.gradient_accumulation_steps == 1:
            return None
        here = sum(WEIGHTS[self.stage.objective](batch) for batch in batch_samples)
        return self.accelerator.gather(torch.tensor(here, device=device)).sum()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = model(**inputs)
        if num_items_in_batch is None:
            return loss
        # Gradients are averaged over the processes: without this factor a process with few labelled tokens would weigh too much.
        return loss * (WEIGHTS[self.stage.objective](inputs) * self.args.world_size / num_items_in_batch)


class Progress(TrainerCallback):
    """One line per tenth of the way: step, loss, time left; and a seal on every checkpoint."""

    def __init__(self, label: str):
        self.label, self.started, self.first = label, time.monotonic(), 0

    def on_train_begin(self, args, state, control, **_):
        self.started, self.first = time.monotonic(), state.global_step

    def on_log(self, args, state, control, logs=None, **_):
        if not logs or "loss" not in logs or not processes.is_main():
            return
        tenth = max(1, state.max_steps // 10)
        if state.global_step % tenth < args.logging_steps:
            done = state.global_step - self.first
            left = (time.monotonic() - self.started) / max(1, done) * (state.max_steps - state.global_step)
            print(f"{self.label}: step {state.global_step}/{state.max_steps}, loss {float(logs['loss']):.3f}, {left / 60:.1f} min left", flush=True)

    def on_save(self, args, state, control, **_):
        processes.wait()  # every process writes its own random state
        if processes.is_main():
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def trainer_options(folder: Path, stage: Stage, plan: Plan) -> dict:
    """What transformers' TrainingArguments get; raises UserError when the batch cannot be shared out evenly."""
    shares = processes.count() * plan.accumulate
    if plan.batch % shares:
        raise UserError(
            f"{plan.batch} rows a step cannot be split evenly over {processes.count()} processes with {plan.accumulate} batches each; "
            "choose numbers whose product divides it"
        )
    return {
        "output_dir": str(folder / "checkpoints"), "max_steps": plan.steps, "per_device_train_batch_size": plan.batch // shares, "seed": plan.seed,
        "gradient_accumulation_steps": plan.accumulate, "learning_rate": max(t.lr for t in stage.tune.values()) * plan.rate,
        "lr_scheduler_type": stage.schedule or "cosine", "warmup_steps": max(1, math.ceil(stage.warmup * plan.steps)), "logging_steps": plan.log_every,
        "save_steps": plan.save_every, "save_total_limit": 2, "remove_unused_columns": False, "report_to": [], "use_cpu": plan.device == "cpu",
        "disable_tqdm": True, "dataloader_pin_memory": False, "bf16": plan.device != "cpu", "max_grad_norm": 1.0, "logging_nan_inf_filter": False,
        "log_level": "error", "activation_checkpointing": plan.checkpointing,
        # A tower's last norm is never used, and DDP waits for its gradient unless told to look.
        "ddp_find_unused_parameters": "vision" in stage.tune if processes.count() > 1 else None,
    }  # fmt: skip


def fit(model, dataset, collate: Callable, stage: Stage, plan: Plan, folder: Path, label: str) -> Trainer:
    """Train a stage to its end, from its newest whole checkpoint if there is one; returns the trainer, whose `model` has learnt.

    Raises UserError on a full disk or a batch that cannot be shared out.
    """
    if stage.objective == "preference":
        from utils.training.preference import preference_trainer

        trainer = preference_trainer(model, dataset, collate, stage, plan, folder, Progress(label))
        lent = contextlib.nullcontext()  # TRL's loss calls the model's own forward
    else:
        trainer = StageTrainer(
            stage, plan.rate, model=model, args=TrainingArguments(**trainer_options(folder, stage, plan)), train_dataset=dataset,
            data_collator=collate, callbacks=[Progress(label)],
        )  # fmt: skip
        lent = loss_as_forward(model, stage.objective)
    trainer.remove_callback(PrinterCallback)
    newest = processes.agreed(lambda: newest_checkpoint(folder))
    with full_disk_told(folder), lent:
        trainer.train(resume_from_checkpoint=newest)
        if processes.is_main():
            write_text(folder / HISTORY, json.dumps(history_of(trainer)))
    return trainer


def history_of(trainer: Trainer) -> list[dict]:
    """The losses that a trainer logged, as {"step", "loss"}, with "right" (share of pairs told apart) for preferences."""
    rows = [row for row in trainer.state.log_history if "loss" in row]
    right = "rewards/accuracies"
    return [{"step": row["step"], "loss": float(row["loss"])} | ({"right": float(row[right])} if right in row else {}) for row in rows]


def run_stage(model, dataset, collate: Callable, stage: Stage, plan: Plan, folder: Path, label: str) -> list[dict]:
    """Train a stage to its end, see `fit`; returns the loss history, which is also written to `history.json` in `folder`."""
    return history_of(fit(model, dataset, collate, stage, plan, folder, label))
