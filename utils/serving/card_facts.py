"""Gather what the cards tell from the manifests of a course's folder: what is not on disk stays unknown."""

import dataclasses
import json
from pathlib import Path

from utils import runs
from utils.scales import SCALES, Scale, shrink

UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Score:
    """One kept evaluation, proven by its hash to be of these weights: its table by question type, and how often answers follow the picture."""

    language: str
    split: str
    style: str
    table: list[dict]
    seeing: dict | None

    def overall(self) -> dict:
        return next(row for row in self.table if row["type"] == "all")


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that the cards say. An empty dict, list or None is what no manifest tells.

    `training` is the stage's manifest, `report` the translation's, `rows` the recipe's fields as training/recipes.py's
    `provenance` lists them, `files` and `english` the corpus as it lies on disk now, `scores` are this model's (those in its
    own language first) and `start_scores` those of the model it started from.
    """

    training: dict
    config: dict
    export: dict
    report: dict
    pictures: dict
    files: list[dict]
    english: list[dict]
    rows: list[dict]
    scale: Scale | None
    scores: list[Score]
    start_scores: list[Score]

    def said(self, name: str) -> str:
        """A word of the training's manifest, "unknown" where it has none."""
        return str(self.training.get(name) or UNKNOWN)

    @property
    def engine(self) -> str:
        """The translator; "gold" where the picture world's own text stood in for one, "" where it is not known."""
        return str(self.report.get("engine") or "")

    @property
    def start(self) -> str | None:
        """What it started from: "data" (the shipped base) or a hub's name; None where it is not known, as for classes with starts of their own."""
        return self.scale.weights if self.scale and self.config.get("model_type") == "llava" else None


def gather(course_folder: Path, model_folder: Path, out: Path, recipes: dict[str, list[dict]] | None = None) -> Facts:
    """The facts of a model in `model_folder`, made in `course_folder` (outputs/<scale>/<language>) and exported to `out`.

    `recipes` holds the fields of recipes by their names: those of the one that the manifest names are taken.
    """
    course_folder, model_folder, out = Path(course_folder), Path(model_folder), Path(out)
    training = read(model_folder.parent / runs.MANIFEST)
    if not training.get("recipe"):
        training = {}  # some other folder's manifest
    scale = scale_of(str(training.get("scale", "")))
    report = read(course_folder / "corpus" / "report.json")
    english = course_folder.parent / "english"
    scores = scores_of(course_folder, weights_of(model_folder))
    rows = (recipes or {}).get(str(training.get("recipe")), [])
    return Facts(
        training=training, config=read(model_folder / "config.json"), export=read(out / "export.json"), report=report,
        pictures=read(english / runs.MANIFEST), files=_files(course_folder / "corpus", report.get("files", {})),
        english=_files(english, report.get("files", {})) if english.is_dir() else [], rows=_own_rows(rows, training), scale=scale,
        scores=sorted(scores, key=lambda score: score.language != training.get("language")), start_scores=scores_of(course_folder, _start(scale)),
    )  # fmt: skip


def read(path: Path) -> dict:
    """A JSON object from a file; empty where it is missing, torn, or something else: then nothing is known."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def scale_of(name: str) -> Scale | None:
    """The record of a scale as manifests name it ("tiny", or "tiny-0.01" where a run was shrunk); None for an unknown name."""
    full, _, share = name.partition("-")
    if full not in SCALES:
        return None
    try:
        return shrink(SCALES[full], float(share)) if share else SCALES[full]
    except ValueError:
        return None


def weights_of(model_folder: Path) -> list[str]:
    """Hashes of a folder's weights, as evaluation/runner.py notes them."""
    return [runs.file_hash(path) for path in sorted(Path(model_folder).glob("*.safetensors"))]


def _start(scale: Scale | None) -> list[str] | str:
    """What a scale starts from, as evaluation/runner.py notes it: the shipped weights' hashes, or a hub's name."""
    from utils.models.load import SHIPPED

    if scale is None:
        return []
    return weights_of(SHIPPED) if scale.weights == "data" else scale.weights


def scores_of(course_folder: Path, weights: list[str] | str) -> list[Score]:
    """Every evaluation under a course's folder that was made with these weights: its manifest's hash says so, not its name."""
    from utils.evaluation.runner import CODE

    found = []
    for path in sorted(Path(course_folder).glob(f"evaluation/*/*/{runs.MANIFEST}")):
        told = read(path)
        what = [told.get(name) for name in ("language", "per_type", "split", "style")]
        proofs = [runs.text_hash(CODE, weights, *what, seen) for seen in (False, True)]
        result = read(path.with_name("result.json"))
        if weights and told.get("complete") is True and told.get("inputs") in proofs and result.get("table"):
            found.append(Score(told["language"], told["split"], told["style"], result["table"], result.get("seeing")))
    return found


def _files(folder: Path, told: dict) -> list[dict]:
    """The files that a translation's report names: its counts, and the hash of what lies there now."""
    found = []
    for name, counts in told.items():
        path = folder / Path(name).name  # a report is data: its names stay in the folder
        found.append({"file": path.name, **counts, "hash": runs.file_hash(path) if path.is_file() else UNKNOWN})
    return found


def _own_rows(rows: list[dict], training: dict) -> list[dict]:
    """The recipe's fields that speak of the trained stage or of all of them, "ours" told from what is assumed."""
    stage = f"stages.{training.get('stage')}."
    kept = [
        row | {"field": row["field"].removeprefix(stage)} for row in rows if not row["field"].startswith("stages.") or row["field"].startswith(stage)
    ]
    return [row | {"status": "ours" if row["status"] == "assumed" and row["source"].startswith("ours") else row["status"]} for row in kept]
