"""Evaluate a model folder on the picture world and keep every answer on disk; a finished evaluation skips itself."""

import dataclasses
import time
from pathlib import Path

from utils import runs
from utils.corpus.scenes.world import Item, Scene
from utils.evaluation.scenes_task import Answer, ask_all, other_pictures, questions, seeing, table
from utils.models.load import load_model
from utils.scales import TINY, Scale

CODE = "2"  # raise when questions or scoring change: kept answers are then asked again


def inputs_of(model: Path | str, *what: object) -> str:
    """What decides an evaluation: this code, the weights, and what was asked."""
    weights = [runs.file_hash(path) for path in sorted(Path(model).glob("*.safetensors"))] or str(model)
    return runs.text_hash(CODE, weights, *what)


def evaluate(
    reference: Path | str,
    language: str,
    out: Path,
    per_type: int,
    split: str = "known",
    style: str = "openmoji",
    seen: bool = False,
    scale: Scale = TINY,
) -> dict:
    """Put the model of a folder (or a scale's start model) to the test: ask `per_type` questions of each type in `language`; returns {"table", "answers", "seeing"} and writes it to `out`.

    With `seen`, every question is put again on a picture with another right answer, to test whether the model looks.
    """
    out = Path(out)
    inputs = inputs_of(reference, language, per_type, split, style, seen)
    if runs.complete(out, inputs):
        return load(out)
    started = time.monotonic()
    model, tokenizer = load_model(reference, scale)
    asks = questions(split, per_type)
    answers = ask_all(model, tokenizer, asks, language, style)
    result = {"table": table(answers), "answers": [dataclasses.asdict(a) for a in answers], "seeing": None}
    if seen:
        shown = other_pictures(asks)
        result["seeing"] = seeing(answers, ask_all(model, tokenizer, asks, language, style, shown), shown)
    runs.write_json(out / "result.json", result)
    runs.finish(out, inputs, started, language=language, split=split, style=style, per_type=per_type)
    return load(out)


def load(out: Path) -> dict:
    """A kept evaluation, its answers as `Answer` records again."""
    result = runs.read_json(Path(out) / "result.json")
    result["answers"] = [_answer(record) for record in result["answers"]]
    return result


def _answer(record: dict) -> Answer:
    scene = record["scene"]
    items = tuple(Item(**item) for item in scene["items"])
    return Answer(**{**record, "scene": Scene(scene["background"], items, scene["seed"])})


def overall(result: dict) -> dict:
    """The row "all" of a result's table."""
    return next(row for row in result["table"] if row["type"] == "all")
