"""Did machine translation hurt? The same recipe trained on machine-translated text, on gold text and on both, three seeds each.

It takes hours of one core, so its answers travel with the repository (`data/translation_harm/harm.json`) and one command makes
them again: `python -m utils harm`. Finished runs skip themselves; a killed one goes on.
"""

import dataclasses
import itertools
import multiprocessing
import platform
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from utils import runs
from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.scenes.grammar import say
from utils.evaluation.scenes_task import Answer, ask_all, questions
from utils.journey.steps import corpus_of, prepare_corpus
from utils.scales import Scale
from utils.scales import scale as scale_record
from utils.training.recipes import LLAVA_PT, Recipe
from utils.training.stages import Corpus, stage_folder, train_stage
from utils.translation.engines import ENGINES, parse

TEXTS, SEEDS = ("machine", "gold", "both"), (0, 1, 2)
PER_TYPE = 100  # held-out questions of each type
ENGINE = "bergamot"  # the translator of the corpus, and of the questions in its wording
SHIPPED = runs.ROOT / "data" / "translation_harm"
CODE = "1"  # raise when questions or judging change: kept answers are then asked again


def gold_corpus(machine: Corpus, language: str, folder: Path) -> Corpus:
    """The same rows as the machine-translated corpus in gold text, written to `folder`: rows that a gate held are missing in both."""
    files = []
    for translated, english in zip(machine.translated, machine.english, strict=True):
        kept = {row["id"] for row in read_rows(translated)}
        files.append(folder / translated.name)
        write_rows(files[-1], [row for row in read_rows(english.parent / "gold" / language / english.name) if row["id"] in kept])
    return dataclasses.replace(machine, translated=tuple(files))


def corpora(scale: Scale, language: str, folder: Path) -> dict[str, Corpus]:
    """What each kind of text trains on. "both" has every row in both wordings: twice the text for the same number of steps."""
    machine = corpus_of(scale, language)
    gold = gold_corpus(machine, language, folder / "gold")
    both = Corpus((*machine.translated, *gold.translated), (*machine.english, *gold.english), machine.images)
    return dict(zip(TEXTS, (machine, gold, both), strict=True))


def named(text: str, seed: int) -> Recipe:
    """The journey's recipe under a name of its own, so that each run has its folder."""
    return dataclasses.replace(LLAVA_PT, name=f"translation-harm/{text}-{seed}", facts=())


def wordings(asks: Sequence, language: str) -> dict[str, list[str]]:
    """The questions as people would ask them (gold), and as the translator words them."""
    engine, setup = parse(ENGINE)
    english = [say(ask, "en")[0] for ask in asks]
    unique = list(dict.fromkeys(english))
    said = dict(zip(unique, ENGINES[engine].translate(unique, language, setup), strict=True))
    return {"gold": [say(ask, language)[0] for ask in asks], "machine": [said[text] for text in english]}


def _bits(answers: Sequence[Answer], right: Sequence[bool]) -> dict[str, str]:
    """Type -> one digit for each question, in order: enough for every paired test, and small."""
    found: dict[str, str] = {}
    for answer, good in zip(answers, right, strict=True):
        found[answer.type] = found.get(answer.type, "") + str(int(good))
    return found


def _told(answers: Sequence[Answer]) -> dict:
    """What is kept of the answers: right or not by question, how many are in the language, wrong answers by cause."""
    from utils.review.errors import cause

    causes: dict[str, Counter] = {}
    for answer in answers:
        if not answer.right:
            causes.setdefault(answer.type, Counter())[cause(answer)] += 1
    spoken = sum(answer.said_in == answer.asked_in for answer in answers)
    return {"right": _bits(answers, [answer.right for answer in answers]), "in_language": spoken, "causes": {k: dict(v) for k, v in causes.items()}}


def one_run(text: str, seed: int, corpus: Corpus, scale: Scale, language: str, per_type: int) -> dict:
    """Train and ask one model; returns its row. What is done is skipped."""
    import torch

    torch.set_num_threads(1)
    recipe = named(text, seed)
    stage = recipe.stages[-1]
    manifest = train_stage(scale, language, recipe, stage, corpus, seed=seed)
    model_folder = stage_folder(scale, language, recipe, stage) / "model"
    out = model_folder.parent / "asked"
    inputs = runs.text_hash(CODE, manifest["inputs"], per_type, runs.file_hash(model_folder / "model.safetensors"))
    if not runs.complete(out, inputs):
        runs.write_json(out / "told.json", _ask(model_folder, language, per_type, scale))
        runs.finish(out, inputs, time.monotonic())
    history = manifest["history"]
    tail = history[-max(1, len(history) // 10) :]
    return {
        "text": text, "seed": seed, "steps": manifest["steps"], "packs": manifest["packs"], "loss": sum(row["loss"] for row in tail) / len(tail),
        "asked": runs.read_json(out / "told.json"),
    }  # fmt: skip


def _ask(model_folder: Path, language: str, per_type: int, scale: Scale) -> dict:
    from utils.models.load import load_model

    model, tokenizer = load_model(model_folder, scale)
    asks = questions("known", per_type)
    return {name: _told(ask_all(model, tokenizer, asks, language, wording=wording)) for name, wording in wordings(asks, language).items()}


def harm(language: str, seeds: Sequence[int] = SEEDS, workers: int = 1, per_type: int = PER_TYPE, scale: Scale | None = None) -> dict:
    """Train and ask all of it in `workers` processes of one thread each; writes `harm.json` to its outputs and returns it.

    Raises UserError for a language that no offline engine translates into: there is nothing to compare with gold.
    """
    from utils.evaluation.translator_errors import error_table
    from utils.journey.steps import OFFLINE

    scale = scale or scale_record("tiny")
    if language not in OFFLINE:
        raise runs.UserError(
            f"no offline engine translates into {language}, so there is no machine text to compare; use one of: {', '.join(OFFLINE)}"
        )
    prepare_corpus(scale, language)
    folder = runs.output_folder(scale.name, language, "translation-harm")
    texts = corpora(scale, language, folder)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = [pool.submit(one_run, text, seed, texts[text], scale, language, per_type) for seed, text in itertools.product(seeds, TEXTS)]
        rows = [one.result() for one in waiting]
    english = texts["machine"].english[0].parent
    found = {
        "scale": scale.name, "language": language, "engine": ENGINE, "per_type": per_type, "made": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(), "versions": runs.versions(), "code": CODE, "start": runs.file_hash(runs.ROOT / "data/base/model.safetensors"),
        "rows": sum(len(read_rows(path)) for path in texts["machine"].translated), "runs": rows,
        "translator": error_table(english, texts["machine"].translated[0].parent, language),
    }  # fmt: skip
    runs.write_json(folder / "harm.json", found)
    return found


def install(language: str) -> Path:
    """Copy this machine's result to the folder that travels with the repository; returns the folder."""
    SHIPPED.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(runs.outputs() / "tiny" / language / "translation-harm" / "harm.json", SHIPPED / "harm.json")
    return SHIPPED


def shipped_or_own(language: str) -> dict:
    """This machine's own result in the language where there is one, else the one that travels with the repository; it names its language.

    Raises UserError where neither is there.
    """
    for path in (runs.outputs() / "tiny" / language / "translation-harm" / "harm.json", SHIPPED / "harm.json"):
        if path.exists():
            return runs.read_json(path)
    raise runs.UserError(f"{SHIPPED / 'harm.json'} is missing; take it from the repository, or make it with: python -m utils harm --install")
