"""What code writes into README.md: base and tuned answers as one picture, a journey's numbers, the tree of files with a phrase each."""

import ast
import random
import textwrap
from collections.abc import Sequence
from pathlib import Path

from utils import runs

TYPES = ("naming", "counting", "position", "card", "yes_no", "arithmetic")  # of the questions that are shown
SEED = 7  # draws the questions; it is not chosen by what was answered
WRONG = "#a63600"  # the palette's vermilion, darkened until it reads on white at 4.5:1
MARKS = "<!-- {}: written by `python -m utils readme` -->", "<!-- end of {} -->"


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


def between(text: str, part: str, body: str) -> str:
    """The text with `body` between the two marks of a part; raises UserError where a mark is missing."""
    first, last = (mark.format(part) for mark in MARKS)
    start, end = text.find(first), text.find(last)
    if start < 0 or end < start:
        raise runs.UserError(f"README.md has lost its mark {first!r} or {last!r}; put both back")
    return f"{text[: start + len(first)]}\n{body}\n{text[end:]}"


def _picture(name: str, png: bytes, alt: str) -> str:
    """Markdown of a picture in `docs/`, written there."""
    (runs.ROOT / "docs").mkdir(exist_ok=True)
    (runs.ROOT / "docs" / name).write_bytes(png)
    return f"![{alt}](docs/{name})"


def _answers(folder: Path) -> str:
    from utils import figures
    from utils.evaluation.runner import load

    pairs = drawn(*(load(folder / "evaluation" / name / "pt-BR")["answers"] for name in ("base", "tuned")))
    figure = answers_figure(pairs, "Held-out pictures, questions drawn by seed · llava-pt · tiny · pt-BR")
    return _picture("answers-pt-BR.png", figures.png(figure), answers_alt(pairs))


def _results(folder: Path) -> str:
    from utils.journey.report import as_told

    journey, target = runs.read_json(folder / "journey.json"), folder / "figures" / "05_target"
    minutes = sum(one["seconds"] for one in journey["notebooks"]) / 60
    rows = "\n".join(f"| {name} | {as_told(value)} |" for name, value in journey["headlines"].items())
    drawn_before = _picture("tiny-pt-BR.png", target.with_suffix(".png").read_bytes(), target.with_suffix(".txt").read_text(encoding="utf-8"))
    return f"\n{drawn_before}\n\n| tiny, pt-BR, all notebooks in {minutes:.0f} minutes | |\n|---|---|\n{rows}\n"


def update_readme(folder: Path) -> Path:
    """Put the tree of files into README.md and, where a journey's folder holds one, its answers, figure and headline numbers."""
    readme = runs.ROOT / "README.md"
    text = between(readme.read_text(encoding="utf-8"), "tree", tree())
    if (folder / "journey.json").exists():
        text = between(between(text, "answers", _answers(folder)), "results", _results(folder))
    runs.write_text(readme, text)
    return readme
