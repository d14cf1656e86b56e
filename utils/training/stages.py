"""Run a recipe's stages: data, model, adapter, loop, merged model, manifest. A finished stage skips itself."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import torch

from utils import runs
from utils.corpus.conversations import read_rows
from utils.models import load
from utils.models.load import image_size, image_tokens, load_start
from utils.models.prompts import PROMPTS, encode_prefix
from utils.scales import Scale
from utils.training.adapter import adapt
from utils.training.data import PackCollator, PackedRows, cache_features, mix, packs_of, schedule
from utils.training.loop import HISTORY, Plan, run_stage
from utils.training.packing import pack_length
from utils.training.recipes import Recipe, Stage
from utils.training.vocabulary import align_vocabulary, parallel_texts, untrained_pieces


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Where a stage's rows lie: translated files, the English originals for replay, and the pictures."""

    translated: tuple[Path, ...]
    english: tuple[Path, ...]
    images: Path


def stage_folder(scale: Scale, language: str, recipe: Recipe, stage: Stage) -> Path:
    return runs.outputs() / scale.name / language / recipe.name / stage.name


def plan_of(scale: Scale, stage: Stage, tokens: int, seed: int, steps: int | None = None) -> Plan:
    """Steps from the scale's cap, or from the stage's epochs over `tokens` where there is no cap."""
    steps = steps or scale.steps or max(1, round((stage.epochs or 1) * tokens / (scale.batch * scale.row_tokens)))
    every = max(1, min(100, steps // 4))
    return Plan(steps, scale.batch, seed, scale.rate, scale.max_rank, scale.device, save_every=every, log_every=max(1, steps // 50))


def _inputs(stage: Stage, scale: Scale, corpus: Corpus, seed: int, steps: int | None) -> str:
    """What decides a stage's result; file dates do not."""
    files = [runs.file_hash(path) for path in (*corpus.translated, *corpus.english)]
    start = runs.file_hash(load.SHIPPED / "model.safetensors") if scale.weights == "data" else scale.weights
    return runs.text_hash(dataclasses.asdict(stage), dataclasses.asdict(scale), files, start, seed, steps, os.environ.get("WEIGHTS"))


def train_stage(scale: Scale, language: str, recipe: Recipe, stage: Stage, corpus: Corpus, seed: int = 0, steps: int | None = None) -> dict:
    """Train one stage and save the merged model under `<stage folder>/model`; returns the manifest with the loss history.

    Killed at any moment, the next call goes on from the last whole checkpoint with the same numbers.
    """
    folder = stage_folder(scale, language, recipe, stage)
    inputs = _inputs(stage, scale, corpus, seed, steps)
    runs.output_folder(*folder.relative_to(runs.outputs()).parts)
    with runs.lock(folder):
        done = runs.complete(folder, inputs)
        if done:
            return done
        started = time.monotonic()
        _clear_other_inputs(folder, inputs)
        runs.seed_all(seed)
        model, tokenizer = load_start(scale)
        aligned = _align(model, tokenizer, corpus, stage, scale)
        prefix = encode_prefix(tokenizer, image_tokens(model), PROMPTS[stage.prompt])
        packs = _packs(corpus, tokenizer, len(prefix), stage, seed)
        plan = plan_of(scale, stage, sum(pack_length(p, len(prefix)) for p in packs), seed, steps)
        pictures = sorted({pack.picture for pack in packs})
        features = cache_features(model, pictures, corpus.images, image_size(model)) if "vision" not in stage.tune else None
        data = PackedRows(
            packs, schedule(packs, len(prefix), scale.row_tokens, plan.steps * plan.batch, seed), corpus.images, image_size(model), features
        )
        adapted = adapt(model, stage, plan.max_rank)
        trained = {"trained": sum(p.numel() for p in adapted.parameters() if p.requires_grad), "all": sum(p.numel() for p in adapted.parameters())}
        history = run_stage(adapted, data, PackCollator(tuple(prefix), tokenizer.pad_token_id), stage, plan, folder, f"{recipe.name}, {stage.name}")
        with runs.full_disk_told(folder):
            _export(adapted, tokenizer, folder / "model")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return runs.finish(
            folder, inputs, started, scale=scale.name, language=language, recipe=recipe.name, stage=stage.name, seed=seed, steps=plan.steps,
            packs=len(packs), pictures=len(pictures), parameters=trained, aligned_pieces=aligned, history=history, device=plan.device, threads=torch.get_num_threads(),
        )  # fmt: skip


def _align(model, tokenizer, corpus: Corpus, stage: Stage, scale: Scale) -> int:
    """How many untrained pieces were given a start; see training/vocabulary.py."""
    fresh = untrained_pieces(load.SHIPPED) if scale.weights == "data" else []
    if stage.vocabulary != "aligned" or not fresh or not corpus.english:
        return 0
    return align_vocabulary(model, tokenizer, parallel_texts(corpus.english, corpus.translated), fresh)


def _packs(corpus: Corpus, tokenizer, prefix_length: int, stage: Stage, seed: int) -> list:
    rows = [row for path in corpus.translated for row in read_rows(path)]
    if not rows:
        raise runs.UserError(f"no rows in {', '.join(str(p) for p in corpus.translated)}; translate the corpus first")
    translated = packs_of(rows, tokenizer, prefix_length, stage.max_length)
    english = [row for path in corpus.english for row in read_rows(path)] if stage.replay else []
    return mix(translated, packs_of(english, tokenizer, prefix_length, stage.max_length), stage.replay, seed)


def _clear_other_inputs(folder: Path, inputs: str) -> None:
    """Checkpoints of another recipe, seed or corpus must not be resumed: keep them only when they match."""
    mark = folder / "inputs.json"
    try:
        same = json.loads(mark.read_text(encoding="utf-8")) == inputs
    except (OSError, ValueError):
        same = False
    if not same:
        for name in ("checkpoints", "model"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in (runs.MANIFEST, HISTORY):
            (folder / name).unlink(missing_ok=True)
        runs.write_json(mark, inputs)


def _export(adapted, tokenizer, folder: Path) -> None:
    """The adapter merged into the model, in llava-hf layout; written beside, then renamed."""
    merged = adapted.merge_and_unload() if hasattr(adapted, "merge_and_unload") else adapted
    beside = folder.with_name("model.part")
    shutil.rmtree(beside, ignore_errors=True)
    merged.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def train_recipe(scale: Scale, language: str, recipe: Recipe, corpus: Corpus, seed: int = 0) -> list[dict]:
    """Every stage in order; returns their manifests."""
    return [train_stage(scale, language, recipe, stage, corpus, seed) for stage in recipe.stages]
