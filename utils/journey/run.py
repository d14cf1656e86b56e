"""The journey: every notebook in order, headless, resumable; then one report page."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from utils import runs
from utils.journey.gates import gate, line_of_gates
from utils.journey.notebook import Course, course_recipe
from utils.journey.preflight import ready
from utils.journey.report import tidy, to_html, write_report
from utils.journey.timing import cell_times, overhead
from utils.languages import language
from utils.scales import chosen_seed, scale

NOTEBOOKS = (
    "00_start_here", "01_architecture_taxonomy", "02_vlt5_and_llava", "03_dataset_translation", "04_recipes_and_memory", "05_llava_finetuning",
    "06_qualitative_review", "07_evaluation", "08_idioms_semeval", "09_other_systems", "10_share_your_model",
)  # fmt: skip
SOURCES = runs.ROOT / "notebooks"
WEEK = 7 * 86_400
# Seconds. Elsewhere a cell may train for days, and a notebook has no limit of its own: its cells have.
CELL_TIMEOUT = {"tiny": 3600}  # notebook 09 took 46 minutes in all where six other jobs had the cores
NOTEBOOK_TIMEOUT = {"tiny": 10_800}
LOCK_WAIT = 5  # seconds until the same journey, started twice, gives up
CHOICES = ("WEIGHTS", "ENGINE")  # environment variables that change what notebooks make, beside SEED
KEPT = ("peak_memory_mb", "gpu_memory_mb")  # what a notebook's manifest tells of its own run


def chosen(asked: Sequence[str] | None) -> tuple[str, ...]:
    """The notebooks of these numbers ("05") or names, in the course's order; all without any. Raises ValueError for an unknown one."""
    if not asked:
        return NOTEBOOKS
    known = {key: name for name in NOTEBOOKS for key in (name, name.partition("_")[0])}
    for one in asked:
        if one.removesuffix(".ipynb") not in known:
            raise ValueError(f"there is no notebook {one!r}; use numbers or names of: {', '.join(NOTEBOOKS)}")
    wanted = {known[one.removesuffix(".ipynb")] for one in asked}
    return tuple(name for name in NOTEBOOKS if name in wanted)


def _code_hash() -> str:
    """One hash of everything a notebook's result depends on beside its own text: the code and the shipped model."""
    files = [*sorted((runs.ROOT / "utils").rglob("*.py")), runs.ROOT / "data" / "base" / runs.MANIFEST]
    return runs.text_hash(*[(path.name, runs.file_hash(path)) for path in files if path.exists()])


def _run_one(name: str, folder: Path, parameters: dict, kind: str, cell_timeout: int | None = None) -> dict:
    """Execute one notebook; returns {"name", "status", "seconds", …}. Raises nothing: a failure is a status."""
    source, target = SOURCES / f"{name}.ipynb", folder / "notebooks" / f"{name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    inputs = runs.text_hash(runs.file_hash(source), parameters, _code_hash(), chosen_seed(), *map(os.environ.get, CHOICES))
    done = runs.complete(target.parent / name, inputs)
    if done:
        told = {key: done[key] for key in KEPT if key in done}
        return {"name": name, "status": "ok", "seconds": done["seconds"], "skipped": True, **told, **cell_times(target)}
    started, began = time.monotonic(), time.time()
    limit = cell_timeout or CELL_TIMEOUT.get(kind, WEEK)
    command = [sys.executable, "-m", "utils.journey.execute", str(source), str(target), json.dumps(parameters), str(limit)]
    told = _execute(command, target.with_suffix(".log"), None if cell_timeout else NOTEBOOK_TIMEOUT.get(kind))
    tidy(target)
    told |= _gpu_memory(folder, began) | cell_times(target)
    seconds = round(time.monotonic() - started, 1)
    if "message" in told:
        return {"name": name, "status": "failed", "seconds": seconds, "skipped": False, **told}
    runs.finish(target.parent / name, inputs, started, **{key: told[key] for key in KEPT if key in told})
    return {"name": name, "status": "ok", "seconds": seconds, "skipped": False, **told}


def _execute(command: list[str], log: Path, limit: int | None) -> dict:
    """What the process told at its end, with {"cell", "message"} where it failed; its log is appended to an older one."""
    with open(log, "a", encoding="utf-8") as file:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} started", file=file, flush=True)
        size = file.tell()
        try:
            ended = subprocess.run(command, cwd=runs.ROOT, stdout=subprocess.PIPE, stderr=file, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return {"cell": None, "message": f"the notebook ran longer than {limit} s"}
    told = _told(ended.stdout)
    if ended.returncode and "message" not in told:
        told |= {"cell": None, "message": _last_line(log, size)}
    return told


def _told(printed: str) -> dict:
    for line in reversed(printed.splitlines()):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    return {}


def _last_line(log: Path, start: int) -> str:
    last = log.read_bytes()[start:].decode("utf-8", "replace").strip().splitlines()
    return last[-1][:500] if last else "it ended without a word"


def _gpu_memory(folder: Path, began: float) -> dict:
    """{"gpu_memory_mb"}: the most that a stage finished since `began` (seconds of the clock) held on a GPU, by its manifest."""
    found = [0]
    for path in folder.rglob(runs.MANIFEST):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # one that is just being written, or is no manifest of ours
            if path.stat().st_mtime >= began:
                found.append(json.loads(path.read_text(encoding="utf-8")).get("gpu_memory_mb") or 0)
    return {"gpu_memory_mb": max(found)} if max(found) else {}


def run_notebooks(
    folder: Path, parameters: dict, notebooks: Sequence[str], cell_timeout: int | None = None, earlier: Sequence[dict] = ()
) -> list[dict]:
    """Run notebooks in order into a folder that is locked; prints a line each, and writes journey.json and a page after each.

    `earlier` are results of other notebooks, told again in journey.json. Stopped, the notebook that ran is told as stopped.
    """
    results: list[dict] = []
    for number, name in enumerate(notebooks, start=1):
        print(f"[{number}/{len(notebooks)}] {name} … ", end="", flush=True)
        began = time.monotonic()
        try:
            result = _run_one(name, folder, parameters, parameters["SCALE"], cell_timeout)
        except KeyboardInterrupt:
            results.append({"name": name, "status": "stopped", "seconds": round(time.monotonic() - began, 1), "skipped": False, "message": "stopped"})
            write_journey(folder, parameters, _in_order([*earlier, *results]))
            raise
        results.append(result)
        print(_line(result), flush=True)
        to_html(folder / "notebooks" / f"{name}.ipynb")
        write_journey(folder, parameters, _in_order([*earlier, *results]))
    return results


def _in_order(results: Sequence[dict]) -> list[dict]:
    return sorted(results, key=lambda one: one["name"])


def earlier_results(folder: Path, parameters: dict, notebooks: Sequence[str]) -> list[dict]:
    """Results in journey.json, of the same parameters, of notebooks that are not to run now."""
    path = folder / "journey.json"
    told = runs.read_json(path) if path.exists() else {}
    if told.get("parameters") != parameters:
        return []
    return [{**one, "skipped": True} for one in told["notebooks"] if one["name"] not in notebooks]


def journey_command(options: argparse.Namespace) -> int:
    """0 all green, 1 a notebook failed, 2 it could not start (preflight); `--preflight` ends with 0 or 2. A stopped one ends with 130."""
    notebooks, size = chosen(options.notebooks), scale(options.scale)
    anyway = options.anyway and not options.preflight
    fine = ready(size, options.scale, language(options.language).code, course_recipe(options.recipe), notebooks, anyway)
    if options.preflight:
        print(f"preflight, {size.name}: " + ("nothing is missing" if fine else "not ready; nothing was written"))
    if options.preflight or not fine:
        return 0 if fine else 2
    stop_as_ctrl_c()
    return run_journey(options.scale, options.language, options.recipe, notebooks, options.cell_timeout)


def stop_as_ctrl_c() -> None:
    """Take the signal with which schedulers and `kill` end a program as Ctrl-C: what is done is told, and the exit code is 130."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def run_journey(
    scale_name: str, language_code: str, recipe_name: str, notebooks: tuple[str, ...] = NOTEBOOKS, cell_timeout: int | None = None
) -> int:
    """Run the notebooks in order; prints a line each and a summary; returns 1 when one failed, else 0.

    `cell_timeout` (seconds) replaces the scale's own, and then a notebook as a whole has no limit.
    """
    size, target, recipe = scale(scale_name), language(language_code), course_recipe(recipe_name)
    folder = runs.output_folder(size.name, target.code)
    parameters = {"SCALE": scale_name, "LANGUAGE": target.code, "RECIPE": recipe.name}
    started = time.monotonic()
    with runs.lock(folder, wait=LOCK_WAIT):
        if told := Course(size, target, recipe, folder).told():
            print(told)
        earlier = earlier_results(folder, parameters, notebooks)
        results = run_notebooks(folder, parameters, notebooks, cell_timeout, earlier)
        gates = line_of_gates(gate(None, scale_name, target.code, recipe.name))
        spent = overhead(time.monotonic() - started, results)
        every = _in_order([*earlier, *results])
        write_journey(folder, parameters, every, spent)
        report = write_report(folder, parameters, every, spent)
    failed = [one["name"] for one in results if one["status"] != "ok"]
    print(gates)
    minutes = (time.monotonic() - started) / 60
    print(f"{len(results) - len(failed)} of {len(results)} notebooks ok in {minutes:.1f} minutes; report: {report}")
    return int(bool(failed))


def _line(result: dict) -> str:
    if result["status"] == "ok":
        return f"ok, {result['seconds']:.0f} s" + (" (done before)" if result["skipped"] else "")
    where = f"cell {result['cell']}: " if result.get("cell") is not None else ""
    return f"FAILED after {result['seconds']:.0f} s, {where}{result['message']}"


def write_journey(folder: Path, parameters: dict, results: list[dict], spent: dict | None = None) -> None:
    """`journey.json`: parameters, notebooks with status, seconds and memory, versions, headline numbers, at the end the overhead."""
    headlines = folder / "headlines.json"
    runs.write_json(
        folder / "journey.json",
        {
            "parameters": parameters, "notebooks": results, "overhead": spent, "versions": runs.versions(),
            "headlines": runs.read_json(headlines) if headlines.exists() else {},
        },
    )  # fmt: skip
