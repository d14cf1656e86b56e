"""The front door's own parts: the picture of answers, the tree of files, the marks of the README."""

import dataclasses
import re

import matplotlib.pyplot as plt
import pytest

from utils import figures
from utils.corpus.scenes.world import scene_of
from utils.evaluation.scenes_task import Answer
from utils.journey import front
from utils.runs import ROOT, UserError


def answers(right: bool) -> list[Answer]:
    said = "Sim." if right else "There is."
    return [
        Answer(kind, scene_of("train", number, 0), "k", "pt-BR", f"Pergunta {kind} {number}?", "Sim.", {}, said, right, 1.0, "pt-BR")
        for kind in front.TYPES
        for number in range(5)
    ]


def test_one_pair_of_each_type_about_the_same_picture_drawn_by_seed():
    base, tuned = answers(False), answers(True)[::-1]
    pairs = front.drawn(base, tuned)
    assert [one.type for one, _ in pairs] == list(front.TYPES)
    assert all(one.question == other.question and one.scene == other.scene and not one.right and other.right for one, other in pairs)
    assert front.drawn(base, tuned) == pairs
    assert len({tuple(one.question for one, _ in front.drawn(base, tuned, seed)) for seed in range(5)}) > 1, "the seed draws"
    assert len(front.drawn(base, [answer for answer in tuned if answer.type != "card"])) == len(front.TYPES) - 1, "no answer without its pair"


def test_the_figure_tells_right_and_wrong_in_words_that_can_be_read():
    pairs = front.drawn(answers(False), [dataclasses.replace(answer, said="") for answer in answers(True)])
    figure = front.answers_figure(pairs, "tiny · pt-BR")
    texts = [text for axis in figure.axes for text in axis.texts]
    assert sum(text.get_text().startswith("base, wrong") for text in texts) == len(pairs)
    assert sum(text.get_text().startswith("tuned, right: (nothing)") for text in texts) == len(pairs)
    for text in texts:
        assert 1.05 / (figures.luminance(text.get_color()) + 0.05) >= 4.5, f"{text.get_text()} reads on white"
    assert "tiny · pt-BR" in figure.get_suptitle()
    plt.close(figure)
    assert "tuned: (nothing)" in front.answers_alt(pairs)


def test_the_tree_names_every_file_with_its_purpose():
    told = front.tree()
    for path in (ROOT / "utils").rglob("*.py"):
        if path.name != "__init__.py":
            assert f"- `{path.relative_to(ROOT / 'utils').as_posix()}`: {front.purpose(path)}" in told and front.purpose(path)


def test_a_part_is_written_between_its_marks_and_a_lost_mark_is_named():
    first, last = (mark.format("tree") for mark in front.MARKS)
    once = front.between(f"before {first}\nold\n{last} after", "tree", "new")
    assert once == f"before {first}\nnew\n{last} after" and front.between(once, "tree", "new") == once
    with pytest.raises(UserError, match="has lost its mark"):
        front.between("before", "tree", "new")


def test_the_readme_has_every_part_and_today_s_tree():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for part in ("answers", "results", "tree"):
        front.between(text, part, "")
    assert front.between(text, "tree", front.tree()) == text, "run python -m utils readme"


def test_planned_numbers_of_the_scales_are_the_planner_s():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| workshop |", "| a100 |"))]
    told = [number for row in rows for number in re.findall(r"\d[\d.]* (?:GB|h)\b", row) if number not in ("24 GB", "80 GB")]
    planned = (ROOT / "docs" / "planner.md").read_text(encoding="utf-8")
    assert len(told) == 5 and [number for number in told if number not in planned] == []
