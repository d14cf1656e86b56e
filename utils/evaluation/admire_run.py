"""`python -m utils evaluate --task admire-a|admire-b`: a model folder ranks AdMIRe's pictures, one picture at a time.

An item with a picture that cannot be shown is not answered: the official scorer wants every item, so it counts as wrong
and is named. Likelihoods are kept as they come; the next run asks only what is missing.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from utils import runs
from utils.corpus.images import load_picture
from utils.evaluation import admire, score_text
from utils.evaluation.admire import Item, Prediction
from utils.evaluation.admire_files import PICTURES
from utils.evaluation.admire_models import Score, baselines_a, baselines_b, llava_score, rank_by_likelihood, type_by_likelihood
from utils.evaluation.published import Left, answers_folder, model_key, opener, teller
from utils.evaluation.run_tasks import kept
from utils.runs import UserError
from utils.scales import TINY, Scale

CODE = "1"  # raise when the questions change: kept likelihoods are then measured again
LANGUAGES = {"a": ("pt-BR", "en"), "b": ("en",)}  # in which the data was published; it is native and never translated
STORY = ("s1.png", "s2.png")  # the first two pictures of part B's stories
ROUNDS = {"a": 10, "b": 8}  # orders of an item's pictures: each stands twice in each place


def evaluate_admire(
    model_folder: Path | str, part: str, data: Path, images: Path, out: Path, language: str, limit: int | None = None, scale: Scale = TINY,
) -> dict:  # fmt: skip
    """Rank (part "a") or choose (part "b") every item's pictures by likelihood; write scores, baselines and places to `out`.

    Beside `out`, in `<name>-answers/`: every likelihood, and the submission in the official layout. Each item is ranked in
    several orders of its pictures: "order_dependence" is the largest `dependence` found, 0 for a model that is asked for one
    picture at a time. A file that hides its answers has a submission and no score. Raises UserError for what cannot be read.
    """
    if language not in LANGUAGES[part]:
        raise UserError(f"AdMIRe part {part.upper()} is in {' and '.join(LANGUAGES[part])}, not in {language!r}; name one with --language")
    items = admire.read_items(Path(data), part)[:limit]
    _checked(items, part, Path(data))
    opened = opener(model_folder, scale)
    place, left = answers_folder(out, data), Left()
    with runs.lock(place):
        name = runs.text_hash(CODE, model_key(model_folder), str(Path(images).resolve()))
        score = _kept_score(opened, Path(images), place / f"admire-{name}.jsonl", language, teller(f"admire-{part}"))
        said, orders = _answers(score, items, part, language, Path(images), left)
    submission = place / f"submission_{language[:2]}.tsv"
    admire.write_predictions(submission, said, part)
    result = {
        "task": f"admire-{part}", "language": language, "model": Path(model_folder).name, "limit": limit, "items": len(items),
        "complete": not left.count, "order_dependence": max((one["dependence"] for one in orders), default=0.0), "rounds": ROUNDS[part],
        "pictures": {"left_out": left.count, "named": left.named, "rule": "an item without one of its pictures is not answered and counts as wrong"},
        "submission": f"{place.name}/{submission.name}", **_scores(items, said, part),
    }  # fmt: skip
    runs.write_json(out, score_text.plain(result))
    return result


def _scores(items: Sequence[Item], said: Sequence[Prediction], part: str) -> dict:
    """The official figures and the baselines; None where the file hides what they need."""
    typed = all(item.sentence_type for item in items)
    if any(not item.gold for item in items) or (part == "b" and not typed):
        return {"score": None, "baselines": None}
    score, baselines = (admire.score_a, baselines_a) if part == "a" else (admire.score_b, baselines_b)
    return {"score": score(items, said), "baselines": baselines(items) if typed else None}


def _checked(items: Sequence[Item], part: str, data: Path) -> None:
    """Refuse a file from which nothing can be asked, such as the scorer's own, which names no pictures."""
    for item in items:
        if len(item.images) != PICTURES[part] or not (item.sentence if part == "a" else item.sequence):
            wanted = "sentence" if part == "a" else "sequence_caption1 and 2"
            raise UserError(f"{data}: the item {item.compound!r} has no image1_name to image{PICTURES[part]}_name or no {wanted}; give the full file")


def _flaw(images: Path, item: Item, part: str) -> str | None:
    """Why an item cannot be shown; None for a sound one."""
    for name in (*item.images, *(STORY if part == "b" else ())):
        try:
            load_picture(admire.picture_path(images, f"{item.compound}/{name}"))
        except UserError as error:
            return str(error)
    return None


def _answers(score: Score, items: Sequence[Item], part: str, language: str, images: Path, left: Left) -> tuple[list[Prediction], list[dict]]:
    """An answer for each item, () where a picture cannot be shown, and how each of the others was ranked."""
    said, orders = [], []
    for item in items:
        flaw = _flaw(images, item, part)
        if flaw:
            left.add(item.compound, flaw)
            said.append(Prediction(item.compound, ()))
            continue
        found = admire.permuted(lambda shown: rank_by_likelihood(score, shown, language), item, ROUNDS[part])
        sense = type_by_likelihood(score, item) if part == "b" else ""
        said.append(Prediction(item.compound, found["order"][: None if part == "a" else 1], sense))
        orders.append(found)
    return said, orders


def _kept_score(opened: Callable[[], tuple], images: Path, out: Path, language: str, progress: Callable[[int], None]) -> Score:
    """A score that asks the model once for each picture and question, and reads what `out` holds."""
    done = {key: float(line["score"]) for key, line in kept(out).items()}
    models: list[Score] = []

    def score(picture: str, asked: str) -> float:
        key = runs.text_hash(language, picture, asked)
        if key not in done:
            if not models:
                models.append(llava_score(*opened(), images, language))
            done[key] = models[0](picture, asked)
            with open(out, "a", encoding="utf-8") as file:
                file.write(json.dumps({"id": key, "picture": picture, "score": score_text.plain(done[key])}, ensure_ascii=False) + "\n")
            progress(1)
        return done[key]

    return score


def text_of(result: dict) -> str:
    """A result as the lines that the command prints; baselines beside the figures."""
    file = {"file": result["model"], **(result["score"] or {})}
    lines = [f"{result['task']}: {result['items']} items; the file hides its answers, so there is no score"]
    if result["score"]:
        headline = "top1" if result["task"] == "admire-a" else "item"
        shared = {"gold": f"{result['items']} items", "language": result["language"], "headline": headline}
        lines = [score_text.text_of({"task": result["task"], "files": [file], **shared})]
        for name, found in (result["baselines"] or {}).items():
            whole = found.get("all", found)
            lines.append(f"  baseline {name}: " + ", ".join(f"{key} {value:.3g}" for key, value in whole.items() if key != "items"))
    lines.append(f"  order dependence {result['order_dependence']:.3g} over {result['rounds']} orders; submission: {result['submission']}")
    if result["pictures"]["left_out"]:
        lines.append(f"  {result['pictures']['left_out']} items not answered, the first: {result['pictures']['named'][0]['reason']}")
    return "\n".join(lines)
