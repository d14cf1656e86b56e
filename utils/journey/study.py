"""The taxonomy's study: every fusion trained with several seeds and shares of the data, scored, and given a second modality.

It takes hours of one core, so its numbers travel with the repository (`data/taxonomy/study.json`) and one command makes them again:
`python -m utils study`. Finished runs skip themselves; a killed one goes on.
"""

import dataclasses
import inspect
import itertools
import multiprocessing
import platform
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from utils import runs

SEEDS, SHARES = (0, 1, 2), (0.25, 0.5, 1.0)
ONE_SEED = (0,)  # for the second modality and the control, and the page says so
CONTROLS = ("projector",)  # trained once more without the base's projector: how much of a head start is that?
PER_TYPE = 40  # held-out questions of each type
SHIPPED = runs.ROOT / "data" / "taxonomy"
LENGTHS = (64, 256, 1024)  # tokens of a row, for time against length
REPEATS = 5  # timed calls of each length; the median counts


def own_lines(module) -> int:
    """Lines of code that a fusion's file spends on a second modality: those of its functions for it, and any other that names it."""
    named = [
        source for name in ("add_second", "prepare_second") if hasattr(module, name) for source in _code(inspect.getsource(getattr(module, name)))
    ]
    whole = _code(inspect.getsource(module))
    return len(named) + sum("second" in line for line in whole if line not in named)


def _code(source: str) -> list[str]:
    """Lines that do something: no blank ones, no comments, no docstrings."""
    lines, inside = [], False
    for line in (line.strip() for line in source.splitlines()):
        quotes = line.count('"""')
        if not inside and not quotes and line and not line.startswith("#"):
            lines.append(line)
        inside ^= quotes == 1
    return lines


def one_run(name: str, seed: int, share: float, language: str, folder: Path, budget=None) -> dict:
    """Train and score one fusion; returns its row: right and total by type, the swap test, drawings, seconds, memory."""
    import torch

    from utils.evaluation.fusions import evaluate_fusion
    from utils.training.fusions import Budget, train_fusion

    torch.set_num_threads(1)
    folder = Path(folder) / f"{name}-{seed}-{share:g}"
    made = train_fusion(name, seed, share, folder, language, budget or Budget())
    scored = evaluate_fusion(name, folder, language, PER_TYPE)
    types = {row["type"]: {key: row[key] for key in ("right", "total", "share", "low", "high", "baseline", "in_language")} for row in scored["table"]}
    seen = scored["seeing"]
    return {
        "fusion": name, "letter": made["letter"], "seed": seed, "share": share, "pictures": made["budget"]["pictures"], "steps": made["steps"],
        "types": types, "seeing": seen, "drawing": scored.get("drawing"), "parameters": made["parameters"], "inputs": made["inputs"],
        "cpu_seconds": made["cpu_seconds"], "peak_mb": made["peak_memory_mb"], "answer_seconds": scored["answer_seconds"],
    }  # fmt: skip


def one_second(name: str, seed: int, language: str, folder: Path, budget=None) -> dict:
    """Give the fusion that learnt from all data a second modality; returns its row: lines, parameters added, sounds and pictures after."""
    import torch

    from utils.evaluation.second_modality import evaluate_second
    from utils.models.fusions import fusion
    from utils.training.second_modality import CODE, SecondBudget, train_second

    torch.set_num_threads(1)
    start, out = Path(folder) / f"{name}-{seed}-1", Path(folder) / f"{name}-{seed}-second"
    made = train_second(name, seed, start, out, language, budget or SecondBudget())
    found = evaluate_second(name, out, language, PER_TYPE)
    pictures = next(row for row in found["pictures"] if row["type"] == "all")
    return {
        "fusion": name, "letter": fusion(name).LETTER, "seed": seed, "lines": own_lines(fusion(name)), "added": made["added"],
        "cpu_seconds": made["cpu_seconds"], "sounds": found["sounds"], "pictures": pictures["share"], "code": CODE,
    }  # fmt: skip


def seconds_by_length(names: Sequence[str]) -> list[dict]:
    """Seconds of one forward pass over rows of growing length, one thread, no picture: the language model with its fusion's layers alone."""
    import torch

    from utils.models.fusions import fusion
    from utils.models.fusions.parts import base_tokenizer

    torch.set_num_threads(1)
    tokenizer, rows = base_tokenizer(), []
    for name in names:
        core = fusion(name).build(tokenizer, 0).eval().language.base_model
        for length in LENGTHS:
            vectors, times = torch.randn(1, length, core.get_input_embeddings().embedding_dim), []
            for _ in range(REPEATS + 1):
                began = time.perf_counter()
                with torch.no_grad():
                    core(inputs_embeds=vectors, use_cache=False)
                times.append(time.perf_counter() - began)
            rows.append({"fusion": name, "tokens": length, "seconds": sorted(times[1:])[REPEATS // 2]})
    return rows


def _each(pool, work, arguments: Sequence[tuple]) -> list[dict]:
    waiting = [pool.submit(work, *some) for some in arguments]
    return [one.result() for one in waiting]


def study(
    language: str,
    names: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    shares: Sequence[float] = SHARES,
    workers: int = 1,
    budgets: tuple = (None, None),
) -> dict:
    """Run all of it and write `study.json` and, where a fusion draws, `drawings.png` to the taxonomy's outputs; returns the study.

    `workers` processes of one thread each. `budgets`: those of the pictures and of the second modality; the defaults where None.
    """
    from utils.models.fusions import fusions
    from utils.training.fusions import Budget

    names, budget = tuple(names) or tuple(fusions()), budgets[0] or Budget()
    folder = runs.output_folder("tiny", language, "taxonomy")
    control = dataclasses.replace(budget, new_connector=True), folder / "new_connector"
    plain = [(*run, language, folder, budget) for run in itertools.product(names, seeds, shares)]
    extra = [(name, seed, 1.0, language, control[1], control[0]) for name in names if name in CONTROLS for seed in ONE_SEED if seed in seeds]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        rows = _each(pool, one_run, sorted(plain, key=lambda run: -run[2]))
        second = _each(pool, one_second, [(name, seed, language, folder, budgets[1]) for name in names for seed in ONE_SEED if seed in seeds])
        controls = _each(pool, one_run, extra)
    order = {name: number for number, name in enumerate(names)}
    rows.sort(key=lambda row: (order[row["fusion"]], row["seed"], row["share"]))
    found = {
        "scale": "tiny", "language": language, "made": time.strftime("%Y-%m-%d"), "machine": platform.machine(), "versions": runs.versions(),
        "runs": rows, "second": second, "controls": controls, "lengths": seconds_by_length([name for name in names if name in ("projector", "state_space")]),
    }  # fmt: skip
    runs.write_json(folder / "study.json", found)
    draw_sheet(language, names, seeds[0], folder)
    return found


def draw_sheet(language: str, names: Sequence[str], seed: int, folder: Path) -> None:
    """Write `drawings.png`: what each fusion that draws makes of held-out texts."""
    from utils.evaluation.fusions import drawing_sheet
    from utils.models.fusions import fusion

    for name in names:
        if getattr(fusion(name), "DRAWS", False):
            drawing_sheet(name, folder / f"{name}-{seed}-1", language).save(folder / "drawings.png")


def install(language: str) -> Path:
    """Copy this machine's study to the folder that travels with the repository; returns the folder."""
    own = runs.output_folder("tiny", language, "taxonomy")
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for name in ("drawings.png", "study.json"):
        if (own / name).exists():
            shutil.copyfile(own / name, SHIPPED / name)
    return SHIPPED


def again(name: str, seed: int, share: float, language: str) -> dict:
    """Train and score one fusion here and now, in a process of its own with one thread; returns its row. Finished, it skips itself."""
    folder = runs.output_folder("tiny", language, "taxonomy")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(one_run, name, seed, share, language, folder).result()


def shipped_or_own(language: str) -> tuple[dict, Path]:
    """(study, folder): this machine's own study in the language where there is one, else the one that travels with the repository.

    The study names its language. Raises UserError where neither is there.
    """
    for folder in (runs.outputs() / "tiny" / language / "taxonomy", SHIPPED):
        if (folder / "study.json").exists():
            return runs.read_json(folder / "study.json"), folder
    raise runs.UserError(f"{SHIPPED / 'study.json'} is missing; take it from the repository, or make it with: python -m utils study --install")
