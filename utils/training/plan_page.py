"""The planner's answers for readers: one stage on one GPU, and the page that explains the thesis's three hardware decisions."""

import dataclasses

from utils import runs
from utils.runs import UserError
from utils.scales import Scale
from utils.training import planner
from utils.training.gpus import CONTEXT, FRAGMENTS, GPUS, Gpu, room
from utils.training.plan_changes import smallest_change, smallest_gpu
from utils.training.planner import Setting, memory, total
from utils.training.recipes import LLAVA_PT, THESIS, Recipe, Stage, Tune

BASE = runs.ROOT / "data" / "base"
PAGE = runs.ROOT / "docs" / "planner.md"
# Tokens of the largest picture, and views of the tower that make them; llava-pt takes the scale's model.
LARGEST = {"llava-ndino": (2928, 5), "amalia-vl": (7800, 11), "mblip": (32, 1), "mblip-bloomz": (32, 1)}
# LLaVA-OneVision's single-image stage: every part learns (arXiv 2408.03326; LLaVA-VL/LLaVA-NeXT scripts/train).
ONEVISION = Stage("single-image", "3.2M", {"vision": Tune("full", 2e-6)} | {p: Tune("full", 1e-5) for p in ("projector", "llm", "embeddings")})
LABELS = {
    "weights": "weights", "copies": "trained copies of full parts", "adapter": "LoRA adapter", "gradients": "gradients",
    "optimiser": "optimiser's states", "layers": "activations kept by the layers", "one layer": "one layer, recomputed",
    "image": "pictures: features, projector, tower", "logits": "logits at labelled positions", "rest": "last norm, positions",
    "moment": "more for a moment",
}  # fmt: skip
WORDS = {
    "checkpointing": "activation checkpointing", "batch": "smaller batches, accumulated", "lora": "LoRA instead of full",
    "optimiser": "8-bit AdamW", "base": "4-bit base", "length": "shorter rows",
}  # fmt: skip


def gb(size: float) -> str:
    if size >= 5e7 or not size:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.2f} MB"


def setting_of(recipe: Recipe, stage: Stage, scale: Scale, **changes) -> Setting:
    """The planner's setting for a stage of a recipe at a scale; `changes` replace its fields."""
    given = {name: value for name, value in changes.items() if value is not None}
    if recipe.shape:
        image_tokens, views = LARGEST[recipe.name]
        start = {"model": recipe.shape, "image_tokens": image_tokens, "views": views, "length": stage.max_length or 2048, "batch": 1}
    else:
        model = str(BASE) if scale.weights == "data" else scale.weights
        start = {
            "model": model,
            "length": scale.row_tokens,
            "batch": scale.batch,
            "accumulate": max(1, scale.batch // given.get("batch", scale.batch)),
        }
    # As `train` does it: recompute wherever there is a GPU (see plan_of in stages.py).
    start |= {"base": "nf4" if scale.four_bit else scale.dtype, "max_rank": scale.max_rank, "checkpointing": scale.device != "cpu"}
    setting = Setting(stage=stage, **(start | given))
    planner.check(setting)
    return setting


def doubts(recipe: Recipe, stage: Stage, setting: Setting) -> list[str]:
    """What of a plan is assumed or unknown: of the recipe (its facts), of the shape, of the planner's own numbers."""
    from utils.models import shapes
    from utils.training.recipes import covers, fields_of

    prefix, reasons = f"stages.{stage.name}.", {}
    names = ("tune", "max_length", "epochs", "replay", "batch", "rows")
    for field in fields_of(recipe):
        name = field.removeprefix(prefix)
        if field not in ("llm", "image") and (name == field or not name.startswith(names) or name.endswith((".lr", ".alpha", ".dropout"))):
            continue  # it changes neither memory nor hours
        for fact in recipe.facts:
            if fact.status != "reported" and any(covers(pattern, field) for pattern in fact.fields):
                reasons.setdefault(f"{fact.status}: {fact.source}", []).append(name)
    if setting.model in shapes.SHAPES:
        for reason in shapes.SHAPES[setting.model].assumed:
            reasons.setdefault(f"assumed: {reason}", []).append("shape")
    if stage.objective == "preference":
        reasons["not counted: the second answer and the reference pass of DPO"] = ["memory", "hours"]
    own = f"{planner.LABELLED:.0%} of a row's text carries loss, {planner.TEXT} text tokens a conversation, {planner.PROMPT} of the prompt"
    return [*(f"{', '.join(fields)} ({reason})" for reason, fields in reasons.items()), f"{own} (assumed: no source says them)"]


def work(recipe: Recipe, stage: Stage, scale: Scale, setting: Setting) -> float | None:
    """Tokens the stage trains on; None where neither the scale nor the recipe says how many rows there are."""
    if scale.steps and not recipe.shape:
        return scale.steps * scale.batch * setting.length
    if not recipe.shape:
        return planner.corpus_tokens(setting)
    rows = stage.max_steps * stage.batch if stage.max_steps and stage.batch else stage.rows and stage.rows * (stage.epochs or 1)
    return rows and rows * min(setting.length, planner.tokens_of(setting) + planner.PROMPT + planner.TEXT)


def report(recipe: Recipe, stage: Stage, scale: Scale, card: Gpu, **changes) -> dict:
    """The plan of a stage on a card as plain data: bytes by part, room, fits, hours, the smallest change, what is assumed.

    `parts` are None where no formula covers the model's family; `fits` is then None unless even the rest is too much.
    """
    setting = setting_of(recipe, stage, scale, **changes)
    parts = memory(setting)
    known = None not in parts.values()
    enough = total(parts) <= room(card)
    change = None if enough or not known else smallest_change(setting, card)
    final = change[1] if change else setting
    found = {
        "recipe": recipe.name, "stage": stage.name, "model": setting.model, "gpu": card.name, "batch": setting.batch, "length": setting.length,
        "checkpointing": setting.checkpointing, "base": setting.base, "parts": parts, "total": total(parts), "room": room(card),
        "fits": enough if known or not enough else None, "change": None, "gpu_that_fits": None, "hours": None,
        "image_tokens": planner.tokens_of(setting), "doubts": doubts(recipe, stage, setting),
    }  # fmt: skip
    if change:
        how = {"batch": final.batch, "accumulate": final.accumulate, "length": final.length, "base": final.base, "optimiser": final.optimiser}
        found["change"] = {"names": list(change[0]), "total": total(memory(final)), "checkpointing": final.checkpointing} | how
    if known and not enough:
        larger = smallest_gpu(setting)
        found["gpu_that_fits"] = larger.name if larger else None
    if known and (enough or change):
        pace, tokens = planner.time(final, card), work(recipe, stage, scale, final)
        found |= {"tokens_per_second": pace.tokens_per_second, "flop_per_token": pace.model, "flop_done_per_token": pace.done}
        found |= {"hours": tokens / pace.tokens_per_second / 3600 if tokens else None, "busy_assumed": card.busy}
    return found


def text_of(found: dict) -> str:
    """The report as lines for a terminal."""
    rows = [
        f"{found['recipe']}, {found['stage']}, {found['model']}: {found['batch']} rows of {found['length']} tokens at once, {found['base']}, "
        f"checkpointing {'on' if found['checkpointing'] else 'off'}, on {found['gpu']}"
    ]
    rows += [f"  {LABELS[name]:40} {'unknown' if size is None else gb(size):>10}" for name, size in found["parts"].items() if size != 0]
    verdict = {True: "fits", False: "does NOT fit", None: "unknown: no activation formula for this family"}[found["fits"]]
    rows.append(f"  {'together':40} {gb(found['total']):>10}   of {gb(found['room'])} that can be used: {verdict}")
    change = found["change"]
    if change:
        how = f"{change['batch']} rows at once, {change['accumulate']} times a step, {change['length']} tokens: {gb(change['total'])}"
        rows.append(f"smallest change that fits: {', '.join(WORDS[name] for name in change['names'])} ({how})")
    elif found["fits"] is False:
        rows.append("no change of settings fits this GPU")
    if found["fits"] is False:
        rows.append(f"unchanged it would need: {found['gpu_that_fits'] or 'more than any known GPU'}")
    if "tokens_per_second" in found:
        hours = "unknown (how many rows is not told)" if found["hours"] is None else f"{found['hours']:.1f} h"
        rows.append(
            f"time{' with the change' if change else ''}: {hours} at {found['tokens_per_second']:.0f} tokens/s "
            f"({found['flop_per_token'] / 1e9:.1f} GFLOP a token; {found['busy_assumed']:.0%} of the peak assumed)"
        )
    return "\n".join([*rows, *(f"  not certain: {doubt}" for doubt in found["doubts"])])


def _table(columns: dict[str, Setting]) -> list[str]:
    """Bytes by part, a column a setting, as a Markdown table."""
    parts = {name: memory(setting) for name, setting in columns.items()}
    rows = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    rows += [f"| {label} | {' | '.join(gb(p[key]) for p in parts.values())} |" for key, label in LABELS.items()]
    return [*rows, f"| **together** | {' | '.join(f'**{gb(total(p))}**' for p in parts.values())} |", ""]


def _fit(setting: Setting, card: Gpu) -> str:
    """In one cell: fits, or the smallest change, and hours over LLaVA-Instruct."""
    change = smallest_change(setting, card)
    if change is None:
        return "no change helps"
    names, final = change
    hours = planner.corpus_tokens(final) / planner.time(final, card).tokens_per_second / 3600
    rows = f"{final.batch} × {final.length}"
    return f"{' + '.join(WORDS[n] for n in names) or 'fits'}; {rows}: {gb(total(memory(final)))}, {hours:.0f} h"


def explain() -> str:
    """The page docs/planner.md, every number computed here: why two plans of the thesis failed and the third fits."""
    thirteen = Setting("llava-hf/llava-1.5-13b-hf", THESIS.stages[0], batch=16)
    thesis = dataclasses.replace(thirteen, checkpointing=True)
    course = dataclasses.replace(thesis, stage=LLAVA_PT.stages[0])
    one = dataclasses.replace(thesis, batch=1)
    vision = Setting("llava-hf/llava-onevision-qwen2-7b-ov-hf", ONEVISION, length=8192, checkpointing=True, image_tokens=7290, views=10)
    big, small = GPUS["a100-80"], GPUS["4090"]
    states = {key: memory(vision)[key] for key in ("weights", "gradients", "optimiser")}
    count = sum(t.count for t in planner.tensors(vision))
    body = [
        "# Which GPU? The planner's answer to the thesis's three attempts", "",
        "Written by `python -m utils plan --explain`; a test writes it again and compares. GB are 10⁹ bytes. Of a card we plan with its",
        f"data sheet's memory, less {gb(CONTEXT)} for the CUDA context and {FRAGMENTS:.0%} for fragments (both assumed): "
        f"{gb(room(big))} of an A100 80, {gb(room(small))} of an RTX 4090. All plans are for one card.", "",
        *_table({"OneVision-7B, full": vision, "13B LoRA, batch 1": one, "13B LoRA, batch 16": thesis, "the same, nothing recomputed": thirteen}),
        "All columns but the last recompute each layer (activation checkpointing). LoRA has rank 128, rows have 2048 tokens (OneVision: 8192).",
        "While a layer is recomputed the logits are gone, so they are not in the sum there.", "",
        "## Why full OneVision-7B failed", "",
        f"It trains all of its {count / 1e9:.2f} billion weights. What learns costs 16 bytes a weight: itself, its gradient and AdamW's two states, 4 each.",
        f"That is {gb(sum(states.values()))}, {sum(states.values()) / room(big):.1f} times the A100 80's room, before the first picture; the largest "
        "picture then brings",
        f"7,290 tokens where LLaVA-1.5 has 576. Smallest change on an A100 80: {_fit(vision, big)}.",
        "(LoRA lies outside its published recipe. Hours as if for LLaVA-Instruct with the largest pictures.)", "",
        "## Why 13B on an RTX 4090 failed", "",
        f"In bf16 its weights alone take {gb(memory(one)['weights'])}; the card has {gb(small.memory)}. No batch is small enough. "
        f"Smallest change: {_fit(thirteen, small)}.", "",
        "## Why 13B with LoRA fits 80 GB", "",
        f"Frozen weights need no gradient and no state. Rank 128 learns {(memory(one)['adapter']) / 4e6:.0f} million weights, so adapter, projector, "
        "gradients and",
        f"states take {gb(sum(memory(one)[k] for k in ('copies', 'adapter', 'gradients', 'optimiser')))} beside {gb(memory(one)['weights'])}. "
        f"The rest is activations: {gb(total(memory(thirteen)))} in all at batch 16",
        f"with nothing recomputed, {gb(total(memory(thesis)))} with checkpointing. In full, 13B needs "
        f"{gb(_full(one))} at batch 1 (that it fails is haotian-liu/LLaVA issue 787).",
        f"The course's own recipe learns the word embeddings too, in float32, and so is each layer's input then: {gb(total(memory(course)))};",
        f"what fits: {_fit(course, big)}.", "",
        "## Every card", "",
        "Smallest change for 13B LoRA at batch 16 without checkpointing, rows × tokens at once, memory, and hours for one epoch of LLaVA-Instruct:", "",
        "| card | 13B LoRA | OneVision-7B, full |", "|---|---|---|",
        *(f"| {card.name} | {_fit(thirteen, card)} | {_fit(vision, card)} |" for card in GPUS.values()), "",
        *_basis(thesis, big),
    ]  # fmt: skip
    return "\n".join(body).rstrip() + "\n"


def _full(setting: Setting) -> int:
    tune = {"llm": Tune("full", 2e-5), "projector": Tune("full", 2e-5), "embeddings": Tune("full", 2e-5)}
    return total(memory(dataclasses.replace(setting, stage=dataclasses.replace(setting.stage, tune=tune))))


def _basis(setting: Setting, card: Gpu) -> list[str]:
    pace = planner.time(setting, card)
    return [
        "## What the numbers rest on", "",
        "- Weights, gradients, states: counted from transformers' own classes. Activations: formulas for what autograd saves, nothing fitted.",
        "  `make bench-planner` compares both with real models made small, on the CPU: targets are exact and within 10 %.",
        "- No GPU was at hand: the peak is not yet measured on one. There the mask's kernel, work space and autocast's copies can differ.",
        "- Logits exist at labelled positions only (`utils/training/objective.py`); a Trainer that makes them everywhere pays for every token.",
        f"- Hours: 4N FLOP a token with a frozen base, 6N in full, attention and tower added; here {pace.model / 1e9:.0f} GFLOP, and "
        f"{pace.done / 1e9:.0f} with the layers recomputed.",
        f"- Assumed: {card.busy:.0%} of the A100's peak is reached; {planner.TEXT} text tokens a conversation, of which {planner.LABELLED:.0%} carry "
        "loss. Change them and hours change.",
        f"- Reported: {planner.CONVERSATIONS:,} conversations over {planner.PICTURES:,} pictures (haotian-liu/LLaVA), packed by picture.",
        *(f"- {g.name}: {gb(g.memory)}, {g.peak / 1e12:.0f} TFLOP/s, {g.bandwidth / 1e9:.0f} GB/s ({g.source}){'; ' + g.note if g.note else ''}."
          for g in GPUS.values()),
    ]  # fmt: skip


def stages_of(recipe: Recipe, name: str | None) -> list[Stage]:
    """The stage of that name, or all whose tuned parts are known; raises UserError when none is left."""
    if name:
        return [recipe.stage(name)]
    known = [stage for stage in recipe.stages if stage.tune is not None]
    if not known:
        raise UserError(f"it is not known what the stages of recipe {recipe.name} train, so none can be planned")
    return known
