"""Notebooks 00 to 05: the solutions still are right, and each check turns wrong answers down with a hint."""

import contextlib
import dataclasses
import functools
import io
import os
import re

import nbformat
import pytest

from utils.corpus.scenes.world import Item, Scene, scene_of
from utils.exercises import check, hint
from utils.runs import ROOT

SOURCES = {path.name[:2]: path for number in range(6) for path in (ROOT / "notebooks").glob(f"{number:02d}_*.ipynb")}
NUMBERS = [f"{notebook}.{level}" for notebook in sorted(SOURCES) for level in (1, 2, 3)]


def cells_of(path, kind: str) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def solution_of(notebook: str):
    return ROOT / "notebooks" / "solutions" / SOURCES[notebook].name


@functools.cache
def solved(notebook: str) -> tuple[dict, str]:
    """(exercise -> the solution's answer, what its cells print), from running the solution notebook's code here."""
    space, answers, said = {"display": lambda *shown: None}, {}, io.StringIO()
    here = os.getcwd()
    os.chdir(ROOT / "notebooks" / "solutions")
    try:
        with contextlib.redirect_stdout(said):
            for cell in cells_of(solution_of(notebook), "code"):
                exec(compile(cell.source, cell.id, "exec"), space)
                for number in re.findall(r'check\("([\d.]+)", answer\)', cell.source):
                    answers[number] = space["answer"]
    finally:
        os.chdir(here)
    return answers, said.getvalue()


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_every_solution_is_right_again(notebook):
    answers, said = solved(notebook)
    verdicts = [f"{notebook}.{level}: right" for level in (1, 2, 3)]
    assert sorted(answers) == [verdict[:4] for verdict in verdicts]
    assert re.findall(r"^\d\d\.\d: .*", said, flags=re.MULTILINE) == verdicts


@pytest.mark.parametrize("notebook", sorted(SOURCES))
def test_the_committed_solutions_show_what_they_print(notebook):
    shown = "".join(o.text for cell in cells_of(solution_of(notebook), "code") for o in cell.outputs)
    assert shown == solved(notebook)[1]


def last_cells(notebook: str) -> list[str]:
    return [cell.source for cell in cells_of(SOURCES[notebook], "code")[-3:]]


def test_the_stubs_of_a_notebook_that_needs_nothing_run_and_say_not_answered_yet(capsys):
    space: dict = {}
    for source in last_cells("05")[1:2] + last_cells("02")[1:2]:  # their cells lean on nothing above
        exec("from utils.exercises import check\n" + source, space)
    assert capsys.readouterr().out.splitlines() == ["05.2: not answered yet", "02.2: not answered yet"]


def but(**changes):
    """A wrong answer: the right one with these keys changed."""
    return lambda right: right | changes


# Exercise -> two wrong, well-formed answers (functions of the right one), each with a word of the hint that it must get.
WRONG = {
    "00.1": [(but(kind="dog"), "section 5 asks about 'dog'"), (lambda a: a | {"said": dict(zip(a["said"], reversed(a["said"].values()), strict=True))}, "exchanged")],
    "00.2": [(lambda a: answered_rightly(), "is right there"),
             (but(said="There are two dogs."), "what you hand in as said")],
    "00.3": [(but(question="What is in the picture?"), "not in English"), (lambda a: a | {"named": ["apple", *a["named"]]}, "list the kinds")],
    "01.1": [(lambda a: a[1:], "type C alone"), (lambda a: [*a, "Flamingo"], "Flamingo")],
    "01.2": [(lambda a: a | {"new projector": a["as it is"]}, "put the control's interval"), (but(counting=["AB", "AC"]), "told apart")],
    "01.3": [(lambda a: dataclasses.replace(a, month=8), "month 7 of 2024"), (lambda a: dataclasses.replace(a, unsure=frozenset(), data="web pictures"), "marks")],
    "02.1": [(lambda a: {"en": a["pt-BR"], "pt-BR": a["en"]}, "which row is which"),
             (lambda a: a | {"pt-BR": {"right": 0, "moved": a["pt-BR"]["moved_right"]}}, "moved_right")],
    "02.2": [(lambda a: lambda pictures, asked: ["It is a dog."] * len(asked), "never hits"),
             (lambda a: lambda pictures, asked: [f"There are {picture.getpixel((2, 2))} things." for picture in pictures], "where it looks")],
    "02.3": [(lambda a: a | {"said": ["Vejo um cão.", *a["said"][1:]]}, "reads 'Vejo um cão.' as wrong"), (lambda a: a | {"other": a["said"]}, "second picture")],
    "03.1": [(but(sent="How many dogs are there?"), "nothing to break"), (but(returned="<image>\nQuantos cães existem?"), "engine's own words")],
    "03.2": [(but(gate=lambda en, pt: "no" in en.split(), held=0), "without need"), (but(held=12), "you hand in 12")],
    "03.3": [(lambda a: a | {"translated": a["rows"]}, "a gate holds it"), (lambda a: a | {"translated": mangled(a["translated"])}, "image token became")],
    "04.1": [(lambda a: a | {"total": a["total"] * 1e9 / 2**30}, "GiB"), (lambda a: a | {"change": a["change"][:1]}, "all that has to change")],
    "04.2": [(lambda a: a | {"ratios": dict.fromkeys(a["ratios"], 0.5)}, "does not know how long"), (but(text=1024 - 576), "system text")],
    "04.3": [(lambda a: a | {"LLaVA-1.5": (a["LLaVA-1.5"][0], 2048)}, "the row of LLaVA-1.5"),
             (lambda a: a | {"sizes": [(1000, 500)] * 3 + [(600, 640)] * 2, "LLaVA-NeXT": turned_mean()}, "height, width")],
    "05.1": [(lambda a: a | {"learnt": [t for t in a["learnt"] if t != "</s>"]}, "never stops"), (lambda a: a | {"learnt": a["learnt"][1:]}, "keep their order")],
    "05.2": [(lambda a: lambda q, k, picture, branch: k <= q, "two questions about one picture|two pictures"),
             (lambda a: lambda q, k, picture, branch: k <= q and picture[k] == picture[q], "shared system text")],
    "05.3": [(lambda a: a | {"tokens_per_word": 1 / a["tokens_per_word"]}, "tokens over words"), (lambda a: a | {"untrained": a["untrained"] / 2}, "untrained")],
}  # fmt: skip

MALFORMED = dict.fromkeys(NUMBERS, "a word") | {"01.1": 5, "05.2": lambda: True, "02.2": lambda pictures, asked: []}


def answered_rightly() -> dict:
    """An English question with the base's own answer, which is right."""
    from utils.exercises.start import base_says

    question = "How many things are there in total?"
    return {"picture": 0, "type": "total", "question": question, "said": base_says([scene_of("known", 0)], [question])[0]}


def mangled(rows: list[dict]) -> list[dict]:
    first = dict(rows[0]["conversations"][0])
    first["value"] = first["value"].replace("<image>", "<imagem>")
    return [{**rows[0], "conversations": [first, *rows[0]["conversations"][1:]]}, *rows[1:]]


def turned_mean() -> tuple[float, int]:
    """What a student gets who gives (width, height) to `picture_tokens`."""
    from utils.models.shapes import true_shape
    from utils.models.tiling import picture_tokens

    config = true_shape("llava-hf/llama3-llava-next-8b-hf")
    counts = [picture_tokens(config, size) for size in [(1000, 500)] * 3 + [(600, 640)] * 2]
    return sum(counts) / len(counts), 4096


@pytest.mark.parametrize("number", NUMBERS)
def test_two_wrong_answers_get_a_hint_that_fits(number, capsys):
    right = solved(number[:2])[0][number]
    assert len(WRONG[number]) == 2
    for spoil, word in WRONG[number]:
        check(number, spoil(right))
        assert re.match(rf"{number}: close, look at (?!the form of the answer).*(?:{word})", capsys.readouterr().out, flags=re.DOTALL)


@pytest.mark.parametrize("number", NUMBERS)
def test_no_answer_and_a_malformed_one_are_told_so(number, capsys):
    check(number, None)
    check(number, MALFORMED[number])
    none, malformed = capsys.readouterr().out.splitlines()
    assert none == f"{number}: not answered yet" and malformed.startswith(f"{number}: close, look at the form of the answer, which is: a")


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        (Scene("green", (Item("unicorn", 0), Item("cat", 1)), 1), "no 'unicorn'"),
        (Scene("green", (Item("dog", 0), Item("cat", 0)), 1), "each thing stands in its own"),
        (Scene("green", (Item("dog", 0), Item("dog", 1)), 1), "two different kinds"),
        (Scene("green", (Item("dog", 0), Item("cat", 1, "green")), 1), "nobody could see it"),
    ],
)
def test_a_scene_that_cannot_be_drawn_is_told_why(scene, word):
    assert word in hint("00.3", {"scene": scene, "question": "Was ist das?", "said": "", "named": []})


@pytest.mark.parametrize("text", ["What do you see?", "Is there a dog in the picture?", "Describe the animals."])
def test_english_is_known_as_english(text):
    from utils.exercises.start import reads_english

    assert reads_english(text)


@pytest.mark.parametrize(
    "text", ["Was siehst du auf diesem Bild?", "O que você vê na imagem?", "Que voyez-vous sur l'image ?", "Wat is dat?", "画像に何がありますか"]
)
def test_other_languages_are_not_english(text):
    from utils.exercises.start import reads_english

    assert not reads_english(text)
