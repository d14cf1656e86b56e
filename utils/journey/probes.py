"""The probe of VL-T5 against LLaVA: both trained on the same pictures and questions, or LLaVA from a hub at the big scales."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from utils import runs
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import THESIS_PICTURES, scene_of, single
from utils.evaluation.probe import Answerer, Prompt, fusion_way, llava_way, vl_t5_ways
from utils.evaluation.scenes_task import TEST_SEED
from utils.models.load import SHIPPED, load_folder, load_start
from utils.models.regions import find_regions
from utils.scales import Scale
from utils.training.fusions import Budget, train_fusion
from utils.training.vl_t5 import train_vl_t5
from utils.training.vl_t5_rows import USUAL, Amount, same_for_llava

LLAVA = "LLaVA"
SEED = 0


def amount_of(scale: Scale) -> Amount:
    """What VL-T5 gets at a scale: the usual amount, or a test's share of it."""
    part = lambda n, least: max(least, round(n * scale.fusion_share))  # noqa: E731
    return dataclasses.replace(USUAL, pictures=part(USUAL.pictures, USUAL.batch), steps=tuple(part(n, 2) for n in USUAL.steps))


def trained(scale: Scale, language: str) -> dict[str, dict]:
    """Train what the probe needs and name it: stage -> manifest of VL-T5's two stages and, where none comes from a hub, of LLaVA.

    Finished trainings skip themselves.
    """
    folder, amount = _folder(scale, language), amount_of(scale)
    made = {f"VL-T5, {stage}": manifest for stage, manifest in train_vl_t5(language, SEED, folder / "vl_t5", amount).items()}
    if scale.weights == "data":
        made[LLAVA] = train_fusion("projector", SEED, folder=folder / "llava", language=language, budget=same_for_llava(amount))
    return made


def _folder(scale: Scale, language: str) -> Path:
    return runs.output_folder(scale.name, language, "probes")


def answerers(scale: Scale, language: str) -> dict[str, Answerer]:
    """The four ways to ask: VL-T5 raw, with prefix, caption-tuned, and LLaVA (a hub's at the big scales, which says so if it cannot be had)."""
    folder = _folder(scale, language)
    llava = fusion_way("projector", folder / "llava") if scale.weights == "data" else llava_way(*load_start(scale))
    return vl_t5_ways(folder / "vl_t5") | {LLAVA: llava}


def lessons(made: dict[str, dict], scale: Scale) -> list[dict]:
    """The table of what each model got."""
    amount, rows = amount_of(scale), []
    for name, manifest in made.items():
        budget: Budget = same_for_llava(amount)
        rows.append(
            {"training": name, "pictures": f"{amount.pictures:,}", "steps": manifest["steps"], "pictures seen": f"{manifest['steps'] * budget.batch:,}",
             "targets": "words" if name.endswith("pretrain") else "sentences", "last loss": f"{manifest['history'][-1]['loss']:.2f}",
             "CPU s": f"{manifest['cpu_seconds']:.0f}"}
        )  # fmt: skip
    return rows


def thesis_strip(side: int = 96, gap: int = 8) -> Image.Image:
    """The thesis's nine pictures side by side, as far as the picture world has them."""
    strip = Image.new("RGB", (len(THESIS_PICTURES) * (side + gap) - gap, side), "lightgrey")
    for number, kind in enumerate(THESIS_PICTURES):
        strip.paste(render(single(kind)).resize((side, side)), (number * (side + gap), 0))
    return strip


def _regions(index: int):
    """A held-out picture and the regions that the picture world's detector finds in it."""
    picture = render(scene_of("known", index, TEST_SEED))
    return picture, find_regions([picture], load_folder(SHIPPED)[0])[0]


def with_regions(index: int, side: int = 384) -> Image.Image:
    """A held-out picture with its numbered regions drawn on it."""
    picture, found = _regions(index)
    large = picture.resize((side, side), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(large)
    for number, (box, real) in enumerate(zip(found.boxes, found.real, strict=True)):
        if real:
            left, top, right, bottom = (int(value * (side - 1)) for value in box)
            draw.rectangle((left, top, right, bottom), outline="black", width=3)
            draw.rectangle((left, top, left + 24, top + 24), fill="black")
            draw.text((left + 8, top + 6), str(number), fill="white")
    return large


def region_rows(index: int) -> list[dict]:
    """A row for each region of a held-out picture, and one for the padding."""
    _, found = _regions(index)
    rows = [
        {"region": f"<vis_extra_id_{n}>", "box (x1, y1, x2, y2)": ", ".join(f"{v:.2f}" for v in box), "features": f"{len(features):,} numbers"}
        for n, (box, features, real) in enumerate(zip(found.boxes, found.features, found.real, strict=True))
        if real
    ]
    return [*rows, {"region": f"and {len(found.real) - len(rows)} more", "box (x1, y1, x2, y2)": "all zero", "features": "all zero"}]


def side_by_side(models: dict[str, Answerer], prompts: Sequence[Prompt]) -> list[dict]:
    """A row for each prompt: its picture's kind, the question, and what each model says."""
    pictures, asked = [render(prompt.scene) for prompt in prompts], [prompt.question for prompt in prompts]
    said = {name: answer(pictures, asked) for name, answer in models.items()}
    return [
        {"picture": prompt.scene.items[0].kind, "question": prompt.question, **{name: texts[number] for name, texts in said.items()}}
        for number, prompt in enumerate(prompts)
    ]


def percent(row: dict, name: str) -> str:
    """A share of the probe's row with its interval, and of how many."""
    if not row[f"{name}_of"]:
        return "–"
    return f"{row[name]:.0%} [{row[f'{name}_low']:.0%}–{row[f'{name}_high']:.0%}]"


def probe_table(rows: Sequence[dict]) -> list[dict]:
    """The probe's rows in words: language, length, correctness and grounding in one table."""
    return [
        {"model": row["model"], "prompt": row["prompt"], "right": percent(row, "right"),
         "facts told": "–" if row["facts"] is None else f"{row['facts']:.0%}",
         "in the prompt's language": f"{row['in_language']:.0%}", "words": f"{row['words']:.1f}",
         "changes with the picture": percent(row, "moved"), "right ones that change": percent(row, "moved_right")}
        for row in rows
    ]  # fmt: skip


def gap_table(found: Sequence[dict]) -> list[dict]:
    """The steps from the first way of asking to the last, in percentage points with intervals, and in words."""
    points = lambda value: f"{100 * value:+.0f}"  # noqa: E731
    return [
        {"what changes": row["change"], "from": row["from"], "to": row["to"],
         "points right": f"{points(row['right'])} [{points(row['low'])} to {points(row['high'])}]",
         "points of facts told": "–" if row["facts"] is None else points(row["facts"]),
            "words more": f"{row['words']:+.1f}"}
        for row in found
    ]  # fmt: skip


def conclusion(described: Sequence[dict], asked: Sequence[dict]) -> str:
    """What made the gap, in two sentences from the numbers of `gap`: on descriptions (facts told) and on questions (right)."""
    points = lambda value: f"{100 * value:+.0f}"  # noqa: E731
    parts = lambda found, key: ", ".join(f"{row['change']} {points(row[key])}" for row in found[:-1])  # noqa: E731
    return (
        f"Asked to describe, the way from raw VL-T5 to LLaVA is {points(described[-1]['facts'])} points of the facts: {parts(described, 'facts')}. "
        f"Asked held-out questions it is {points(asked[-1]['right'])} points right: {parts(asked, 'right')}."
    )
