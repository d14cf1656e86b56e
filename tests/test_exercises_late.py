"""Notebooks 06 to 10: the solutions run again, and every check turns wrong answers away with a hint that fits."""

import contextlib
import dataclasses
import io
import json
import re
import types
from pathlib import Path

import nbformat
import pytest

from utils import runs
from utils.exercises import MODULES, check, hint

NOTEBOOKS = runs.ROOT / "notebooks"
LATE = ("06", "07", "08", "09", "10")
NUMBERS = [f"{name}.{n}" for name in LATE for n in (1, 2, 3)]


def notebook(name: str, folder: Path = NOTEBOOKS):
    return nbformat.read(next(folder.glob(f"{name}_*.ipynb")), as_version=4)


def solution(name: str):
    return notebook(name, NOTEBOOKS / "solutions")


def cell(made, cell_id: str):
    return next(one for one in made.cells if one.id == cell_id)


# ---- the checks


@dataclasses.dataclass
class Ran:
    """A solution notebook run again: each exercise's answer, what it printed, and all its names."""

    answers: dict[str, object]
    printed: dict[str, str]
    names: dict


@pytest.fixture(scope="module")
def ran(request):
    """The code cells of a solution notebook, run in one process, once for all tests of that notebook."""
    name, found = request.param, Ran({}, {}, {})
    for one in solution(name).cells:
        if one.cell_type == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(one.source, one.id, "exec"), found.names)
            if one.id.endswith("-answer"):
                number = f"{name}.{one.id[-8]}"
                found.answers[number], found.printed[number] = found.names["answer"], out.getvalue()
    yield found
    if "kept" in found.names:
        found.names["kept"].cleanup()


@pytest.mark.parametrize("ran", LATE, indirect=True)
def test_every_solution_is_right_again(ran):
    assert len(ran.printed) == 3
    for number, printed in ran.printed.items():
        assert printed.endswith(f"{number}: right\n"), printed


def _with(**change):
    return lambda right, names: right | {key: value(right[key]) if callable(value) else value for key, value in change.items()}


def _swapped(one: str, other: str):
    return lambda right, names: right | {one: right[other], other: right[one]}


def _other_verdicts(right, names):
    turn = {"helps": "hurts", "hurts": "nothing shown", "nothing shown": "helps"}
    return {spot: turn[verdict] for spot, verdict in right.items()}


def _one_rater(right, names):
    """The same review with the second person's file gone."""
    import shutil

    folder = Path(names["kept"].name) / "alone"
    shutil.copytree(right["folder"], folder, ignore=shutil.ignore_patterns("alone"))
    sorted((folder / "ratings").glob("*.json"))[1].unlink()
    return right | {"folder": folder}


def _most_agreed(right, names):
    most = max(names["rows"], key=lambda row: row["alpha"])
    return right | {"criterion": most["what"], "alpha": round(most["alpha"], 2)}


def _edited_scores(right, names):
    """A table that somebody made look better."""
    import shutil

    folder = Path(names["kept"].name) / "edited"
    shutil.copytree(right["scores"], folder, dirs_exist_ok=True)
    kept = json.loads((folder / "result.json").read_text())
    kept["table"][0]["right"] -= 1
    (folder / "result.json").write_text(json.dumps(kept))
    return right | {"scores": folder}


def _other_wording(right, names):
    from utils.corpus.scenes.world import Item, Scene

    return right | {"twin": Scene("white", (Item("train", 0), Item("train", 3)), 0)}


def _first_picture(right, names):
    from utils.exercises.sharing import section_ones

    path = Path(names["kept"].name) / "first.png"
    section_ones().save(path)
    return right | {"picture": path}


def _literal_first(right, names):
    order = {item.compound: item.gold for item in names["first"] if item.sentence_type == "literal"}
    order |= {item.compound: (*item.gold[2:4], *item.gold[:2], item.gold[4]) for item in names["first"] if item.sentence_type != "literal"}
    return right | {"rankings": order}


def _strongest(right, names):
    kinds = [kind for kind in names["rows"] if kind != "all"]
    return right | {"text": right["text"].replace(names["weakest"], max(kinds, key=lambda kind: names["rows"][kind]["share"]))}


# Number -> wrong answers that are well formed, made from the right one, and a part of the hint that each must get.
WRONG = {
    "06.1": [
        (_swapped("flatters", "harsh"), "which seed is which"),
        (lambda right, names: right | {"flatters": right["harsh"]}, "another shows"),
        (_with(flatters=100), "from 0 to 99"),
        (_with(answers=lambda some: [dataclasses.replace(a, right=not a.right) for a in some]), "judged again"),
        (_with(answers=lambda some: [a for a in some if a.right]), "none flatters"),
    ],
    "06.2": [
        (_with(fluency="Há dois ônibus."), "does not agree"), (_with(fluency="Há três ônibus."), "metric says wrong"),
        (_with(language="Há duas autocarros."), "another too (fluency)"), (_with(length="Há dois ônibus na imagem."), "4 times"),
        (_with(language="Há dois ônibus."), "Portugal"),
    ],
    "06.3": [
        (_one_rater, "two are needed"), (_most_agreed, "agree less"), (_with(alpha=lambda one: one + 0.1), "ordinal"),
        (_with(criterion="best answer"), "name of the criterion"), (_with(folder="nowhere"), "missing"),
    ],
    "07.1": [
        (lambda right, names: {seed: told | {"after": told["before"]} for seed, told in right.items()}, "Holm"),
        (lambda right, names: {seed: told | {"before": told["after"]} for seed, told in right.items()}, "before"),
        (lambda right, names: {seed: {"before": told["after"], "after": told["before"]} for seed, told in right.items()}, "which is which"),
        (lambda right, names: {seed: told | {"before": [*told["before"], "all"]} for seed, told in right.items()}, "names of the types"),
    ],
    "07.2": [
        (_with(worse=[3, 4, 950]), "no item of `worse`"), (_with(better=[2, 4, 900]), "every single item"),
        (_with(better=[2, 3, 3.5]), "still wins"), (_with(better=[0.5, 3, 900]), "never below 1"), (_with(worse=[3000, 4000, 5000]), "no mean"),
    ],
    "07.3": [
        (_with(gap=lambda gap: -gap), "sign"), (_with(p=lambda p: p + 0.01), "exact one"), (_with(gap=lambda gap: gap + 1), "in points"),
        (_with(gold="nowhere.json"), "missing"), (_with(predictions=lambda paths: paths[:1] * 2), "two files"),
    ],
    "08.1": [
        (_with(other=1.0), "`other`"), (_literal_first, "one sense for all"), (_with(rankings={}), "not answered"),
        (lambda right, names: right | {"rankings": {item.compound: item.gold for item in names["other"]}}, "which set is which"),
    ],
    "08.2": [
        (lambda right, names: ([1] * 5 + [0] * 8, [0] * 13), "can be chance"), (lambda right, names: ([1] * 7 + [0] * 6, [0] * 13), "smaller one"),
        (lambda right, names: right[::-1], "stands first"), (lambda right, names: ([1] * 6, [0] * 6), "13 items"),
        (lambda right, names: ([1] * 7 + [0] * 6, [0] * 7 + [1] + [0] * 5), "costs"),
    ],
    "08.3": [
        (_with(literal="Iara comprou uma fruta."), "word for word"), (_with(idiomatic=lambda text: text + " Foi um balde de água fria."), "test set"),
        (_with(orders=lambda both: both | {"idiomatic": both["literal"]}), "idiomatic sense"),
        (_with(emoji=lambda signs: signs | {"literal": signs["idiomatic"]}), "four different"),
        (_with(emoji=lambda signs: signs | {"literal": "\U0001faff"}), "artwork"),
        (lambda right, names: right | {"literal": right["idiomatic"]}, "they are one"),
    ],
    "09.1": [
        (_other_verdicts, "seed 0"), (lambda right, names: dict(list(right.items())[1:]), "what is there"),
        (lambda right, names: dict.fromkeys(right, "yes"), "the words"),
    ],
    "09.2": [
        (_other_wording, "`twin`"), (_with(variety=("Há dois trens.", "Há três comboios.")), "just as right"),
        (_with(variety=("Há dois trens.", "Existem dois trens.")), "Portugal"), (_with(variety=lambda pair: pair[::-1]), "what is chosen"),
        (_with(seeing=("Há dois trens.", "Há três comboios.")), "not look"), (_with(seeing=("Há dois trens.", "Existem três trens.")), "one fact"),
        (_with(seeing=("Há dois trens.", "Existem dois trens.")), "another number"),
    ],
    "09.3": [
        (_with(words=lambda words: dataclasses.replace(words, numbers="cero un|unha dous tres catro cinco seis")), "dous casas"),
        (_with(words=lambda words: dataclasses.replace(words, code="it")), "spoken here"),
        (_with(said=lambda said: {"dog": said["dog"]}), "5 kinds"), (_with(words=lambda words: dataclasses.replace(words, numbers="un dous")), "`numbers`"),
    ],
    "10.1": [
        (lambda right, names: right | {"folder": names["SHIPPED"]}, "no export"), (_first_picture, "section 1"),
        (lambda right, names: right | {"said": f"USER: {right['question']} ASSISTANT: {right['said']}"}, "the prompt stands"),
        (_with(said="A dog."), "answers otherwise"), (_with(picture="nowhere.png"), "the files"),
    ],
    "10.2": [
        (_with(smaller=1.0), "`smaller`"), (_swapped("full", "half"), "precisions"), (_with(moved=0.0), "`moved`"),
        (_with(changed=lambda count: 14 - count), "`changed`"),
    ],
    "10.3": [
        (_with(text=lambda text: text.replace("drawings", "2400 drawings")), "2400"), (_edited_scores, "another table"),
        (_strongest, "weakest"),
        (_with(text=lambda text: re.sub(r"between .*?, where", "where", text)), "the interval"),
        (_with(text=lambda text: re.sub(r", where closed.*?}", "", text)), "the baseline"), (_with(text="{dogs[share]:.0%}"), "no such thing"),
        (_with(text="{counting}"), "a gap that is none"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("ran", LATE, indirect=True)
def test_every_check_turns_wrong_answers_away_with_a_hint_that_fits(ran, capsys):
    for number, right in ran.answers.items():
        assert len(WRONG[number]) >= 2
        for wrong, part in WRONG[number]:
            told = hint(number, wrong(right, ran.names))
            assert told and part in told and "the form of the answer" not in told, (number, part, told)
        check(number, wrong(right, ran.names))
        assert capsys.readouterr().out.startswith(f"{number}: close, look at ")


@pytest.mark.parametrize("number", NUMBERS)
def test_no_answer_is_no_mistake_and_another_form_is_told_the_form(number, capsys):
    check(number, None)
    assert capsys.readouterr().out == f"{number}: not answered yet\n"
    module = __import__(f"utils.exercises.{MODULES[number[:2]]}", fromlist=["EXERCISES"])
    form = module.EXERCISES[number].__doc__.splitlines()[0]
    for answer in (7, "words", {"no": "such"}, [None]):
        check(number, answer)
        assert capsys.readouterr().out.startswith(f"{number}: close, look at the form of the answer, which is: {form}"), answer


# ---- the stubs


def around(name: str, names: dict) -> dict:
    """What the cells before the exercises hold when their stubs run, as far as a stub names it."""
    import utils.corpus.scenes.grammar as grammar
    import utils.corpus.scenes.render as drawing
    from utils import figures
    from utils.corpus.scenes.lists import LISTS

    html = types.SimpleNamespace(HTML=lambda text: text, display=lambda shown: None)
    folder = runs.output_folder("tiny", "pt-BR", "share")
    found = {
        "06": lambda: {key: names[key] for key in ("answers", "unselected", "merge", "review")} | {"review_folder": names["folder"]},
        "07": dict,
        "08": lambda: {"sets": {"held out, first sense": names["first"], "held out, other sense": names["other"]}},
        "09": lambda: {"say": grammar.say, "figures": figures, "render": drawing.render, "HTML": html.HTML, "LISTS": LISTS},
        "10": lambda: {"course": types.SimpleNamespace(folder=folder.parent), "render": drawing.render},
    }
    return found[name]() | {"display": html.display}


@pytest.mark.parametrize("ran", LATE, indirect=True)
def test_a_stub_runs_as_it_stands_and_says_not_answered_yet(ran, capsys):
    name = next(iter(ran.answers))[:2]
    made, held = notebook(name), around(name, ran.names)
    for n in (1, 2, 3):
        exec(compile(cell(made, f"{name}-ex{n}-answer").source, f"{name}-ex{n}", "exec"), held)
        assert capsys.readouterr().out.endswith(f"{name}.{n}: not answered yet\n")
