"""What LoRA's rank and rate change: the journey's recipe trained for a few steps with each, then put to the test."""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

from utils import runs
from utils.corpus.conversations import read_rows, write_rows
from utils.evaluation.runner import evaluate, overall
from utils.journey.steps import corpus_of
from utils.runs import UserError
from utils.scales import Scale
from utils.training.recipes import LLAVA_PT, Recipe
from utils.training.stages import Corpus, stage_folder, train_stage

QUESTIONS = 10  # of each type and language: five models are asked, so few
PICTURES_A_ROW = 2  # more than a row holds at tiny: a short run then meets hardly a picture twice


def rank_of(scale: Scale) -> int:
    """The recipe's LoRA rank as a scale trains it, capped."""
    rank = LLAVA_PT.stages[-1].tune["llm"].rank
    return min(rank, scale.max_rank or rank)


def varied(rank: int, multiple: float) -> Recipe:
    """The recipe with another LoRA rank and a multiple of LoRA's rate, under a name of its own.

    Alpha keeps its ratio to the rank, as a scale's cap keeps it. The other parts keep their rates: one thing changes at a time.
    """
    stage = LLAVA_PT.stages[-1]
    lora = stage.tune["llm"]
    other = dataclasses.replace(lora, rank=rank, alpha=round(rank * lora.alpha / lora.rank), lr=lora.lr * multiple)
    stage = dataclasses.replace(stage, tune={**stage.tune, "llm": other})
    return dataclasses.replace(LLAVA_PT, name=f"{LLAVA_PT.name}-rank{rank}-rate{multiple:g}", stages=(stage,), facts=())


def part_of_corpus(corpus: Corpus, pictures: int, folder: Path) -> Corpus:
    """All rows of so many pictures, drawn once, written to `folder`: a short run reads no more, and need not prepare more."""
    translated = [read_rows(path) for path in corpus.translated]
    every = sorted({row["image"] for rows in translated for row in rows})
    kept = set(random.Random("sweep").sample(every, min(pictures, len(every))))
    files = {}
    for side, paths in (("translated", corpus.translated), ("english", corpus.english)):
        files[side] = tuple(folder / side / path.name for path in paths)
        for path, small in zip(paths, files[side], strict=True):
            write_rows(small, [row for row in read_rows(path) if row["image"] in kept])
    return Corpus(files["translated"], files["english"], corpus.images)


def _lora_parameters(scale: Scale, recipe: Recipe, model: Path) -> int:
    """Weights of the adapter alone, counted on the trained model's shape: the saved model has its adapter merged in."""
    import torch
    import transformers

    from utils.training.adapter import adapt

    config = transformers.AutoConfig.from_pretrained(model, local_files_only=True)
    with torch.device("meta"):
        empty = getattr(transformers, config.architectures[0])._from_config(config)
        adapted = adapt(empty, recipe.stages[-1], scale.max_rank)
    return sum(p.numel() for name, p in adapted.named_parameters() if ".lora_" in name)


def _scores(scale: Scale, language: str, name: str, model: Path) -> dict:
    """Shares right in the language and in English, each with its 95 % interval."""
    found = {}
    for asked, keys in ((language, ("share", "low", "high")), ("en", ("english", "english_low", "english_high"))):
        out = runs.output_folder(scale.name, language, "evaluation", name, asked)
        row = overall(evaluate(model, asked, out, min(scale.questions, QUESTIONS), scale=scale))
        found |= dict(zip(keys, (row["share"], row["low"], row["high"]), strict=True)) | {"questions": row["total"], "baseline": row["baseline"]}
    return found


def _trained(scale: Scale, language: str, rank: int, multiple: float, corpus: Corpus, steps: int) -> dict:
    """Train and score one setting; returns its row."""
    recipe = varied(rank, multiple)
    manifest = train_stage(scale, language, recipe, recipe.stages[-1], corpus, steps=steps)
    model = stage_folder(scale, language, recipe, recipe.stages[-1]) / "model"
    history = manifest["history"]
    tail = history[-max(1, len(history) // 10) :]
    lora = _lora_parameters(scale, recipe, model)
    return {
        "rank": rank, "rate": multiple, "steps": manifest["steps"], "lora": lora, "trained": manifest["parameters"]["trained"],
        "adapter_mb": 4 * lora / 1e6, "loss": sum(row["loss"] for row in tail) / len(tail), **_scores(scale, language, recipe.name, model),
    }  # fmt: skip


def rank_and_rate(scale: Scale, language: str, ranks: Sequence[int], rates: Sequence[float], steps: int) -> list[dict]:
    """Train the recipe with each LoRA rank at its own rate, and with each multiple of LoRA's rate at the scale's rank; a row for each.

    A row: rank, rate (times the recipe's), steps, lora (weights of its matrices), adapter_mb (the same in MB of a million bytes, 32
    bits a weight, as checkpoints hold them), trained (all that learns, embeddings and projector too), loss (mean over the last tenth
    of the steps), share, low, high (right in the language, 95 % Wilson interval), english, english_low, english_high, questions
    (in each language), baseline (share that the commonest answers would get).
    All runs share seed, batches and questions. Each keeps its merged model, as large as the start model. Killed and called
    again, it goes on; what is done is skipped. Raises UserError for steps, ranks or rates that cannot be trained here.
    """
    top = rank_of(scale)
    if steps < 1:
        raise UserError(f"{steps} steps train nothing, and scale {scale.name} sets none for the sweep; give rank_and_rate a number of steps")
    for rank in ranks:
        if not 1 <= rank <= (scale.max_rank or rank):
            raise UserError(f"LoRA rank {rank} does not fit scale {scale.name}; use 1 to {scale.max_rank or 'the width of the model'}")
    if any(rate <= 0 for rate in rates):
        raise UserError(f"a multiple of the rate in {tuple(rates)} is not above 0; use for instance (0.1, 1, 10)")
    folder = runs.output_folder(scale.name, language, "sweep")
    corpus = part_of_corpus(corpus_of(scale, language), steps * scale.batch * PICTURES_A_ROW, folder)
    settings = dict.fromkeys([(rank, 1.0) for rank in ranks] + [(top, float(rate)) for rate in rates])
    rows = [_trained(scale, language, rank, rate, corpus, steps) for rank, rate in settings]
    runs.write_json(folder / "rows.json", rows)
    return rows


def panels(rows: Sequence[dict]) -> dict[str, dict[str, dict]]:
    """The rows as two series for the figure: over the rank at the recipe's rate, and over the rate at the rank that has several."""
    top = max((row["rank"] for row in rows), key=lambda rank: len({row["rate"] for row in rows if row["rank"] == rank}))
    by_rank = sorted((row for row in rows if row["rate"] == 1), key=lambda row: row["rank"])
    by_rate = sorted((row for row in rows if row["rank"] == top), key=lambda row: row["rate"])
    return {
        "LoRA rank, at the recipe's rate": {str(row["rank"]): row for row in by_rank},
        f"LoRA rate, times the recipe's, at rank {top}": {f"×{row['rate']:g}": row for row in by_rate},
    }
