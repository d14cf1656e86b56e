"""The four systems at a scale: each stage with data of its own, made from the picture world, and trained on one budget."""

import contextlib
import dataclasses
import io
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from utils import runs
from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.multilingual.files import ROWS, write_mix
from utils.corpus.multilingual.mix import LANGUAGES
from utils.corpus.ndino import pages
from utils.corpus.ndino.mix import PARALLEL, build
from utils.corpus.ndino.rounds import single_rounds
from utils.corpus.preferences import FILE, write_pairs
from utils.corpus.scenes.instruct import picture_scene
from utils.journey.steps import prepare_corpus
from utils.languages import language as language_record
from utils.scales import Scale
from utils.training.recipes import Recipe, recipe
from utils.training.stages import Corpus, stage_folder, train_recipe

FOUR = ("llava-pt", "llava-ndino", "amalia-vl", "mblip")
BUDGET = 0.5  # of the scale's steps, for all stages of a system together; a scale without a cap trains each recipe as it is
# How a system's steps fall to its stages: ours, for no source has a budget this small. The first names a projector or a language, the
# later ones teach to answer.
SPLIT = {
    "llava-pt": {"instruct": 1.0},
    "llava-ndino": {"align": 0.1, "adapt": 0.25, "short": 0.4, "long": 0.25},
    "amalia-vl": {"align": 0.1, "instruct": 0.6, "prefer": 0.3},
    "mblip": {"warmup": 0.2, "instruct": 0.8},
}


def steps_of(name: str, scale: Scale) -> dict[str, int]:
    """Stage -> steps of a system on the common budget; empty where the scale sets no cap."""
    return {stage: max(1, round(share * BUDGET * scale.steps)) for stage, share in SPLIT[name].items()} if scale.steps else {}


def system_recipe(name: str) -> Recipe:
    """A system's recipe under a name of its own, so that its stages lie beside those of longer runs: `systems/<name>`."""
    return dataclasses.replace(recipe(name), name=f"systems/{name}")


def train_system(name: str, scale: Scale, language: str, seed: int | None = None) -> tuple[list[dict], Path]:
    """Train one of FOUR on the common budget; returns its stages' manifests and the model's folder. What is done is skipped.

    Raises UserError where its data is published and not made here.
    """
    chosen, plain = system_recipe(name), recipe(name)
    with contextlib.redirect_stdout(io.StringIO()):  # whoever translates has told of it; here it is found done
        data = stage_data(plain, scale, language)
    manifests = train_recipe(scale, language, chosen, data, seed, steps=steps_of(name, scale))
    return manifests, stage_folder(scale, language, chosen, chosen.stages[-1]) / "model"


def stage_data(recipe: Recipe, scale: Scale, language: str) -> Mapping[str, Corpus]:
    """Stage name -> its data, written to the scale's outputs where it is not there yet.

    llava-pt learns from the translated corpus; LLaVA-NDiNO from captions, pages, tasks and rounds; AMALIA-VL from captions, the translated
    corpus and pairs; mBLIP from the multilingual mix. All but the translated corpus is the picture world's gold text. Raises
    UserError at scales whose data is published and not made here.
    """
    language_record(language)
    if recipe.name == "llava-pt":
        return {stage.name: prepare_corpus(scale, language) for stage in recipe.stages}
    if scale.weights != "data":
        raise runs.UserError(f"the data of {recipe.name} is published, not made here; give train your own: --data FOLDER --images FOLDER")
    family = next((name for name in _DATA if recipe.name.startswith(name)), None)
    if family is None:
        raise runs.UserError(f"recipe {recipe.name} has no data of its own here; give train yours: --data FOLDER --images FOLDER")
    found = _DATA[family](scale, language, runs.output_folder(scale.name, language, "data", family))
    return {stage.name: found[stage.name] for stage in recipe.stages}


def _ndino(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """Source of the stages: LLaVA-NDiNO, CEUR-WS Vol-3877, paper 9."""
    made, pair = build(scale, language, folder), tuple(folder / name for name in PARALLEL)
    # Alignment is English: the same model for every language.
    return {stage: Corpus(tuple(files), (), folder / "images", () if stage == "align" else (pair,)) for stage, files in made.items()}


def _amalia(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """Captions in English and in the language, half each (assumed); the translated corpus with English; preference pairs."""
    corpus = prepare_corpus(scale, language)
    captions = [
        pages.world_row(picture_scene(index, 0), f"{index + 1:012d}", language if index % 2 else "en", "captions") for index in range(scale.pictures)
    ]
    write_rows(folder / "captions.json", captions)
    write_pairs(folder / "pairs", scale.pictures, language)
    return {
        "align": Corpus((folder / "captions.json",), (), corpus.images),
        "instruct": corpus,
        "prefer": Corpus((folder / "pairs" / FILE,), (), folder / "pairs" / "images"),
    }


def _mblip(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """Captions for the warm-up; for instruction the mix, one language an example, beside LLaVA's conversations in English and translated.

    Conversations are cut into single questions, as mBLIP's are. As many rows of either, and the conversations half in English: assumed.
    English stands in both already, so no replay is added.
    Pictures lie in two folders: rows name them from the scale's folder.
    """
    chosen = LANGUAGES if language in LANGUAGES or language == "pt-PT" else (*LANGUAGES, language)
    write_mix(folder / "mix", scale.pictures, chosen)
    corpus, root = prepare_corpus(scale, language), runs.outputs() / scale.name
    mix = _placed(read_rows(folder / "mix" / ROWS), folder / "mix" / "images", root)
    told: list[dict] = []
    for files in (corpus.translated, corpus.english):
        whose = "en" if files is corpus.english else language  # one picture stands in several files, under one id in each
        rows = [row | {"id": f"{row['id']}-{path.stem}-{whose}"} for path in files for row in read_rows(path)]
        rounds = single_rounds(rows, Counter(), "each")
        rows = _placed(list(rounds), corpus.images, root)
        told += random.Random(f"mblip/{language}").sample(rows, k=min(len(rows), len(mix) // 2))
    write_rows(folder / "captions.json", [row for row in mix if row["type"] == "caption"])
    write_rows(folder / "instruct.json", mix + told)
    return {stage: Corpus((folder / f"{name}.json",), (), root) for stage, name in (("warmup", "captions"), ("instruct", "instruct"))}


def _placed(rows: list[dict], images: Path, root: Path) -> list[dict]:
    """Rows whose pictures are named from `root`."""
    return [row | {"image": (images.relative_to(root) / row["image"]).as_posix()} for row in rows]


_DATA = {"llava-ndino": _ndino, "amalia-vl": _amalia, "mblip": _mblip}
