"""The exercises of notebook 10: an export that answers as the course does, what half precision costs, and limits without a number typed by hand."""

import json
import re
import string
from pathlib import Path

from utils.runs import UserError

EXPORT = "export.json"  # what an exported folder has and a trained one has not
HALF = "bfloat16"


def section_ones():
    """The picture that notebook 10 asks about."""
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import single

    return render(single("dog", "blue"), size=288)


def plain(answer: dict) -> str:
    """a dict with "folder" (an export), "picture" (a path), "question" and "said" (what plain transformers answered)

    Copy: another picture than the notebook's. The course's own code answers again with the exported weights.
    """
    from utils.corpus.images import load_picture
    from utils.evaluation.generate import answer_all
    from utils.models.load import load_folder

    folder, said = Path(answer["folder"]), answer["said"].strip()
    if not (folder / EXPORT).exists():
        return f"the folder: it has no {EXPORT}, so it is no export; section 2 writes one beside the trained model"
    try:
        picture, opened = load_picture(Path(answer["picture"])), load_folder(folder)
    except UserError as error:
        return f"the files: {error}"
    if picture.size == (288, 288) and picture.tobytes() == section_ones().tobytes():
        return "the picture: it is section 1's; draw another, or take one of yours"
    if answer["question"] in said or "ASSISTANT" in said:
        return "`said`: the prompt stands in it; cut off as many tokens as `input_ids` has before you decode"
    own = answer_all(*opened, [picture], [answer["question"]])[0]
    if own != said:
        return "`said`: the course answers otherwise with these weights; the same picture and question, greedy, special tokens left out?"
    return ""


def half(answer: dict) -> str:
    """a dict with "full" and "half" (two exports of one model), "language", "smaller" (a factor), "changed" (a count) and "moved" (nats)

    Adapt: the same model in bfloat16. Sizes are measured, the fourteen questions asked and their gold answers scored again, of both.
    """
    from utils.evaluation.scenes_task import questions
    from utils.models.load import load_folder

    folders = [Path(answer[name]) for name in ("full", "half")]
    smaller, changed, moved = float(answer["smaller"]), int(answer["changed"]), float(answer["moved"])
    if missing := [folder.name for folder in folders if not (folder / EXPORT).exists()]:
        return f"the folders: {missing[0]} has no {EXPORT}, so it is no export"
    stored = [json.loads((folder / "config.json").read_text(encoding="utf-8")).get("dtype") for folder in folders]
    if stored != ["float32", HALF]:
        return f"the precisions: the first folder holds {stored[0]} and the second {stored[1]}; they are to be float32 and {HALF} (`dtype=`)"
    sizes = [sum(path.stat().st_size for path in folder.glob("*.safetensors")) for folder in folders]
    if abs(smaller - sizes[0] / sizes[1]) > 0.06:
        return "`smaller`: the bytes of the .safetensors of the first folder over those of the second; the other files do not shrink"
    asks = questions("known", 1)
    (one, first), (two, second) = (_said_and_nats(*load_folder(folder), asks, answer["language"]) for folder in folders)
    if changed != sum(a != b for a, b in zip(one, two, strict=True)):
        return f"`changed`: of the {len(asks)} answers to `questions('known', 1)`, those whose text differs, right or wrong"
    most = max(abs(a - b) for a, b in zip(first, second, strict=True))
    if abs(moved - most) > max(0.0002, most / 10):
        return "`moved`: the largest difference between the nats of one gold answer, in whole answers and not per token (`answer_nll`)"
    return ""


def _said_and_nats(model, tokenizer, asks: list, language: str) -> tuple[list[str], list[float]]:
    """What a model says to the questions, and the negative log likelihood of each gold answer."""
    from utils.corpus.scenes.render import render
    from utils.evaluation.perplexity import answer_nll
    from utils.evaluation.scenes_task import ask_all

    told = ask_all(model, tokenizer, asks, language)
    nats = answer_nll(model, tokenizer, [render(ask.scene) for ask in asks], [one.question for one in told], [one.gold for one in told])
    return [one.said for one in told], [value for value, _, _ in nats]


def limits(answer: dict) -> str:
    """a dict with "scores" (the folder that `evaluate` wrote) and "text" (sentences with gaps such as {counting[share]:.0%})

    Own data: the limits of a card, no number typed by hand. The answers are judged again, and the gaps are filled from that table.
    """
    text = answer["text"]
    rows, flaw = judged_again(Path(answer["scores"]))
    if flaw:
        return flaw
    parts = list(string.Formatter().parse(text))
    typed = [digits for literal, *_ in parts for digits in re.findall(r"\d+", literal)]
    if typed:
        return f"the number {typed[0]}: typed by hand, it stays when the model changes; put a gap there"
    gaps = {found.groups() for _, name, *_ in parts if name is not None and (found := re.fullmatch(r"(\w+)\[(\w+)\]", name))}
    if len({name for _, name, *_ in parts if name is not None}) > len(gaps):
        return "a gap that is none: each is a type of question and what to say of it, as in {counting[share]:.0%}"
    unknown = [f"{kind}[{what}]" for kind, what in sorted(gaps) if what not in rows.get(kind, {})]
    if unknown:
        return f"the gap {unknown[0]}: the table has no such thing; types are {', '.join(rows)}"
    least = min(row["share"] for kind, row in rows.items() if kind != "all")
    weakest = [kind for kind, row in rows.items() if kind != "all" and row["share"] == least]
    named = [kind for kind in weakest if (kind, "share") in gaps]
    if not named:
        return "the weakest type of question: limits begin where a model is weakest; sort the table by `share`"
    if not any({(kind, "low"), (kind, "high")} <= gaps for kind in named):
        return f"the interval: say how sure the share of {named[0]} is, from `low` to `high`"
    if not any((kind, "baseline") in gaps for kind in named):
        return f"the baseline: what would closed eyes get on {named[0]}? A share alone says nothing"
    text.format(**rows)
    return ""


def judged_again(folder: Path) -> tuple[dict[str, dict], str]:
    """(type -> row of the table that the folder's answers give, what is wrong with the folder or "")."""
    import dataclasses

    from utils.evaluation.runner import load
    from utils.evaluation.scenes_task import table
    from utils.evaluation.scoring import judge

    try:
        kept = load(folder)
    except UserError as error:
        return {}, f"the folder: {error}"
    verdicts = [judge(one.said, one.type, one.truth, one.asked_in) for one in kept["answers"]]
    again = [dataclasses.replace(one, right=said.right, share=said.share) for one, said in zip(kept["answers"], verdicts, strict=True)]
    rows = {row["type"]: row for row in table(again)}
    if [(row["type"], row["right"], row["total"]) for row in kept["table"]] != [(row["type"], row["right"], row["total"]) for row in rows.values()]:
        return {}, "the folder: its answers, judged again, give another table than the one beside them; evaluate again and change nothing by hand"
    return rows, ""


EXERCISES = {"10.1": plain, "10.2": half, "10.3": limits}
