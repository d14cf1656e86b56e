"""A dress rehearsal: a few real steps of a stage at its true shape with random weights, measured beside the plan."""

import contextlib
import dataclasses
import math
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from utils import runs
from utils.models.load import load_start
from utils.runs import UserError
from utils.scales import Scale
from utils.training import planner
from utils.training.gpus import GPUS, Gpu, room
from utils.training.plan_page import LABELS, gb, setting_of
from utils.training.recipes import Recipe, Stage
from utils.training.rehearsal_steps import measure
from utils.training.stages import plan_of

WARM = 4  # steps before the clock starts: the first ones build states and choose kernels
COUNTED = ("weights", "copies", "adapter", "gradients", "optimiser")
# What torch.cuda.get_device_name says -> our card; kinds that are slower than the sheet's (PCIe, NVL, laptops) are left out.
_NAMES = {"a100-80": r"A100.*80GB.*", "a100-40": r"A100.*40GB", "h100": r"H100 80GB HBM3", "h200": r"H200", "4090": r"RTX 4090", "t4": r"(Tesla )?T4"}
FLOP_MODEL = (
    "FLOP a token: 4 for each weight of the language model and, at labelled positions, of the output matrix (6 where they learn), 4 for "
    "the adapter's and 2 more for its gradients, attention three times over the keys that utils/training/spans.py visits, and the tower's "
    "forward pass; what is computed again counts once, padding not at all (Kaplan et al., arXiv 2001.08361, section 2.1)"
)


def card_here() -> Gpu | None:
    """The known card of this machine, None on a CPU and for a card that utils/training/gpus.py does not know."""
    return card_named(torch.cuda.get_device_name()) if torch.cuda.is_available() else None


def card_named(told: str) -> Gpu | None:
    """The known card of the name that torch tells; None for another."""
    return next((GPUS[key] for key, pattern in _NAMES.items() if re.fullmatch(rf"(NVIDIA )?(GeForce )?{pattern}", told)), None)


@contextlib.contextmanager
def _capped(cap: float | None) -> Iterator[None]:
    """Hold this process to `cap` GB of the GPU; raises UserError for a cap without a GPU or of nothing."""
    if cap is None:
        yield
        return
    if cap <= 0 or not torch.cuda.is_available():
        raise UserError(f"--cap {cap:g} limits a GPU's memory, and {'that is none' if cap <= 0 else 'no GPU was found'}; leave it out")
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap * 1e9 / torch.cuda.get_device_properties(0).total_memory))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _prove_fit(planned: int, card: Gpu | None, cap: float | None, anyway: bool) -> None:
    """Tell the plan's total against the card, or the cap where that is less; raises UserError when it does not fit."""
    limits = ([(card.memory, card.name)] if card else []) + ([(cap * 1e9, f"a cap of {cap:g} GB")] if cap else [])
    if not limits:
        return
    memory, name = min(limits)
    usable = room(dataclasses.replace(GPUS["a100-80"], memory=memory))
    print(f"plan: {gb(planned)}; {name} has room for {gb(usable)}", file=sys.stderr, flush=True)
    if planned > usable and not anyway:
        raise UserError(f"the plan needs {gb(planned)} and {name} has room for {gb(usable)}; use a smaller --batch, or try it with --anyway")


def _check(recipe: Recipe, stage: Stage, scale: Scale, steps: int, warm: int) -> None:
    if recipe.shape:
        raise UserError(f"recipe {recipe.name} starts from another class than LLaVA-1.5, which is all that rehearse knows; use --recipe llava-pt")
    if stage.objective != "lm" or stage.prompt is None:
        raise UserError(f"stage {stage.name} does not learn from conversations, which is all that rehearse measures; name another with --stage")
    if min(steps, warm, scale.batch) < 1:
        raise UserError(f"{steps} steps of {scale.batch} rows cannot be measured; use at least one of each")


def rehearse(
    recipe: Recipe, stage: Stage, scale: Scale, card: Gpu | None, steps: int, folder: Path, *,
    warm: int = WARM, baseline: bool = False, cap: float | None = None, anyway: bool = False, seed: int = 0,
) -> dict:  # fmt: skip
    """Run `steps` real steps after `warm` ones with random weights (tiny: the shipped base) and write <recipe>-<stage>.json in `folder`.

    `card` gives the peak for MFU, `cap` (GB) limits the GPU's memory, `baseline` runs a plain padded Trainer on the same
    conversations after it. The file is written whole or not at all. Raises UserError when there is no GPU for the scale,
    when the plan does not fit the card (unless `anyway`), and when memory runs out.
    """
    _check(recipe, stage, scale, steps, warm)
    plan = plan_of(scale, stage, 0, seed, warm + steps)
    # Random weights are never in four bits.
    setting = setting_of(
        recipe, stage, scale, base=scale.dtype, length=min(scale.row_tokens, stage.max_length), batch=max(1, plan.batch // plan.accumulate),
        accumulate=plan.accumulate, checkpointing=plan.checkpointing,
    )  # fmt: skip
    planned = planner.memory(setting)
    _prove_fit(planner.total(planned), card, cap, anyway)
    if scale.device == "cuda" and not torch.cuda.is_available():
        load_start(scale, "random")  # it says what is missing, before a cap can
    with runs.lock(folder), _capped(cap):
        try:
            measured, ours, plain = measure(stage, scale, plan, warm, baseline)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"the GPU's memory ran out at {setting.batch} rows at once ({str(error).splitlines()[0]}); use a smaller --batch"
            ) from error
        found = _result(setting, card, planned, measured, ours, plain)
        head = {"recipe": recipe.name, "stage": stage.name, "scale": scale.name, "device": _device(), "steps": steps, "warm": warm, "cap_gb": cap}
        found = head | found | {"finished": time.strftime("%Y-%m-%dT%H:%M:%S"), "versions": runs.versions()}
        runs.write_json(folder / f"{recipe.name}-{stage.name}.json", found)
    return found


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"


def _result(setting: planner.Setting, card: Gpu | None, planned: dict, measured: dict, ours: dict, plain: dict | None) -> dict:
    """What was measured beside what was planned, as plain data; None where a CPU cannot tell."""
    flop = planner.time(setting, card or GPUS["a100-80"]).model
    weights = sum(t.count for t in planner.tensors(setting) if t.part == "llm" and t.kind == "weights")
    only = (6 if planner.learning(setting).llm == "full" else 4) * weights
    known = card if torch.cuda.is_available() else None
    share = lambda each: each * ours["tokens_per_second"] / known.peak if known else None  # noqa: E731
    peak, fixed = ours["peak_bytes"], sum(planned[name] for name in COUNTED)
    rows = {name: (measured[name], planned[name]) for name in COUNTED}
    rows["activations"] = (None if peak is None else peak - sum(measured.values()), planner.total(planned) - fixed)
    rows["peak, all rows full"] = (peak, planner.total(planned))
    counts = ours["counts"]
    real_rows = dataclasses.replace(setting, length=math.ceil(counts["fullest"] / setting.batch))
    rows["peak, rows as they were"] = (peak, planner.total(planner.memory(real_rows)))
    why = "a CPU has no peak to compare with" if not torch.cuda.is_available() else "this GPU is not known; name one with --gpu"
    return {
        "model": setting.model, "gpu": card.name if card else None, "batch": setting.batch, "accumulate": setting.accumulate, "length": setting.length,
        "base": setting.base, "checkpointing": setting.checkpointing, **ours,
        "conversations_per_picture": counts["conversations"] / counts["pictures"], "text_per_conversation": counts["text"] / counts["conversations"],
        "filled": counts["tokens"] / (counts["rows"] * setting.length), "learnt_share_of_text": counts["learnt"] / counts["text"],
        "flop_per_token": flop, "flop_per_token_of_weights": only, "flop_model": FLOP_MODEL, "mfu": share(flop), "mfu_of_weights": share(only),
        "mfu_missing": None if known else why,
        "parts": {name: {"measured": real, "planned": plan, "ratio": real / plan if real and plan else None} for name, (real, plan) in rows.items()},
        "baseline": plain, "learnt_ratio": ours["learnt_per_second"] / plain["learnt_per_second"] if plain and "failed" not in plain else None,
    }  # fmt: skip


def text_of(found: dict) -> str:
    """The measured numbers as lines for a terminal, each part beside its plan."""
    size = lambda value: "not told" if value is None else gb(value)  # noqa: E731
    lines = [
        f"{found['recipe']}, {found['stage']}, scale {found['scale']}, on {found['device']}: {found['steps']} steps of {found['counts']['rows']} rows "
        f"in all, {found['batch']} rows of {found['length']} tokens at once, checkpointing {'on' if found['checkpointing'] else 'off'}",
        f"  {'':28} {'measured':>10} {'planned':>10} {'ratio':>6}",
    ]
    for name, row in found["parts"].items():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        lines.append(f"  {LABELS.get(name, name):28} {size(row['measured']):>10} {size(row['planned']):>10} {ratio:>6}")
    lines += _speed_lines("ours", found)
    plain = found["baseline"]
    if plain and "failed" in plain:
        lines.append(f"  {plain['failed']}")
    elif plain:
        lines += [*_speed_lines("padded Trainer", plain), f"  learnt tokens/s, ours over the padded Trainer: {found['learnt_ratio']:.2f} ×"]
    if found["mfu"] is None:
        lines.append(f"  MFU not told: {found['mfu_missing']}")
    else:
        lines.append(f"  MFU {found['mfu']:.1%} of {found['gpu']}'s peak; {found['mfu_of_weights']:.1%} for the weights' FLOP alone (4N, 6N in full)")
    return "\n".join(lines)


def _speed_lines(name: str, speed: dict) -> list[str]:
    return [
        f"  {name}: {speed['conversations_per_second']:.2f} conversations/s, {speed['tokens_per_second']:.0f} tokens/s, "
        f"{speed['learnt_per_second']:.0f} learnt tokens/s, {speed['seconds_per_step']:.3f} s a step"
        + ("" if speed["peak_bytes"] is None else f", peak {gb(speed['peak_bytes'])}")
    ]
