"""A whole course made small, as the real writers leave it on disk: what the gates must accept, and the tests then spoil."""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import nbformat

from utils import runs
from utils.corpus.scenes.asks import truth
from utils.corpus.scenes.grammar import say
from utils.evaluation import runner
from utils.evaluation.reading import answer_language
from utils.evaluation.scenes_task import Answer, answer_key, questions, table
from utils.evaluation.scoring import judge
from utils.journey.run import SOURCES, write_journey
from utils.journey.steps import translate_corpus
from utils.journey.study import shipped_or_own
from utils.models.load import SHIPPED
from utils.review.ratings import LEVELS, rating_path, save_rating
from utils.review.sampling import from_scenes, read_review, sample, write_review
from utils.scales import TINY

CODE, PER_TYPE = "pt-BR", 8
WRONG = {CODE: ("É um vulcão.", "Não é isso.", "Sim, é um vulcão."), "en": ("It is a volcano.", "No, it is not.", "Yes, it is a volcano.")}
FALLING = [{"step": step, "loss": 5.0 / step} for step in range(1, 11)]
PARAMETERS = {"SCALE": "tiny", "LANGUAGE": CODE, "RECIPE": "llava-pt"}


def done(folder: Path, inputs: str = "of these data", **facts: object) -> None:
    """A finished run's manifest, with the mark that a training leaves beside it."""
    runs.write_json(folder / "inputs.json", inputs)
    runs.finish(folder, inputs, time.monotonic(), **facts)


def said_of(ask, spoken: str, right: bool) -> Answer:
    """An answer as `ask_all` keeps it: the gold text, or a wrong one in the same language."""
    question, gold = say(ask, spoken)
    tries = (gold,) if right else WRONG[spoken]
    said, verdict = next((text, got) for text in tries if (got := judge(text, ask.type, truth(ask), spoken)).right == right)
    code = answer_language(said, ("en", CODE, "it"))
    return Answer(ask.type, ask.scene, answer_key(ask), spoken, question, gold, truth(ask), said, verdict.right, verdict.share, code)


def evaluated(folder: Path, model: Path, spoken: str, wrong_of: int, split: str = "known", seeing: dict | None = None) -> list[Answer]:
    """Keep an evaluation in which every `wrong_of`-th answer is wrong (all with 1), as `evaluate` writes it."""
    answers = [said_of(ask, spoken, bool(number % wrong_of)) for number, ask in enumerate(questions(split, PER_TYPE))]
    keep(folder, answers, seeing)
    inputs = runner.inputs_of(model, spoken, PER_TYPE, split, "openmoji", seeing is not None)
    runs.finish(folder, inputs, time.monotonic(), language=spoken, split=split, style="openmoji", per_type=PER_TYPE)
    return answers


def keep(folder: Path, answers: list[Answer], seeing: dict | None) -> None:
    runs.write_json(folder / "result.json", {"table": table(answers), "answers": [dataclasses.asdict(a) for a in answers], "seeing": seeing})


def executed(name: str, folder: Path, parameters: dict) -> None:
    """A notebook of the course as papermill leaves it: parameters injected, every cell counted."""
    made = nbformat.read(SOURCES / f"{name}.ipynb", as_version=4)
    made.metadata["papermill"] = {"parameters": parameters}
    tags = [number for number, cell in enumerate(made.cells) if "parameters" in cell.metadata.get("tags", [])]
    made.cells.insert(tags[0] + 1, nbformat.v4.new_code_cell("SCALE = 'tiny'", metadata={"tags": ["injected-parameters"]}))
    for number, cell in enumerate(cell for cell in made.cells if cell.cell_type == "code"):
        cell.execution_count = number + 1
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    runs.finish(folder / "notebooks" / name, name, time.monotonic())


def taxonomy(folder: Path) -> None:
    """The point of the study that notebook 01 makes again, as good as the study's own."""
    study, _ = shipped_or_own(CODE)
    fewest = min(run["share"] for run in study["runs"])
    there = next(run for run in study["runs"] if (run["letter"], run["seed"], run["share"]) == ("C", 0, fewest))
    place = folder / "taxonomy" / f"projector-0-{fewest:g}"
    done(place, fusion="projector", language=CODE, history=FALLING)
    runs.finish(place / "scores" / "known", "x", time.monotonic(), fusion="projector", language=CODE)
    runs.write_json(place / "scores" / "known" / "result.json", {"table": [{"type": "all", **there["types"]["all"]}]})


def reviewed(folder: Path, found: dict[str, list[Answer]]) -> None:
    """A blind review that two people have rated in full."""
    place = write_review(folder / "review" / "first", sample(from_scenes(found), 1, 0), CODE, "tiny", 0, "Revisão")
    review = read_review(place)
    for rater in ("Ana", "José"):
        for item in review["items"]:
            scores = {name: levels[-1] for name, levels in LEVELS.items()}
            answers = {answer["id"]: {"scores": scores, "errors": [], "remark": ""} for answer in item["answers"]}
            rating = {"best": "tie", "answers": answers, "at": "2026-11-21T10:00:00Z", "seconds": 3}
            save_rating(rating_path(place, rater), review, rater, item["id"], rating)


def whole_course() -> Path:
    """Everything that a good journey with a review leaves in OUTPUTS; returns the folder of the language."""
    translate_corpus(dataclasses.replace(TINY, pictures=8), CODE)
    folder = runs.outputs() / "tiny" / CODE
    stage = folder / "llava-pt" / "instruct"
    shutil.copytree(SHIPPED, stage / "model", ignore=shutil.ignore_patterns(runs.MANIFEST))
    done(stage, scale="tiny", language=CODE, recipe="llava-pt", stage="instruct", steps=10, history=FALLING)
    answers = evaluated(folder / "evaluation" / "tuned" / CODE, stage / "model", CODE, 10, seeing={"right": 80, "changed": 76})
    before = evaluated(folder / "evaluation" / "base" / CODE, SHIPPED, CODE, 1)
    evaluated(folder / "evaluation" / "tuned" / "en", stage / "model", "en", 8)
    evaluated(folder / "evaluation" / "base" / "en", SHIPPED, "en", 20)
    for split in ("pairs", "counts", "colours"):
        evaluated(folder / "evaluation" / "splits" / f"{split}-openmoji", stage / "model", CODE, 5, split)
    taxonomy(folder)
    for place in ("vl_t5/pretrain", "vl_t5/tune", "llava"):
        done(folder / "probes" / place, language=CODE, history=FALLING)
    runs.write_json(
        folder / "headlines.json",
        {f"probe: {name}, right": share for name, share in (("VL-T5 as published", 0.5), ("VL-T5 tuned", 0.4), ("LLaVA tuned", 0.8))},
    )
    names = [path.stem for path in sorted(SOURCES.glob("*.ipynb"))]
    for name in names:
        executed(name, folder, PARAMETERS)
    write_journey(folder, PARAMETERS, [{"name": name, "status": "ok", "seconds": 1.0, "skipped": False} for name in names])
    reviewed(folder, {"tuned": answers, "base": before})
    return folder


def edit(path: Path, change) -> None:
    """Read JSON, let `change` alter it in place, write it back."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    runs.write_json(path, data)
