"""The four systems trained on one budget and asked one set of questions, each in a process of its own so that its memory is its own."""

import contextlib
import io
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from utils import runs
from utils.evaluation.four import System, check_same_questions
from utils.journey.execute import end_with
from utils.journey.machine import memory_gb
from utils.journey.steps import translated_folder
from utils.journey.systems import FOUR, stage_data, system_recipe, train_system
from utils.scales import Scale
from utils.training.recipes import recipe

# What a system does that the first does not, in one phrase.
IDEAS = {
    "llava-pt": "an English LLaVA reads conversations in the language, with an adapter",
    "llava-ndino": "tiles; text of the language before its tasks; all weights learn",
    "amalia-vl": "tiles; one variety of the language; preferences; all weights learn",
    "mblip": "a Q-Former's few tokens before a multilingual language model, with an adapter",
}
DATA = {
    "llava-pt": "{corpus}, some English",
    "llava-ndino": "gold: captions, sections and pages, tasks, single rounds",
    "amalia-vl": "gold captions; {corpus}, some English; gold pairs",
    "mblip": "gold mix of many languages; {corpus} and its English originals",
}
TIMED = 100  # answers
CODE = "1"  # raise when what is measured changes: kept measures are then made again


def data_of(name: str, scale: Scale, language: str) -> str:
    """What a system learns from, gold text or translated, and by which engine."""
    try:
        engine = runs.read_json(translated_folder(scale, language) / "report.json").get("engine", "unknown")
    except runs.UserError:
        engine = "unknown"
    return DATA[name].format(corpus="gold conversations" if engine == "gold" else f"conversations translated by {engine}")


def stage_model(name: str, stage: str, scale: Scale, language: str) -> Path:
    """The folder of a system's model after one of its stages, once it is trained."""
    from utils.training.stages import stage_folder

    found = system_recipe(name)
    return stage_folder(scale, language, found, found.only(stage).stages[0]) / "model"


def _measured(model: Path, scale: Scale, language: str, per_type: int, out: Path) -> dict:
    """What a model needs and how fast it answers: parameters, views and tokens of a picture, seconds for 100 answers; kept in `out`."""
    from utils.corpus.scenes.render import render
    from utils.evaluation.runner import inputs_of
    from utils.evaluation.scenes_task import answer_seconds, questions
    from utils.models.load import load_model
    from utils.models.tiling import picture_inputs, picture_tokens

    inputs, started = inputs_of(model, CODE, language, per_type, TIMED), time.monotonic()
    if not runs.complete(out, inputs):
        opened, tokenizer = load_model(model, scale)
        asks = questions("known", per_type)
        asks = asks[:: max(1, len(asks) // TIMED)][:TIMED]
        picture = render(asks[0].scene)
        pixels = picture_inputs(opened.config, picture)["pixel_values"]
        runs.write_json(out / "measured.json", {
            "parameters": sum(p.numel() for p in opened.parameters()), "views": pixels.shape[1] if pixels.ndim == 5 else 1,
            "picture_tokens": picture_tokens(opened.config, (picture.height, picture.width)),
            "answer_seconds": answer_seconds(opened, tokenizer, asks, language),
        })  # fmt: skip
        runs.finish(out, inputs, started)
    return runs.read_json(out / "measured.json")


def run_system(name: str, scale: Scale, language: str, seed: int | None, per_type: int) -> dict:
    """Train, ask and measure one system in this process; returns the numbers and where the answers are kept. What is done is skipped."""
    import torch

    from utils.evaluation.runner import evaluate

    if scale.device == "cpu":
        torch.set_num_threads(1)  # the same numbers on every machine
    manifests, model = train_system(name, scale, language, seed)
    out = runs.output_folder(scale.name, language, "evaluation", "systems", name)
    asked = tuple(dict.fromkeys(("en", language)))
    for code in asked:
        evaluate(model, code, out / code, per_type, scale=scale)
    return {
        "asked": {code: str(out / code) for code in asked}, "trained": max(one["parameters"]["trained"] for one in manifests),
        "steps": sum(one["steps"] for one in manifests), "seconds": sum(one["seconds"] for one in manifests),
        "memory_mb": max(one["peak_memory_mb"] for one in manifests), **_measured(model, scale, language, per_type, out / "measured"),
    }  # fmt: skip


def _record(name: str, scale: Scale, language: str, told: dict) -> System:
    from utils.evaluation.runner import load

    answers = {code: load(Path(folder))["answers"] for code, folder in told.pop("asked").items()}
    return System(name, IDEAS[name], data_of(name, scale, language), scale.name, language, answers, **told)


@contextlib.contextmanager
def _told_where_missing(name: str, scale: Scale, missing: dict[str, str]) -> Iterator[None]:
    """At scales whose data is published, a UserError becomes the system's sentence in `missing`; at the tiny scale it is raised."""
    try:
        yield
    except runs.UserError as error:
        if scale.weights == "data":
            raise
        missing[name] = f"{name} is not here at scale {scale.name}: {error}"


def four_systems(
    scale: Scale, language: str, names: Sequence[str] = FOUR, seed: int | None = None, per_type: int | None = None
) -> tuple[dict[str, System], dict[str, str]]:
    """Train and ask the systems in order; returns their records by name, and by name a sentence for each that this scale cannot make here.

    Each has a process of its own, on a CPU with one thread, two side by side where memory allows; `per_type` questions of each type,
    the scale's unless given. At scales whose data is published, a system without it is left out, with the sentence that says what to
    give; at the tiny scale the UserError is raised.
    """
    missing, waiting = {}, {}
    # With a thread each, two trainings side by side are faster than one on two cores; they take 1.5 GB each.
    workers = 2 if scale.device == "cpu" and (os.cpu_count() or 1) > 1 and (memory_gb() or 0) > 6 else 1
    own = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, own, initializer=end_with, initargs=(os.getpid(),), max_tasks_per_child=1) as pool:
        for name in names:
            with _told_where_missing(name, scale, missing):
                with contextlib.redirect_stdout(io.StringIO()):  # made here: translating must not count as the training's memory
                    stage_data(recipe(name), scale, language)
                waiting[name] = pool.submit(run_system, name, scale, language, seed, per_type or scale.questions)
        found = {}
        for name, told in waiting.items():
            with _told_where_missing(name, scale, missing):
                found[name] = _record(name, scale, language, told.result())
    check_same_questions(list(found.values()))
    return found, missing
