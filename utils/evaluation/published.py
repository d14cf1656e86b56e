"""`python -m utils evaluate --task`: put a model folder to a published test set, keep every answer, and write one result.

A row whose picture is missing, broken or outside the folder is not asked: it is counted and named under "pictures" and left
out of every score, because it says nothing of the model; the next run asks it. Scores of two models may be compared only
where both left out the same rows, so "complete" is false wherever a row is missing.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from utils import runs
from utils.corpus.images import MAX_PIXELS, inside, load_picture, misspelt
from utils.evaluation import run_tasks, score_text
from utils.evaluation.tasks import Row, Task, prompt, rows, task
from utils.languages import ALL
from utils.runs import UserError
from utils.scales import TINY, Scale

CODE = "1"  # raise when prompts or scoring change: kept answers are then asked again
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # xGQA and SEED-Bench name pictures without one
NAMED = 20  # rows named of those left out; all are counted
LONG_ANSWER = 1024  # tokens: reported in haotian-liu/LLaVA, predict.py, for its demo; assumed for the benchmark. Short answers get 96 (assumed)
BATCH = 16  # rows held in memory with their pictures
EVERY = 5.0  # seconds between two lines of progress


@dataclass
class Left:
    """Rows that could not be asked: how many, and the first of them with the reason."""

    count: int = 0
    named: list[dict] = field(default_factory=list)

    def add(self, of: str, reason: str) -> None:
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append({"id": of, "reason": reason})


def evaluate_published(
    model_folder: Path | str, task_name: str, data: Path | str, images: Path | None, out: Path, language: str,
    limit: int | None = None, part: str = "", scale: Scale = TINY,
) -> dict:  # fmt: skip
    """Ask a model every question of a published set (the first `limit`) and write scores, intervals and what was left out to `out`.

    `data` is the set's file or folder, or "hub"; `part` names one of several files or splits. Answers are kept beside `out`,
    in `<name>-answers/`, as they come: the same command goes on after a stop, and a greater `limit` asks only what is new.
    LLaVA-Bench has the perplexity of its gold answers too. Raises UserError for a set, a model or a folder that cannot be
    read, and when no picture at all can be.
    """
    of = task(task_name)
    if language not in ALL:
        raise UserError(f"language {language!r} is unknown; use one of: {', '.join(ALL)}")
    opened = opener(model_folder, scale)
    place = answers_folder(out, data)
    name = runs.text_hash(CODE, model_key(model_folder), task_name, language, part)
    answers, left, progress = place / f"answers-{name}.jsonl", Left(), teller(task_name)
    source = data if data == "hub" else Path(data)
    stream = lambda: islice(rows(of, source, part), limit)  # noqa: E731
    with runs.lock(place):
        shown = with_pictures(of, stream(), images, run_tasks.kept(answers), left)
        found = run_tasks.run_task(of, shown, _answerer(opened, of, left, progress), answers, language, BATCH)
        _some(found["items"], left, of, data)
        result: dict = {"score": found}
        if of.metric == "perplexity":
            result["perplexity"] = _perplexity(opened, of, stream(), images, place / f"likelihoods-{name}.jsonl", language)
    result = {
        "task": task_name, "source": of.source, "language": language, "part": part, "limit": limit, "model": Path(model_folder).name,
        "complete": not left.count and not result.get("perplexity", {}).get("left_out"), **result,
        "pictures": {"left_out": left.count, "named": left.named, "rule": "rows without a picture are in no score"},
        "answers": f"{place.name}/{answers.name}",
    }  # fmt: skip
    runs.write_json(out, score_text.plain(result))
    return result


def answers_folder(out: Path, data: Path | str) -> Path:
    """The folder beside `out` that keeps the answers; raises UserError inside `data`, where they would be taken for the set."""
    out = Path(out)
    if data != "hub" and Path(data).is_dir() and out.resolve().is_relative_to(Path(data).resolve()):
        raise UserError(f"--out {out} is inside the folder of the set, {data}; name a file elsewhere")
    return out.with_name(f"{out.stem}-answers")


def model_key(model_folder: Path | str) -> object:
    """What tells one model from another: the hashes of a folder's weights, else its name."""
    return [runs.file_hash(path) for path in sorted(Path(model_folder).glob("*.safetensors"))] or str(model_folder)


def opener(model_folder: Path | str, scale: Scale) -> Callable[[], tuple]:
    """A function that loads (model, tokenizer) at its first call: a finished run loads none."""
    kept: list[tuple] = []

    def opened() -> tuple:
        from utils.models.load import load_model

        if not kept:
            kept.append(load_model(model_folder, scale))
        return kept[0]

    if not Path(model_folder).exists() and str(model_folder) != scale.weights:
        raise UserError(f"{model_folder} is missing; name the folder of a model")
    return opened


def teller(what: str) -> Callable[[int], None]:
    """A function that counts what was done and prints a line every few seconds, on the error stream."""
    state = {"done": 0, "told": time.monotonic()}

    def tell(more: int) -> None:
        state["done"] += more
        if time.monotonic() - state["told"] > EVERY:
            state["told"] = time.monotonic()
            print(f"{what}: {state['done']} done in this run", file=sys.stderr, flush=True)

    return tell


def with_pictures(of: Task, some: Iterable[Row], images: Path | None, done: dict[str, dict], left: Left) -> Iterator[Row]:
    """The rows, each not yet `done` with its picture loaded; those without one are added to `left`.

    Raises UserError when an answer is kept that was judged by another gold answer or shown another picture.
    """
    listings: dict[Path, dict[str, str]] = {}
    for row in some:
        kept = done.get(row.id)
        if kept is not None:
            if (kept.get("gold", list(row.gold)), kept.get("image", row.image)) != (list(row.gold), row.image):
                raise UserError(f"{of.name}: the gold answer or picture of {row.id!r} changed since it was asked; name another --out")
            yield row
            continue
        try:
            yield dataclasses.replace(row, picture=_picture(row, images, listings))
        except UserError as error:
            left.add(row.id, str(error))


def _picture(row: Row, images: Path | None, listings: dict):
    """The row's picture as RGB: its own (hub, `datasets` folder), or the file in `images`."""
    if row.picture is not None:
        return _plain(row.picture, row.id)
    if not row.image:
        raise UserError(f"row {row.id!r} names no picture; this set cannot be asked without pictures")
    if images is None:
        raise UserError("the pictures' folder is not named; name it with --images")
    return load_picture(_found(Path(images), row.image, listings))


def _found(folder: Path, name: str, listings: dict[Path, dict[str, str]]) -> Path:
    """The picture's path as the disk has it: case and accents may be coded differently, the suffix may be left out.

    Raises UserError outside the folder; a path that is not there comes back as it was named.
    """
    for one in (name, *(f"{name}{suffix}" for suffix in SUFFIXES)):
        path = inside(folder, one)
        if path.is_file():
            return path
        spelt = misspelt(folder, one, listings)
        if spelt:
            return inside(folder, spelt)
    return inside(folder, name)


def _plain(picture, of: str):
    """A picture that a set brings along, as `load_picture` gives it: RGB, transparency laid on white."""
    from PIL import Image

    if not isinstance(picture, Image.Image):
        raise UserError(f"the picture of row {of!r} is a {type(picture).__name__}, not a picture; name the published set")
    if picture.width * picture.height > MAX_PIXELS:
        raise UserError(f"the picture of row {of!r} has {picture.width}×{picture.height} pixels; make it smaller")
    try:
        clear = picture.convert("RGBA")
    except Exception as error:  # decoders raise struct.error, zlib.error, KeyError and more on torn pictures
        raise UserError(f"the picture of row {of!r} is broken ({error}); download the set again") from error
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _answerer(opened: Callable[[], tuple], of: Task, left: Left, progress: Callable[[int], None]) -> run_tasks.Answer:
    def answer(some: Sequence[Row], prompts: Sequence[str]) -> list[str]:
        from utils.evaluation.generate import answer_all

        model, tokenizer = opened()
        longest = {"max_new_tokens": LONG_ANSWER} if of.metric == "perplexity" else {}
        try:
            said = answer_all(model, tokenizer, [row.picture for row in some], list(prompts), batch=BATCH, **longest)
        except ValueError as error:  # a control token in a question
            raise UserError(f"{of.name}: a question from {some[0].id!r} to {some[-1].id!r} cannot be asked ({error})") from error
        progress(len(some))
        return said

    return answer


def _some(items: int, left: Left, of: Task, data: Path | str) -> None:
    if not items:
        why = f"none of its {left.count} pictures can be shown, the first: {left.named[0]['reason']}" if left.count else "it holds no rows"
        raise UserError(f"{of.name} in {data} has nothing to ask: {why}")


def _perplexity(opened: Callable[[], tuple], of: Task, some: Iterable[Row], images: Path | None, out: Path, language: str) -> dict:
    """Perplexity of the gold answers; likelihoods are kept in `out`, in the layout that `score perplexity` reads."""
    from utils.evaluation.perplexity import summary

    done, left, seen, progress = run_tasks.kept(out), Left(), [], teller(f"{of.name}, gold answers")
    with open(out, "a", encoding="utf-8") as file:
        waiting = with_pictures(of, some, images, done, left)
        while batch := list(islice(waiting, BATCH)):
            new = [row for row in batch if row.id not in done]
            for row, item in zip(new, _likelihoods(opened, of, new, language, left), strict=True):
                if item is not None:
                    done[row.id] = {
                        "id": row.id,
                        "nll": item[0],
                        "tokens": item[1],
                        "characters": item[2],
                        "text": _text_key(of, row, language),
                    }
                    file.write(json.dumps(score_text.plain(done[row.id])) + "\n")
            file.flush()
            _same_text(of, [row for row in batch if row.id in done], done, language, out)
            seen += [row.id for row in batch if row.id in done]
            progress(len(new))
    found = summary([(float(done[one]["nll"]), done[one]["tokens"], done[one]["characters"]) for one in seen])
    found["outliers"] = [{"id": seen[one["item"]], "perplexity": one["perplexity"]} for one in found["outliers"]]
    found |= {key: [seen[at] for at in found[key]] for key in ("empty", "not_a_number")}
    return found | {"left_out": left.count, "named": left.named, "likelihoods": f"{out.parent.name}/{out.name}"}


def _gold(row: Row) -> str:
    return next(iter(row.gold), "")


def _text_key(of: Task, row: Row, language: str) -> str:
    """What a likelihood was measured of, as a short key."""
    return runs.text_hash(ascii([prompt(of, row, language), row.image, _gold(row)]))


def _same_text(of: Task, some: Sequence[Row], done: dict[str, dict], language: str, out: Path) -> None:
    for row in some:
        if done[row.id]["text"] != _text_key(of, row, language):
            raise UserError(f"{out} holds the likelihood of another text under the id {row.id!r}; name another --out")


def _likelihoods(opened: Callable[[], tuple], of: Task, some: Sequence[Row], language: str, left: Left) -> list[tuple | None]:
    """Each gold answer's likelihood; None, and named in `left`, for one that cannot be scored, such as one too long for the model."""
    from utils.evaluation.perplexity import answer_nll

    if not some:
        return []
    model, tokenizer = opened()
    ask = lambda part: answer_nll(  # noqa: E731
        model, tokenizer, [row.picture for row in part], [prompt(of, row, language) for row in part], [_gold(row) for row in part]
    )
    try:
        return list(ask(some))
    except UserError:
        found: list[tuple | None] = []
        for row in some:
            try:
                found += ask([row])
            except UserError as error:
                left.add(row.id, str(error))
                found.append(None)
        return found


def text_of(result: dict) -> str:
    """A result as the lines that the command prints: every share with its interval, then what was left out."""
    metric = task(result["task"]).metric
    shared = {"gold": result["source"], "language": result["language"]}
    lines = []
    if metric == "captions":
        score = result["score"]
        figures = ", ".join(f"{name} {'–' if score[name] is None else format(score[name], '.3g')}" for name in ("chrf", "bleu", "cider_d"))
        lines.append(
            f"{result['task']}, {result['source']}, language {result['language']}: {score['items']} captions, {score['empty']} empty; {figures}"
        )
    else:
        kind = {"pope": "pope", "perplexity": "perplexity"}.get(metric, "exact-match")
        file = result["perplexity"] if metric == "perplexity" else result["score"]
        headline = "per_character" if metric == "perplexity" else "relaxed"
        lines.append(score_text.text_of({"task": kind, "headline": headline, "files": [{"file": result["model"], **file}], **shared}))
    left = result["pictures"]
    if left["left_out"]:
        lines.append(f"  left out {left['left_out']} rows without a picture, in no score; the first: {left['named'][0]['reason']}")
    return "\n".join(lines)
