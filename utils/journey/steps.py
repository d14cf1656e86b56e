"""The main job as calls: prepare the corpus, fine-tune, evaluate. Notebooks and commands share them."""

import dataclasses
import os
from pathlib import Path

from utils import runs
from utils.corpus.scenes.instruct import FILES, PARTS, write_corpus
from utils.evaluation.runner import evaluate
from utils.languages import language as language_record
from utils.models.load import SHIPPED
from utils.runs import UserError
from utils.scales import Scale
from utils.training.recipes import THESIS, Recipe
from utils.training.stages import Corpus, stage_folder, train_stage
from utils.translation.engines.bergamot import PAIRS
from utils.translation.pipeline import translate_files

OFFLINE = tuple(PAIRS)


def english_corpus(scale: Scale) -> Path:
    """The folder of the five English files: the picture world's at tiny, LLaVA-Instruct in `data/llava_instruct` above."""
    if scale.weights == "data":
        folder = runs.output_folder(scale.name, "english")
        with runs.lock(folder, wait=600):  # journeys in two languages, side by side, share it
            write_corpus(folder, scale.pictures)
        return folder
    folder = runs.ROOT / "data" / "llava_instruct"
    missing = [name for name in PARTS if not (folder / name).exists()]
    if missing or not (folder / "images").is_dir():
        what = ", ".join(missing) or "images/"
        raise UserError(f"{folder} lacks {what}; put the LLaVA-Instruct files and the COCO train2017 pictures (images/) there, see data/README.md")
    return folder


def translated_folder(scale: Scale, language: str) -> Path:
    return runs.outputs() / scale.name / language / "corpus"


def translate_corpus(scale: Scale, language: str) -> dict:
    """Translate the five files (the three parts where a scale has no more); returns the report, marked with its source.

    The environment variable ENGINE names another engine than the offline one (`NAME` or `NAME:MODEL`). A language without
    an offline engine takes the picture world's gold text, and the report says "gold".
    """
    name = language_record(language).prompt_name
    english, out = english_corpus(scale), translated_folder(scale, language)
    files = [english / name for name in FILES if (english / name).exists()]
    engine = os.environ.get("ENGINE") or ("bergamot" if language in OFFLINE else "")
    if engine:
        return translate_files(files, out, language, engine)
    if scale.weights != "data":
        raise UserError(f"the offline engine does not translate into {name}; name another with ENGINE=, for instance ENGINE=ctranslate2:FOLDER")
    print(f"the offline engine does not translate into {name}: the picture world's gold text is used, and every figure says so")
    counts = {}
    for source in files:
        rows = (english / "gold" / language / source.name).read_text(encoding="utf-8")
        runs.write_text(out / source.name, rows)
        counts[source.name] = {"rows": rows.count('"conversations"'), "translated": rows.count('"conversations"'), "quarantined": 0}
    report = {"language": language, "engine": "gold", "files": counts}
    runs.write_json(out / "report.json", report)
    return report


def prepare_corpus(scale: Scale, language: str) -> Corpus:
    """The corpus that training reads, made or translated where it is not there yet."""
    translate_corpus(scale, language)
    return corpus_of(scale, language)


def corpus_of(scale: Scale, language: str) -> Corpus:
    """The translated corpus as it lies on disk; raises UserError when notebook 03 has not made it yet."""
    english, out = english_corpus(scale), translated_folder(scale, language)
    if not all((out / name).exists() for name in PARTS):
        raise UserError("the translated corpus is missing; run notebook 03 first, or: make journey")
    return Corpus(tuple(out / name for name in PARTS), tuple(english / name for name in PARTS), english / "images")


def fine_tune(scale: Scale, language: str, recipe: Recipe) -> tuple[dict, Path]:
    """Train the recipe's stages; returns the last manifest and the model's folder."""
    corpus = corpus_of(scale, language)
    manifest = [train_stage(scale, language, recipe, stage, corpus) for stage in recipe.stages][-1]
    return manifest, stage_folder(scale, language, recipe, recipe.stages[-1]) / "model"


def thesis_rate(scale: Scale, language: str) -> tuple[dict, Path]:
    """The thesis's own rate on this scale's model, for a short while: nothing multiplied, nothing added."""
    plain = dataclasses.replace(scale, rate=1.0)
    stage = THESIS.stages[0]
    manifest = train_stage(plain, language, THESIS, stage, corpus_of(scale, language), steps=scale.thesis_steps)
    return manifest, stage_folder(plain, language, THESIS, stage) / "model"


def before_and_after(scale: Scale, language: str, models: dict[str, Path | str]) -> dict[tuple[str, str], dict]:
    """Evaluations by (model name, question language), English and the target; only the tuned model is tested for sight."""
    found = {}
    for name, folder in models.items():
        for asked in ("en", language):
            out = runs.output_folder(scale.name, language, "evaluation", name, asked)
            found[name, asked] = evaluate(folder, asked, out, scale.questions, seen=name == "tuned" and asked == language, scale=scale)
    return found


def start_model(scale: Scale) -> Path | str:
    """What a scale starts from, as `evaluate` takes it: the shipped folder, or a hub's name."""
    return SHIPPED if scale.weights == "data" else scale.weights
