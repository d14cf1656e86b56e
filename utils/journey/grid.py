"""A sweep: languages × recipes × seeds, the notebooks executed for each by papermill with these parameters, one table of their numbers.

Every run has an output folder of its own, `outputs/sweep/<scale>/<language>_<recipe>_seed<n>`, so that none overwrites another. What all
runs of a language read alike, the English and the translated corpus and the translation memory, is made once, in the journey's own
folders, and linked into theirs; those folders have locks. The seed reaches the trainings as the variable SEED.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils import runs
from utils.journey.grid_table import csv_of, means, page_of, rows_of, text_of
from utils.journey.notebook import course_recipe
from utils.journey.preflight import problems, tell
from utils.journey.run import LOCK_WAIT, NOTEBOOKS, earlier_results, run_notebooks
from utils.languages import language as language_record
from utils.runs import UserError
from utils.scales import Scale, scale

CORPUS = "03_dataset_translation"  # makes the corpus that these notebooks read
READERS = frozenset(NOTEBOOKS[NOTEBOOKS.index(CORPUS) + 2 :])


@dataclass(frozen=True)
class Run:
    """One point of the grid."""

    scale: str
    language: str
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.language}_{self.recipe}_seed{self.seed}"


@contextlib.contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Environment variables set (None: absent) until the block ends; notebooks are processes of their own and inherit them."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def grid(scale_name: str, languages: Sequence[str], recipes: Sequence[str], seeds: Sequence[int]) -> list[Run]:
    """Every run in order; raises ValueError for an unknown language, recipe or seed before anything is done."""
    if min(seeds) < 0:
        raise ValueError(f"seed {min(seeds)} is below 0; use whole numbers from 0 up")
    names = [course_recipe(name).name for name in recipes]
    codes = [language_record(code).code for code in languages]
    return [Run(scale_name, *one) for one in itertools.product(*map(dict.fromkeys, (codes, names, seeds)))]


def ready_for(made: Sequence[Run], notebooks: Sequence[str], anyway: bool = False) -> bool:
    """The preflight of the sweep's languages and recipes, each problem told once; returns whether it may start."""
    with environment(SEED=None):
        size, told = scale(made[0].scale), {}
        for language, recipe in dict.fromkeys((run.language, run.recipe) for run in made):
            told |= dict.fromkeys(problems(size, made[0].scale, language, course_recipe(recipe), notebooks))
    tell(list(told), anyway)
    return anyway or not told


def sweep(made: Sequence[Run], notebooks: Sequence[str], cell_timeout: int | None = None) -> tuple[list[dict], Path]:
    """Do every run; returns the table's rows and its page. What is done is skipped, and a failed run does not lose the others.

    The table is written anew after each run, beside the runs: sweep.csv, sweep.html, sweep.json.
    """
    with environment(SEED=None):
        base, size = runs.outputs().absolute(), scale(made[0].scale)
        folder = runs.output_folder("sweep", size.name)
        results: dict[Run, dict] = {}
        with runs.lock(folder, wait=LOCK_WAIT):
            for number, run in enumerate(made, start=1):
                print(f"run {number} of {len(made)}: {run.language}, {run.recipe}, seed {run.seed}", flush=True)
                results[run] = _one(run, folder / run.name, base, size, notebooks, cell_timeout)
                page = _write(folder, size.name, made, results, notebooks)
    rows = rows_of(made, results)
    print(text_of(rows, means(rows)))
    return rows, page


def _one(run: Run, folder: Path, base: Path, size: Scale, notebooks: Sequence[str], cell_timeout: int | None) -> dict:
    """{"status", "seconds", "message", "headlines"} of one run. Raises nothing that the user can fix: it is the run's message."""
    began = time.monotonic()
    try:
        if READERS & set(notebooks) and CORPUS not in notebooks:
            _corpus(run, size, cell_timeout)
        with environment(OUTPUTS=str(folder.absolute()), SEED=str(run.seed)):
            own = scale(run.scale).name
            _link(folder, base, size.name, own, run.language)
            place = runs.output_folder(own, run.language)
            parameters = {"SCALE": run.scale, "LANGUAGE": run.language, "RECIPE": run.recipe}
            with runs.lock(place, wait=LOCK_WAIT):
                told = run_notebooks(place, parameters, notebooks, cell_timeout)
        failed = [one for one in told if one["status"] != "ok"]
        noted = place / "headlines.json"
        return {
            "status": "failed" if failed else "ok", "seconds": round(sum(one["seconds"] for one in told), 1),
            "message": "; ".join(f"{one['name']}: {one['message']}" for one in failed), "folder": f"{run.name}/{own}/{run.language}/notebooks",
            "headlines": runs.read_json(noted) if noted.exists() and not failed else {},
        }  # fmt: skip
    except (UserError, ValueError) as error:
        return {"status": "failed", "seconds": round(time.monotonic() - began, 1), "message": str(error), "folder": "", "headlines": {}}


def _corpus(run: Run, size: Scale, cell_timeout: int | None) -> None:
    """The language's corpus, made by notebook 03 in the journey's own folder where it is not there; raises UserError when that fails."""
    place = runs.output_folder(size.name, run.language)
    parameters = {"SCALE": run.scale, "LANGUAGE": run.language, "RECIPE": run.recipe}
    with runs.lock(place, wait=LOCK_WAIT):
        if (place / "corpus" / "report.json").exists():
            return
        told = run_notebooks(place, parameters, (CORPUS,), cell_timeout, earlier_results(place, parameters, (CORPUS,)))[0]
    if told["status"] != "ok":
        raise UserError(f"notebook 03 could not make the corpus ({told['message']}); run it alone: make journey LANGUAGE={run.language}")


def _link(folder: Path, base: Path, shared: str, own: str, language: str) -> None:
    """Let a run read what is shared: the English corpus, the language's corpus, the translation memory."""
    for there, here in (
        (base / shared / "english", folder / own / "english"), (base / shared / language / "corpus", folder / own / language / "corpus"),
        (base / "memory", folder / "memory"),
    ):  # fmt: skip
        if there.exists() and not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(os.path.relpath(there, here.parent), target_is_directory=True)


def _write(folder: Path, scale_name: str, made: Sequence[Run], results: dict[Run, dict], notebooks: Sequence[str]) -> Path:
    rows = rows_of(made, results)
    table = means(rows)
    runs.write_json(folder / "sweep.json", {"scale": scale_name, "notebooks": list(notebooks), "runs": rows, "means": table})
    runs.write_text(folder / "sweep.csv", csv_of(rows))
    runs.write_text(folder / "sweep.html", page_of(rows, table, scale_name, notebooks))
    return folder / "sweep.html"
