"""The other systems at a scale: each stage of a recipe with data of its own, made from the picture world."""

from collections.abc import Mapping
from pathlib import Path

from utils import runs
from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.multilingual.files import ROWS, write_mix
from utils.corpus.multilingual.mix import LANGUAGES
from utils.corpus.ndino.mix import build
from utils.corpus.preferences import FILE, write_pairs
from utils.journey.steps import prepare_corpus
from utils.languages import language as language_record
from utils.scales import Scale
from utils.training.recipes import Recipe
from utils.training.stages import Corpus


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
    return {stage: Corpus(tuple(files), (), folder / "images") for stage, files in build(scale, language, folder).items()}


def _amalia(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """Captions in English and in the language, half each (assumed); the translated corpus with English; preference pairs."""
    made = build(scale, language, folder / "captions")
    english = read_rows(made["align"][0])
    own = {row["image"]: row for row in read_rows(made["adapt"][0])}
    captions = [own.get(row["image"], row) if at % 2 else row for at, row in enumerate(english)]
    write_rows(folder / "captions.json", captions)
    write_pairs(folder / "pairs", scale.pictures, language)
    return {
        "align": Corpus((folder / "captions.json",), (), folder / "captions" / "images"),
        "instruct": prepare_corpus(scale, language),
        "prefer": Corpus((folder / "pairs" / FILE,), (), folder / "pairs" / "images"),
    }


def _mblip(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """One language an example, the target among them; English stands in the mix already, so no replay is added to it."""
    chosen = LANGUAGES if language in LANGUAGES or language == "pt-PT" else (*LANGUAGES, language)
    write_mix(folder / "mix", scale.pictures, chosen)
    rows = read_rows(folder / "mix" / ROWS)
    write_rows(folder / "captions.json", [row for row in rows if row["type"] == "caption"])
    images = folder / "mix" / "images"
    return {"warmup": Corpus((folder / "captions.json",), (), images), "instruct": Corpus((folder / "mix" / ROWS,), (), images)}


_DATA = {"llava-ndino": _ndino, "amalia-vl": _amalia, "mblip": _mblip}
