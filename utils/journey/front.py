"""The front door's own parts: base and tuned answers as one picture, and the tree of files with a phrase for each."""

import ast
import random
import textwrap
from collections.abc import Sequence
from pathlib import Path

from utils import runs

TYPES = ("naming", "counting", "position", "card", "yes_no", "arithmetic")  # of the questions that are shown
SEED = 7  # draws the questions; it is not chosen by what was answered
WRONG = "#a63600"  # the palette's vermilion, darkened until it reads on white at 4.5:1
TREE = ("<!-- tree: written by `python -m utils readme` -->", "<!-- end of tree -->")


def drawn(base: Sequence, tuned: Sequence, seed: int = SEED) -> list[tuple]:
    """One pair of answers of each of TYPES, drawn by `seed`: (base's, tuned's) to the same question about the same held-out scene."""
    other = {(answer.question, answer.scene): answer for answer in tuned}
    pairs = [(answer, other[answer.question, answer.scene]) for answer in base if (answer.question, answer.scene) in other]
    rng = random.Random(seed)
    return [rng.choice(some) for kind in TYPES if (some := [pair for pair in pairs if pair[0].type == kind])]


def answers_figure(pairs: Sequence[tuple], title: str):
    """Pictures in a row, each with its question and both answers under it, right or wrong told by a word and a colour."""
    from utils import figures
    from utils.corpus.scenes.render import render

    figure, axes = figures.canvas(2.35 * len(pairs), 4.3, len(pairs))
    for axis, (base, tuned) in zip(axes[0], pairs, strict=True):
        axis.imshow(render(base.scene, size=288))
        axis.axis("off")
        lines = [(textwrap.fill(base.question, 24), "black", "bold")]
        for name, answer in (("base", base), ("tuned", tuned)):
            mark, colour = ("right", figures.COLOURS[0]) if answer.right else ("wrong", WRONG)
            lines.append((textwrap.fill(f"{name}, {mark}: {answer.said or '(nothing)'}", 27)[:120], colour, "normal"))
        below = -0.06
        for text, colour, weight in lines:
            axis.text(0, below, text, transform=axis.transAxes, va="top", fontsize=10, color=colour, weight=weight)
            below -= 0.095 * (text.count("\n") + 1) + 0.03
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def answers_alt(pairs: Sequence[tuple]) -> str:
    """The figure in words."""
    told = [f"{base.question} base: {base.said or '(nothing)'}; tuned: {tuned.said or '(nothing)'}" for base, tuned in pairs]
    return "Held-out pictures with the answers of base and tuned model. " + " | ".join(told)


def purpose(path: Path) -> str:
    """The first sentence of a Python file's docstring, or "" where it has none."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(told.split("\n\n")[0].split())


def tree(root: Path = runs.ROOT) -> str:
    """The files of `utils/` by room, a phrase each, as a Markdown list that opens room by room."""
    rooms: dict[str, list[str]] = {}
    for path in sorted((root / "utils").rglob("*.py")):
        if path.name == "__init__.py" and not purpose(path):
            continue
        inside = path.relative_to(root / "utils")
        room = inside.parts[0] if len(inside.parts) > 1 else "."
        rooms.setdefault(room, []).append(f"- `{inside.as_posix()}`: {purpose(path)}")
    parts = [
        f"<details><summary><code>utils/{'' if room == '.' else room + '/'}</code></summary>\n\n" + "\n".join(lines) + "\n\n</details>"
        for room, lines in rooms.items()
    ]
    return "\n".join(parts)


def between(text: str, marks: tuple[str, str], body: str) -> str:
    """The text with `body` between its two marks; raises UserError where a mark is missing."""
    start, end = (text.find(mark) for mark in marks)
    if start < 0 or end < start:
        raise runs.UserError(f"README.md has lost its mark {marks[0]!r} or {marks[1]!r}; put both back")
    return text[: start + len(marks[0])] + "\n" + body + "\n" + text[end:]
