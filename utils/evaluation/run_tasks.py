"""Put a task to a model: every answer on disk as it comes, resumed after a stop, and the scores of what is there."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from utils.evaluation import measures
from utils.evaluation.score import pope_judged
from utils.evaluation.tasks import Row, Task, prompt
from utils.runs import UserError

Answer = Callable[[Sequence[Row], Sequence[str]], Sequence[str | None]]


def run_task(task: Task, rows: Iterable[Row], answer: Answer, out: Path, language: str = "pt-BR", batch: int = 16) -> dict:
    """Ask every row in `language` and return `summary(…)` of the answers in `out`, JSON Lines of one item each.

    `answer` takes some rows and their prompts and gives one text each; an empty one (or None) is an answer too. Lines are
    written as they come. A run that was stopped goes on: items in `out` are not asked again, a torn last line is dropped.
    Raises UserError when `out` holds answers to other questions, and for an id that comes twice.
    """
    out = Path(out)
    done = kept(out)
    seen: set[str] = set()
    with open(out, "a", encoding="utf-8", errors="backslashreplace") as file:
        waiting = _left(task, rows, done, seen, out, language)
        while some := list(islice(waiting, batch)):
            said = answer([row for row, _ in some], [asked for _, asked in some])
            if len(said) != len(some):
                raise ValueError(f"the model gave {len(said)} answers to {len(some)} questions")
            for (row, asked), text in zip(some, said, strict=True):
                done[row.id] = judged(task, row, asked, "" if text is None else str(text), language)
                file.write(json.dumps(done[row.id], ensure_ascii=False) + "\n")
            file.flush()
    return summary(task, [done[of] for of in seen], language)


def _left(task: Task, rows: Iterable[Row], done: dict[str, dict], seen: set[str], out: Path, language: str) -> Iterator[tuple[Row, str]]:
    """Rows that `out` does not answer yet, each with its prompt."""
    for row in rows:
        if row.id in seen:
            raise UserError(f"{task.name} has the id {row.id!r} twice; name one part of the set")
        seen.add(row.id)
        asked = prompt(task, row, language)
        if row.id not in done:
            yield row, asked
        elif (done[row.id]["task"], done[row.id]["language"], done[row.id]["question"]) != (task.name, language, asked):
            raise UserError(f"{out} answers another question under the id {row.id!r}; name another file for this run")


def kept(out: Path) -> dict[str, dict]:
    """The answers in a file by id; a torn last line is cut off the file. Raises UserError for any other line that is none."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        return {}
    found: dict[str, dict] = {}
    with open(out, "r+b") as file:
        whole = 0
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                file.truncate(whole)
                break
            whole += len(line)
            try:
                record = json.loads(line)
                found[record["id"]] = record
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{out} is no file of answers (line {number}: {error}); name another file for this run") from error
        file.flush()
        os.fsync(file.fileno())
    return found


def judged(task: Task, row: Row, asked: str, said: str, language: str) -> dict:
    """The line that is kept of an answer: its text, whether it is right (strict, relaxed), and the language it is in."""
    told_in = task.gold_language or language
    strict, relaxed = measures.item_scores(task.metric, task.kind, said, row.gold, told_in)
    return {
        "id": row.id, "task": task.name, "language": language, "image": row.image, "question": asked, "gold": list(row.gold), "answer": said,
        "strict": strict, "relaxed": relaxed, "said_in": measures.said_in(said, language), "group": row.group,
    }  # fmt: skip


def summary(task: Task, lines: Iterable[dict], language: str) -> dict:
    """The scores of kept answers: both readings with intervals, by group, the languages answered in, empty answers; the
    order of the lines changes nothing. Captions have chrF, BLEU and CIDEr-D; perplexity needs `perplexity.answer_nll` too.
    """
    lines = list(lines)
    said = [line["answer"] for line in lines]
    found: dict = {"task": task.name, "language": language, "items": len(lines), "empty": sum(1 for text in said if not text.strip())}
    found["languages"] = measures.languages(said, language)
    if task.metric == "captions":
        from utils.evaluation.captions import caption_scores

        return found | caption_scores(said, [line["gold"] for line in lines])
    if task.metric == "perplexity":
        return found
    if task.metric == "pope":
        labels = [line["gold"][0] for line in lines]
        return (
            found
            | pope_judged([measures.yes_no(label) for label in labels], said, language, {label: measures.yes_no(label) for label in labels}).table
        )
    found |= _table(lines)
    groups: dict[str, list[dict]] = defaultdict(list)
    for line in lines:
        groups[line["group"]].append(line)
    return found | ({"groups": {group: _table(groups[group]) for group in sorted(groups)}} if len(groups) > 1 else {})


def _table(lines: Sequence[dict]) -> dict:
    """Both readings: items with a score above 0 with their interval, and the mean score (VQA accuracy) where it differs."""
    return {name: measures.scored([line[name] for line in lines]) for name in ("strict", "relaxed")}
