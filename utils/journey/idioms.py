"""Idioms at a scale: the tuned model taught with one sense a compound, then with both, and asked in the sense it has not seen."""

import dataclasses
import html
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from utils.corpus.conversations import write_rows
from utils.corpus.idiom_pictures import KINDS, ROLES, rows, split, write_pictures
from utils.evaluation.admire import Item
from utils.evaluation.admire_own import ask, asked, own_items
from utils.evaluation.significance import mcnemar
from utils.figures import thumbnail
from utils.models.load import load_model
from utils.scales import Scale
from utils.training.recipes import LLAVA_PT
from utils.training.stages import Corpus, stage_folder, train_stage

ASKED_IN = {"two steps": 2}  # questions that a ranking takes; one for the others
SPOKEN = "pt-BR"  # the course's own items and their training rows, whatever language the model was tuned for
STEPS = 240  # of each training, or the scale's own where it has fewer


def prepare(folder: Path) -> tuple[dict, dict[str, Path]]:
    """Draw the pictures and write the training files; returns (compound -> role -> file name, kind of data -> file)."""
    names = write_pictures(folder / "images")
    files = {}
    for kind in KINDS:
        files[kind] = folder / f"{kind.replace(' ', '_')}.json"
        write_rows(files[kind], rows(split()[0], names, ask, kind))
    return names, files


def test_sets(names: dict) -> dict[str, list[Item]]:
    """The four sets: compounds that were learnt and held-out ones, each in the first sense and in the other."""
    known, held = split()
    return {
        "known, first sense": own_items(known, names), "known, other sense": own_items(known, names, flipped=True),
        "held out, first sense": own_items(held, names), "held out, other sense": own_items(held, names, flipped=True),
    }  # fmt: skip


def teach(scale: Scale, language: str, kind: str, file: Path, start: Path) -> Path:
    """Train the recipe's last stage on one of the files for a few steps, from the model in `start`; returns the model's folder."""
    recipe = dataclasses.replace(LLAVA_PT, name=f"idioms/{kind.replace(' ', '-')}", facts=())
    stage = dataclasses.replace(recipe.stages[-1], replay=0.0)
    train_stage(scale, language, recipe, stage, Corpus((file,), (), file.parent / "images"), steps=min(STEPS, scale.steps or STEPS), before=start)
    return stage_folder(scale, language, recipe, stage) / "model"


def ask_all_sets(kind: str, model: Path, scale: Scale, folder: Path, sets: dict[str, list[Item]]) -> dict[str, dict]:
    """Set -> the result of `score_a`, for a model in a folder, asked as its kind of training was: in Portuguese, as the sentences are."""
    loaded = load_model(model, scale)
    return {name: asked(*loaded, folder / "images", items, SPOKEN, ASKED_IN.get(kind, 1)) for name, items in sets.items()}


def gallery(folder: Path, names: dict[str, dict[str, str]], compounds: Sequence[str]) -> str:
    """HTML: the five pictures of some compounds with their roles."""
    drawn = []
    for compound in compounds:
        cells = ""
        for role in ROLES:
            with Image.open(folder / compound / names[compound][role]) as picture:
                cells += f'<td style="text-align:center;padding:4px 8px">{thumbnail(picture, f"{compound}, {role}", 96)}<br>{role}</td>'
        drawn.append(f'<tr><th scope="row" style="text-align:left;padding-right:12px">{html.escape(compound)}</th>{cells}</tr>')
    return f'<table style="color:#111;background:#fff">{"".join(drawn)}</table>'


def finding(scored: dict[str, dict[str, dict]]) -> list[str]:
    """What the trainings show, in sentences: is a model of one sense worse in the other, and do contrast pairs mend it?"""
    told = []
    right = lambda model, of: [row["top1"] for row in scored[model][of]["rows"]]  # noqa: E731
    share = lambda values: f"{100 * sum(values) / len(values):.0f} %"  # noqa: E731
    for name in KINDS:
        first, other = right(name, "known, first sense"), right(name, "known, other sense")
        p = mcnemar(first, other)["exact_p"]
        told.append(f"{name}: {share(first)} right in the first sense and {share(other)} in the other (McNemar over the compounds, p = {p:.3f})")
    one = right(KINDS[0], "known, other sense")
    for name in KINDS[1:]:
        two = right(name, "known, other sense")
        told.append(f"in the other sense, {name} instead of {KINDS[0]} changes {share(one)} to {share(two)} (p = {mcnemar(one, two)['exact_p']:.3f})")
    for name in KINDS:
        both = right(name, "held out, first sense") + right(name, "held out, other sense")
        told.append(f"{name}, compounds never learnt: {share(both)} of {len(both)} items, where chance is 20 %")
    return told
