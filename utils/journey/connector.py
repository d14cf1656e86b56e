"""The MLP projector against a Q-Former: same tower, same language model, same rows and steps, a third of the picture tokens."""

import contextlib
import dataclasses
import io
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from utils import runs
from utils.evaluation.runner import evaluate, overall
from utils.evaluation.scenes_task import answer_seconds, questions
from utils.journey.execute import end_with
from utils.journey.steps import prepare_corpus
from utils.journey.systems import steps_of, train_system
from utils.models.blip2_start import EYES
from utils.models.blip2_start import SHIPPED as BLIP2
from utils.models.load import image_tokens, load_folder
from utils.scales import Scale
from utils.training.blip2_base import write_english
from utils.training.recipes import LLAVA_PT, Tune
from utils.training.stages import stage_folder, train_stage

# llava-pt with a Q-Former that learns as its projector does: the one thing that differs is the connector.
_STAGE = LLAVA_PT.stages[0]
QFORMER = dataclasses.replace(
    LLAVA_PT,
    name="connector/q-former",
    stages=(dataclasses.replace(_STAGE, tune=dict(_STAGE.tune) | {"resampler": Tune("full", _STAGE.tune["projector"].lr)}),),
    connector="Q-Former with 12 queries, then one linear layer",
    image="squeezed to a square, 12 tokens",
)


def qformer_start(scale: Scale) -> Path:
    """The folder of the English model with a Q-Former (data/blip2), written where it is not there yet."""
    folder = runs.output_folder(scale.name, "english", "blip2")
    inputs = runs.text_hash("blip2", runs.file_hash(BLIP2 / EYES))
    with runs.lock(folder, wait=600):  # journeys in two languages, side by side, share it
        if not runs.complete(folder, inputs):
            started = time.monotonic()
            write_english(BLIP2, folder / "model")
            runs.finish(folder, inputs, started)
    return folder / "model"


def train_qformer(scale: Scale, language: str, seed: int | None = None) -> tuple[dict, Path]:
    """Train the model with a Q-Former on llava-pt's rows and steps; returns its manifest and folder. What is done is skipped."""
    stage = QFORMER.stages[0]
    steps = steps_of(LLAVA_PT.name, scale).get(stage.name)
    with contextlib.redirect_stdout(io.StringIO()):  # whoever translates has told of it; here it is found done
        corpus = prepare_corpus(scale, language)
    manifest = train_stage(scale, language, QFORMER, stage, corpus, seed, steps, qformer_start(scale))
    return manifest, stage_folder(scale, language, QFORMER, stage) / "model"


def _rows(scale: Scale, language: str) -> list[dict]:
    import torch

    if scale.device == "cpu":
        torch.set_num_threads(1)  # the same numbers on every machine, and as the four systems are trained
    manifests, folder = train_system(LLAVA_PT.name, scale, language)
    trained = {"MLP": ("systems/llava-pt", manifests[-1], folder), "Q-Former": ("connector/q-former", *train_qformer(scale, language))}
    asks, rows = questions("known", 4), []
    for name, (place, manifest, folder) in trained.items():
        model, tokenizer = load_folder(folder)
        out = runs.output_folder(scale.name, language, "evaluation", *place.split("/"))
        own, english = (overall(evaluate(folder, asked, out / asked, scale.questions, scale=scale)) for asked in (language, "en"))
        rows.append(
            {
                "connector": name, "picture_tokens": image_tokens(model), "trained": manifest["parameters"]["trained"],
                "accuracy": own["share"], "low": own["low"], "high": own["high"], "english": english["share"],
                "seconds_of_training": manifest["seconds"], "seconds_per_100": answer_seconds(model, tokenizer, asks, language),
            }
        )  # fmt: skip
    return rows


def connector_table(scale: Scale, language: str) -> list[dict]:
    """A row for each connector: picture tokens, trained parameters, right answers with their interval in the language and in English, seconds.

    Shares from 0 to 1. "seconds_of_training" is what the stage took, "seconds_per_100" answers are measured here, one after the other;
    both in a process with one thread on a CPU. What is trained and asked already is not again.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with, initargs=(os.getpid(),)) as pool:
        return pool.submit(_rows, scale, language).result()
