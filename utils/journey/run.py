"""The journey: every notebook in order, headless, resumable; then one report page."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from utils import runs
from utils.journey.gates import gate, line_of_gates
from utils.journey.notebook import Course, course_recipe
from utils.journey.report import to_html, write_report
from utils.languages import language
from utils.runs import UserError
from utils.scales import scale

NOTEBOOKS = (
    "00_start_here", "01_architecture_taxonomy", "02_vlt5_and_llava", "03_dataset_translation", "04_recipes_and_memory", "05_llava_finetuning",
    "06_qualitative_review", "07_evaluation", "08_idioms_semeval", "09_other_systems", "10_share_your_model",
)  # fmt: skip
SOURCES = runs.ROOT / "notebooks"
CELL_TIMEOUT = {"tiny": 1800}  # seconds; other scales: a day
NOTEBOOK_TIMEOUT = {"tiny": 3600}
DAY = 86_400


def _code_hash() -> str:
    """One hash of everything a notebook's result depends on beside its own text: the code and the shipped model."""
    files = [*sorted((runs.ROOT / "utils").rglob("*.py")), runs.ROOT / "data" / "base" / runs.MANIFEST]
    return runs.text_hash(*[(path.name, runs.file_hash(path)) for path in files if path.exists()])


def _run_one(name: str, folder: Path, parameters: dict, kind: str) -> dict:
    """Execute one notebook; returns {"name", "status", "seconds", …}. Raises nothing: a failure is a status."""
    source, target = SOURCES / f"{name}.ipynb", folder / "notebooks" / f"{name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    log = target.with_suffix(".log")
    inputs = runs.text_hash(runs.file_hash(source), parameters, _code_hash(), os.environ.get("WEIGHTS"))
    done = runs.complete(target.parent / name, inputs)
    if done:
        return {"name": name, "status": "ok", "seconds": done["seconds"], "skipped": True}
    started = time.monotonic()
    command = [sys.executable, "-m", "utils.journey.execute", str(source), str(target), json.dumps(parameters), str(CELL_TIMEOUT.get(kind, DAY))]
    try:
        with open(log, "w", encoding="utf-8") as errors:
            ended = subprocess.run(command, cwd=runs.ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=NOTEBOOK_TIMEOUT.get(kind, DAY))
        failure = None if ended.returncode == 0 else _failure(ended.stdout, log)
    except subprocess.TimeoutExpired:
        failure = {"cell": None, "message": f"the notebook ran longer than {NOTEBOOK_TIMEOUT.get(kind, DAY)} s"}
    seconds = round(time.monotonic() - started, 1)
    if failure:
        return {"name": name, "status": "failed", "seconds": seconds, "skipped": False, **failure}
    runs.finish(target.parent / name, inputs, started)
    return {"name": name, "status": "ok", "seconds": seconds, "skipped": False}


def _failure(printed: str, log: Path) -> dict:
    for line in reversed(printed.splitlines()):
        try:
            return json.loads(line)
        except ValueError:
            continue
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return {"cell": None, "message": last[-1][:500] if last else "it ended without a word"}


def run_journey(scale_name: str, language_code: str, recipe_name: str, notebooks: tuple[str, ...] = NOTEBOOKS) -> int:
    """Run the notebooks in order; prints a line each and a summary; returns 1 when one failed, else 0."""
    size, target, chosen = scale(scale_name), language(language_code), course_recipe(recipe_name)
    folder = runs.output_folder(size.name, target.code)
    if runs.free_space_mb(folder) < 500:
        raise UserError(f"only {runs.free_space_mb(folder)} MB are free in {folder}; the journey needs 500 MB, free space or set OUTPUTS")
    parameters = {"SCALE": scale_name, "LANGUAGE": target.code, "RECIPE": chosen.name}
    started, results = time.monotonic(), []
    with runs.lock(folder):
        if told := Course(size, target, chosen, folder).told():
            print(told)
        for number, name in enumerate(notebooks, start=1):
            print(f"[{number}/{len(notebooks)}] {name} … ", end="", flush=True)
            result = _run_one(name, folder, parameters, scale_name)
            results.append(result)
            print(_line(result), flush=True)
            to_html(folder / "notebooks" / f"{name}.ipynb")
            write_journey(folder, parameters, results)
        report = write_report(folder, parameters, results)
    failed = [r["name"] for r in results if r["status"] != "ok"]
    print(line_of_gates(gate(None, scale_name, target.code, chosen.name)))
    minutes = (time.monotonic() - started) / 60
    print(f"{len(results) - len(failed)} of {len(results)} notebooks ok in {minutes:.1f} minutes; report: {report}")
    return int(bool(failed))


def _line(result: dict) -> str:
    if result["status"] == "ok":
        return f"ok, {result['seconds']:.0f} s" + (" (done before)" if result["skipped"] else "")
    where = f"cell {result['cell']}: " if result.get("cell") is not None else ""
    return f"FAILED after {result['seconds']:.0f} s, {where}{result['message']}"


def write_journey(folder: Path, parameters: dict, results: list[dict]) -> None:
    """`journey.json`: parameters, notebooks with status and seconds, versions, headline numbers."""
    headlines = folder / "headlines.json"
    runs.write_json(
        folder / "journey.json",
        {
            "parameters": parameters, "notebooks": results, "versions": runs.versions(),
            "headlines": runs.read_json(headlines) if headlines.exists() else {},
        },
    )  # fmt: skip
