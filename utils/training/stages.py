"""Run a recipe's stages: data, model, adapter, loop, merged model, manifest. A finished stage skips itself."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from utils import runs
from utils.corpus.conversations import read_rows
from utils.models import load
from utils.models.load import load_model, load_start
from utils.models.prompt_formats import PROMPTS
from utils.models.prompts import image_id
from utils.scales import Scale, chosen_seed
from utils.training import processes
from utils.training.adapter import adapt, merged, merged_from
from utils.training.data import PackCollator, PackedRows, mix, packs_of, schedule
from utils.training.features import cache_features, prefixes
from utils.training.loop import HISTORY, Plan, fit, history_of
from utils.training.packing import pack_length
from utils.training.preference import PairCollator, pair_of
from utils.training.querying import QueryCollator, is_queried
from utils.training.recipes import Recipe, Stage
from utils.training.small_rates import at_size
from utils.training.vocabulary import UNTRAINED, align_vocabulary, parallel_texts, pieces_of, untrained_pieces

CODE = "2"  # raise when a stage's model folder changes: models of before are then trained again


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Where a stage's rows lie: translated files, the English originals for replay, and the pictures.

    `parallel` holds (English file, its translation) to align a vocabulary by, for rows that have no English originals.
    """

    translated: tuple[Path, ...]
    english: tuple[Path, ...]
    images: Path
    parallel: tuple[tuple[Path, Path], ...] = ()

    @property
    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """(English file, its translation), from whichever there is."""
        return self.parallel or (tuple(zip(self.english, self.translated, strict=True)) if self.english else ())


def stage_folder(scale: Scale, language: str, recipe: Recipe, stage: Stage) -> Path:
    return runs.outputs() / scale.name / language / recipe.name / stage.name


def _choice(name: str, default: int) -> int:
    """A whole number from the environment; raises UserError for anything else."""
    value = os.environ.get(name) or str(default)
    if not value.isdigit():
        raise runs.UserError(f"the environment variable {name} is {value!r}; give it a whole number or remove it")
    return int(value)


def plan_of(scale: Scale, stage: Stage, tokens: int, seed: int, steps: int | None = None) -> Plan:
    """Steps from the scale's cap; where there is none, the stage's own number, or its epochs over `tokens`.

    The environment variables CHECKPOINTING (0 or 1; 1 on a GPU unless told) and ACCUMULATE (batches a step is split into; 1)
    choose how memory is saved.
    """
    steps = steps or scale.steps or stage.max_steps or max(1, round((stage.epochs or 1) * tokens / (scale.batch * scale.row_tokens)))
    every = max(1, min(100, steps // 4))
    return Plan(
        steps, scale.batch, seed, scale.rate, scale.max_rank, scale.device, save_every=every, log_every=max(1, steps // 50),
        checkpointing=bool(_choice("CHECKPOINTING", int(scale.device != "cpu"))), accumulate=max(1, _choice("ACCUMULATE", 1)),
    )  # fmt: skip


def _inputs(recipe: Recipe, stage: Stage, scale: Scale, corpus: Corpus, seed: int, steps: int | None, before: Path | None) -> str:
    """What decides a stage's result; file dates do not, nor how many processes or batches share a step."""
    files = [runs.file_hash(path) for path in (*corpus.translated, *corpus.english, *(path for pair in corpus.parallel for path in pair))]
    if before:
        start = [runs.file_hash(path) for path in sorted(before.glob("*.safetensors"))]
    else:
        start = " ".join(runs.file_hash(path) for path in load.start_files(recipe.shape)) if scale.weights == "data" else scale.weights
    return runs.text_hash(
        CODE, dataclasses.asdict(stage), dataclasses.asdict(scale), files, start, recipe.shape, seed, steps, os.environ.get("WEIGHTS")
    )


def train_stage(
    scale: Scale, language: str, recipe: Recipe, stage: Stage, corpus: Corpus, seed: int | None = None, steps: int | None = None,
    before: Path | None = None,
) -> dict:  # fmt: skip
    """Train one stage and save the merged model under `<stage folder>/model`; returns the manifest with the loss history.

    It starts from the model in `before`, or from the scale's, with the variable SEED unless `seed` is given. Killed at any moment, the
    next call goes on from the last whole checkpoint with the same numbers. Under `accelerate launch` every process calls it, and one writes.
    """
    processes.join(scale.device)
    folder, seed = stage_folder(scale, language, recipe, stage), chosen_seed() if seed is None else seed
    inputs = _inputs(recipe, stage, scale, corpus, seed, steps, before)
    if processes.is_main():
        runs.output_folder(*folder.relative_to(runs.outputs()).parts)
    with runs.lock(folder) if processes.is_main() else contextlib.nullcontext():
        done = processes.agreed(lambda: runs.complete(folder, inputs))
        if done:
            return done
        started = time.monotonic()
        if processes.is_main():
            _clear_other_inputs(folder, inputs)
        processes.wait()
        with warnings.catch_warnings():
            # TRL and PEFT ask transformers by the property's old name, at every step.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            facts = _train(scale, recipe, stage, corpus, seed, steps, before, folder)
        return processes.agreed(
            lambda: runs.finish(
                folder, inputs, started, scale=scale.name, language=language, recipe=recipe.name, stage=stage.name, seed=seed, **facts
            )
        )


def _start(scale: Scale, recipe: Recipe, before: Path | None):
    """(model, tokenizer) that a stage starts from; raises UserError when 4-bit loading is wanted and bitsandbytes is not there."""
    if before:
        return load_model(before, scale)
    if scale.four_bit and os.environ.get("WEIGHTS") != "random" and importlib.util.find_spec("bitsandbytes") is None:
        raise runs.UserError(f"scale {scale.name} loads weights in 4 bits, and bitsandbytes is missing; pip install -r requirements-gpu.txt")
    return load_start(scale, name=recipe.shape or None)


def _train(scale: Scale, recipe: Recipe, stage: Stage, corpus: Corpus, seed: int, steps: int | None, before: Path | None, folder: Path) -> dict:
    """Run a stage and write its model; returns what the manifest tells about it."""
    runs.seed_all(seed)
    model, tokenizer = _start(scale, recipe, before)
    dtype = model.dtype
    aligned = _align(model, tokenizer, corpus, stage, scale, before)
    make = _pairs if stage.objective == "preference" else _packed
    data, collate, plan, counts = make(scale, stage, corpus, model, tokenizer, seed, steps)
    if stage.objective != "preference":  # TRL attaches the adapter itself
        model = adapt(model, stage, plan.max_rank)
    trainer = fit(model, data, collate, stage, plan, folder, f"{recipe.name}, {stage.name}")
    parameters = list(trainer.model.parameters())
    trained = {"trained": sum(p.numel() for p in parameters if p.requires_grad), "all": sum(p.numel() for p in parameters)}
    with runs.full_disk_told(folder):
        model = _whole(trainer, scale, recipe, stage, corpus, before, folder)
        _export(model, tokenizer, folder / "model", dtype, stage.prompt, _left_untrained(tokenizer, corpus, stage, scale, before))
    return {
        "steps": plan.steps, **counts, "parameters": trained, "aligned_pieces": aligned, "history": history_of(trainer), "device": plan.device,
        "threads": torch.get_num_threads(), "processes": processes.count(),
    }  # fmt: skip


def _room(model, stage: Stage) -> int:
    """Tokens a conversation may have with its picture: the stage's, where the model has so many positions."""
    return min(stage.max_length, getattr(model.config.text_config, "max_position_embeddings", stage.max_length))


def _pairs(scale: Scale, stage: Stage, corpus: Corpus, model, tokenizer, seed: int, steps: int | None) -> tuple:
    """(data, collator, plan, counts) of a preference stage; a pair takes a row of the scale's."""
    form, learnt = PROMPTS[stage.prompt], getattr(model.config, "prompt", stage.prompt)
    if learnt != stage.prompt:  # a model that must learn a format from pairs forgets what it saw
        raise runs.UserError(
            f"stage {stage.name} asks in the format {stage.prompt}, and its start model learnt {learnt}; start it from the stage before, or give both one prompt"
        )
    collate = PairCollator(prefixes(tokenizer, model.config, corpus.images, form), tokenizer, corpus.images, model.config)
    rows = _rows(corpus.translated)
    if not any("rejected" in row for row in rows):
        raise runs.UserError(
            f"stage {stage.name} learns from pairs, and none of {len(rows)} rows has a worse answer under 'rejected'; "
            f"give it files that have one: train --stages {stage.name} --data FOLDER --images FOLDER"
        )
    data = [pair_of(row, tokenizer, _room(model, stage) - len(collate.prefix_of(row["image"])), form) for row in rows]
    counts = {"pairs": len(data), "pictures": len({pair["picture"] for pair in data})}
    return data, collate, plan_of(scale, stage, len(data) * scale.row_tokens, seed, steps), counts


def _packed(scale: Scale, stage: Stage, corpus: Corpus, model, tokenizer, seed: int, steps: int | None) -> tuple:
    """(data, collator, plan, counts) of a stage that learns from rows of packs."""
    prefix_of = prefixes(tokenizer, model.config, corpus.images, PROMPTS[stage.prompt])
    packs = _packs(corpus, tokenizer, prefix_of, stage, _room(model, stage), seed)
    prefix = packs[0].prefix
    plan = plan_of(scale, stage, sum(pack_length(p, len(prefix)) for p in packs), seed, steps)
    pictures = sorted({pack.picture for pack in packs})
    features = cache_features(model, pictures, corpus.images) if "vision" not in stage.tune else None
    order = schedule(packs, len(prefix), scale.row_tokens, plan.steps * plan.batch, seed)
    data = PackedRows(packs, order, corpus.images, model.config, features)
    if is_queried(model):
        start = model.language_model.config.decoder_start_token_id if model.language_model.config.is_encoder_decoder else None
        collate = QueryCollator(prefix, tokenizer.pad_token_id, start)
    else:
        collate = PackCollator(prefix, image_id(tokenizer))
    return data, collate, plan, {"packs": len(packs), "pictures": len(pictures)}


def _untrained(scale: Scale, before: Path | None) -> list[int]:
    return untrained_pieces(before or load.SHIPPED) if scale.weights == "data" else []


def _left_untrained(tokenizer, corpus: Corpus, stage: Stage, scale: Scale, before: Path | None) -> list[int]:
    """What the stage's model has never trained: its start's list, less the pieces of its rows where it trains embeddings."""
    left = _untrained(scale, before)
    if not left or "embeddings" not in (stage.tune or {}):
        return left
    return sorted(set(left) - pieces_of(tokenizer, (*corpus.translated, *(corpus.english if stage.replay else ()))))


def _align(model, tokenizer, corpus: Corpus, stage: Stage, scale: Scale, before: Path | None) -> int:
    """How many untrained pieces were given a start; see training/vocabulary.py. A model of an earlier stage says which are left."""
    fresh = _untrained(scale, before)
    if stage.vocabulary != "aligned" or not fresh or not corpus.pairs:
        return 0
    return align_vocabulary(model, tokenizer, parallel_texts(*zip(*corpus.pairs, strict=True)), fresh)


def _rows(files: tuple[Path, ...]) -> list[dict]:
    rows = [row for path in files for row in read_rows(path)]
    if not rows:
        raise runs.UserError(f"no rows in {', '.join(str(p) for p in files)}; translate the corpus first")
    return rows


def _packs(corpus: Corpus, tokenizer, prefix_of: Callable, stage: Stage, room: int, seed: int) -> list:
    make = lambda rows: packs_of(rows, tokenizer, 0, room, PROMPTS[stage.prompt], prefix_of)  # noqa: E731
    english = [row for path in corpus.english for row in read_rows(path)] if stage.replay else []
    return mix(make(_rows(corpus.translated)), make(english), stage.replay, seed)


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


def _whole(trainer, scale: Scale, recipe: Recipe, stage: Stage, corpus: Corpus, before: Path | None, folder: Path):
    """The trained model in one piece, adapter merged; None in the processes that do not write.

    Where the trainer holds shards of it (FSDP, DeepSpeed) or four bits of its weights, what was trained is gathered on disk
    and merged into the start model, read again on the CPU.
    """
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled or scale.four_bit):
        return merged(trainer.model)
    trainer.save_model(str(folder / "trained"))
    processes.wait()
    if not processes.is_main():
        return None
    model, tokenizer = _start(plain := dataclasses.replace(scale, device="cpu", four_bit=False), recipe, before)
    _align(model, tokenizer, corpus, stage, plain, before)
    return merged_from(model, folder / "trained")


def _export(model, tokenizer, folder: Path, dtype: torch.dtype, prompt: str, untrained: Sequence[int] = ()) -> None:
    """The whole model in llava-hf layout and in the start model's precision; written beside, then renamed."""
    if processes.is_main():
        beside = folder.with_name("model.part")
        shutil.rmtree(beside, ignore_errors=True)
        model.config.prompt = prompt  # so that whoever asks it asks as it learnt
        model.to(dtype).save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        runs.write_json(beside / UNTRAINED, list(untrained))
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        for name in ("checkpoints", "trained"):
            shutil.rmtree(folder.with_name(name), ignore_errors=True)
    processes.wait()


def train_recipe(
    scale: Scale, language: str, recipe: Recipe, corpus: Corpus | Mapping[str, Corpus], seed: int | None = None, names: tuple[str, ...] = (),
    steps: Mapping[str, int] | None = None,
) -> list[dict]:  # fmt: skip
    """Every stage in order, or those of `names` alone, each from the model of the newest one before it that was trained.

    `corpus` is one for all stages, or one for each by name; `steps`, by name, replace the scale's. Returns their manifests, in the
    main process only: one tells. Raises ValueError for a stage that the recipe does not have.
    """
    chosen = [stage.name for stage in (recipe.only(*names) if names else recipe).stages]
    manifests: list[dict] = []
    before = None
    for stage in recipe.stages:
        model = stage_folder(scale, language, recipe, stage) / "model"
        if stage.name in chosen:
            data = corpus if isinstance(corpus, Corpus) else corpus[stage.name]
            manifests.append(train_stage(scale, language, recipe, at_size(scale, recipe, stage), data, seed, (steps or {}).get(stage.name), before))
        if (model / "config.json").exists():
            before = model
    return manifests if processes.is_main() else []
