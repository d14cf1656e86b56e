"""The steps of a rehearsal: the stage's own trainer and a plain padded one over the same conversations, timed and weighed."""

import dataclasses
import gc
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from utils import runs
from utils.models.load import image_size, image_tokens, load_start
from utils.models.prompt_formats import PROMPTS
from utils.models.prompts import IGNORE, encode_prefix, image_id
from utils.scales import Scale
from utils.training import data, features, planner
from utils.training.adapter import adapt, peft_forward
from utils.training.loop import Plan, StageMethods, StageTrainer, trainer_options
from utils.training.objective import loss_as_forward
from utils.training.packing import lay_out
from utils.training.recipes import Stage
from utils.training.rehearsal_data import PaddedSteps, conversations_of, mean_tokens, write_pictures


def weigh(model, optimizer) -> dict[str, int]:
    """Bytes of the live tensors by part, when the optimiser has its states and the gradients are still there."""
    size = lambda tensors: sum(t.numel() * t.element_size() for t in tensors if torch.is_tensor(t))  # noqa: E731
    named = list(model.named_parameters())
    return {
        "weights": size(p for n, p in named if "lora_" not in n and "modules_to_save" not in n),
        "copies": size(p for n, p in named if "modules_to_save" in n),
        "adapter": size(p for n, p in named if "lora_" in n),
        "gradients": size(p.grad for _, p in named),
        "optimiser": size(t for state in optimizer.state.values() for t in state.values()),
    }


class Watch(TrainerCallback):
    """When each step ended, the largest memory after the warm ones, and at the last step what the live tensors weigh."""

    def __init__(self, warm: int):
        self.warm, self.ends, self.bytes, self.peak = warm, [], {}, None

    def on_optimizer_step(self, args, state, control, model=None, optimizer=None, **_):
        if state.global_step + 1 == state.max_steps:
            self.bytes = weigh(model, optimizer)

    def on_step_end(self, args, state, control, **_):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            self.peak = torch.cuda.max_memory_allocated()
            if state.global_step == self.warm:
                torch.cuda.reset_peak_memory_stats()
        self.ends.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Seconds of each step after the warm ones, from one step's end to the next's: reading pictures is in it."""
        return [after - before for before, after in zip(self.ends[self.warm - 1 :], self.ends[self.warm :], strict=False)]


class PlainTrainer(StageMethods, Trainer):
    """transformers' Trainer with the model's own loss; only the rates per part are ours, so that both learn alike."""

    def __init__(self, stage: Stage, rate: float, **arguments):
        super().__init__(**arguments)
        self.stage, self.rate = stage, rate


@dataclasses.dataclass(frozen=True)
class Rows:
    """What both trainers run on: packs, their order, rows a step, the prefix with its image token, and the pictures' folder."""

    packs: list
    order: list[list[int]]
    batch: int
    prefix: tuple[int, ...]
    image_id: int
    images: Path

    def count(self, first: int, at_once: int) -> dict[str, int]:
        """Rows, conversations, pictures and tokens of all steps from `first` on; `fullest` of the `at_once` rows in one batch."""
        rows = self.order[first * self.batch :]
        batches = [[self.packs[i] for row in rows[n : n + at_once] for i in row] for n in range(0, len(rows), at_once)]
        tokens = [lay_out(packs, list(self.prefix), self.image_id)["input_ids"].numel() for packs in batches]
        labels = [labels for _, (_, labels) in conversations_of(self.packs, rows)]
        return {
            "rows": len(rows), "conversations": len(labels), "pictures": sum(map(len, rows)),
            "tokens": sum(tokens), "fullest": max(tokens),
            "learnt": sum(label != IGNORE for each in labels for label in each), "text": sum(map(len, labels)),
        }  # fmt: skip


def draw(model, tokenizer, stage: Stage, scale: Scale, steps: int, folder: Path, seed: int) -> Rows:
    """Packs for so many steps; at a scale of shorter rows conversations are shorter in the same measure."""
    prompt = PROMPTS[stage.prompt]
    prefix = encode_prefix(tokenizer, image_tokens(model), prompt)
    share, length = min(1.0, scale.row_tokens / 2048), min(scale.row_tokens, stage.max_length)
    pack = len(prefix) + mean_tokens() * share * planner.CONVERSATIONS / planner.PICTURES
    rows = write_pictures(folder, round(steps * scale.batch * length / pack) + 4, tokenizer, prompt, share, seed=seed)
    packs = data.packs_of(rows, tokenizer, len(prefix), length, prompt)
    return Rows(packs, data.schedule(packs, len(prefix), length, steps * scale.batch, seed), scale.batch, tuple(prefix), image_id(tokenizer), folder)


def _features(model, rows: Rows, stage: Stage, scale: Scale):
    """Tower features ready-made, as `train` has them; None where those of the stage's whole corpus would not fit in memory."""
    vision, pictures = model.config.vision_config, scale.pictures or planner.PICTURES
    whole = pictures * image_tokens(model) * vision.hidden_size * model.dtype.itemsize
    if "vision" in stage.tune or whole > features.CACHE_LIMIT:
        return None
    return features.cache_features(model, sorted({pack.picture for pack in rows.packs}), rows.images)


def _train(trainer_class, watch: Watch, stage: Stage, rate: float, **arguments) -> list[float]:
    """Train to the end under the watch; returns the losses that were logged."""
    trainer = trainer_class(stage, rate, callbacks=[watch], **arguments)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    # Autocast sits in the model's forward: take it off with its mark, or the next trainer would go without.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    trainer.model.__dict__.pop("_is_accelerate_prepared", None)
    return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def _speed(watch: Watch, counts: dict[str, int], losses: list[float]) -> dict:
    seconds = watch.seconds()
    whole = sum(seconds)
    return {
        "seconds_per_step": statistics.median(seconds), "seconds": whole, "counts": counts, "conversations_per_second": counts["conversations"] / whole,
        "tokens_per_second": counts["tokens"] / whole, "learnt_per_second": counts["learnt"] / whole, "peak_bytes": watch.peak, "last_loss": losses[-1],
    }  # fmt: skip


def measure(stage: Stage, scale: Scale, plan: Plan, warm: int, baseline: bool) -> tuple[dict, dict, dict | None]:
    """(bytes by part, our speed, the padded Trainer's speed) of the same steps from the same start."""
    runs.seed_all(plan.seed)
    model, tokenizer = load_start(scale, "random")
    with tempfile.TemporaryDirectory() as place:
        rows = draw(model, tokenizer, stage, scale, plan.steps, Path(place) / "images", plan.seed)
        packed = data.PackedRows(rows.packs, rows.order, rows.images, model.config, _features(model, rows, stage, scale))
        adapted, watch = adapt(model, stage, plan.max_rank), Watch(warm)
        start = {n: p.detach().to("cpu", copy=True) for n, p in adapted.named_parameters() if p.requires_grad} if baseline else {}
        options = trainer_options(Path(place), stage, plan) | {"save_strategy": "no", "logging_steps": 1}
        collate = data.PackCollator(rows.prefix, rows.image_id)
        arguments = {"args": TrainingArguments(**options), "train_dataset": packed, "data_collator": collate}
        with loss_as_forward(adapted, stage.objective):
            losses = _train(StageTrainer, watch, stage, plan.rate, model=adapted, **arguments)
        ours = _speed(watch, rows.count(warm, plan.batch // plan.accumulate), losses)
        if not baseline:
            return watch.bytes, ours, None
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if name in start:
                    parameter.copy_(start[name])
        peft_forward(adapted)
        gc.collect()  # the first trainer's states leave before the second one's come
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        at_once = plan.batch // plan.accumulate
        padded = PaddedSteps(rows.packs, rows.order, plan.batch, at_once, list(rows.prefix), tokenizer.pad_token_id, rows.images, image_size(model))
        return watch.bytes, ours, _plain(adapted, padded, stage, plan, warm, options)


def _plain(model, padded: PaddedSteps, stage: Stage, plan: Plan, warm: int, options: dict) -> dict:
    """The plain Trainer's speed over the same steps; {"failed": why} when the GPU's memory is too small for it."""
    options = options | {"per_device_train_batch_size": 1, "gradient_accumulation_steps": padded.parts}  # one item is a batch
    watch = Watch(warm)
    arguments = {"args": TrainingArguments(**options), "train_dataset": padded, "data_collator": lambda items: items[0]}
    try:
        losses = _train(PlainTrainer, watch, stage, plan.rate, model=model, **arguments)
    except torch.OutOfMemoryError as error:
        return {"failed": f"the padded Trainer ran out of memory ({str(error).splitlines()[0]})"}
    return _speed(watch, padded.count(warm), losses) | {"batches_a_step": padded.parts}
