"""What can be asked about a scene, free of any language, with the truth as data."""

import random
from dataclasses import dataclass

from utils.corpus.scenes.words import CATEGORIES, KIND, KINDS
from utils.corpus.scenes.world import PLACES, Scene

# LLaVA-Instruct's three styles (Liu et al. 2023, arXiv 2304.08485, section 3).
CONVERSATION = ("naming", "yes_no", "counting", "total", "position", "background", "card", "category", "listing")
DETAIL = ("description",)
REASONING = ("comparison", "relation", "arithmetic", "group")
TYPES = (*CONVERSATION, *DETAIL, *REASONING)
SHORT = (*CONVERSATION, *REASONING)  # every type whose answer is one sentence

# How many ways of wording each question has; each grammar gives exactly these.
WORDINGS = {
    "naming": 3, "yes_no": 2, "counting": 2, "total": 2, "position": 2, "background": 2, "card": 2, "category": 2,
    "listing": 3, "description": 3, "comparison": 1, "relation": 4, "arithmetic": 2, "group": 2,
}  # fmt: skip
SIDES = ("left", "right", "above", "below")  # relation: wording 0..3


@dataclass(frozen=True)
class Ask:
    """One question about one scene.

    `kind`, `other`, `cell`, `number` and `category` are the things it speaks of, as far as its type needs them;
    `wording` chooses among the phrasings of its type.
    """

    type: str
    scene: Scene
    wording: int = 0
    kind: str | None = None
    other: str | None = None
    cell: int | None = None
    number: int | None = None
    category: str | None = None


def truth(ask: Ask) -> dict:
    """The right answer as JSON data; the keys that matter for a type are the keys that scoring compares."""
    scene, counts = ask.scene, ask.scene.counts
    match ask.type:
        case "naming":
            return {"kind": scene.at(ask.cell).kind}
        case "yes_no":
            return {"yes": ask.kind in counts}
        case "counting":
            return {"number": counts[ask.kind], "kind": ask.kind}
        case "total":
            return {"number": len(scene.items)}
        case "position":
            return {"place": PLACES[ask.cell], "kind": ask.kind}
        case "background":
            return {"colour": scene.background}
        case "card":
            return {"colour": scene.at(ask.cell).card}
        case "category":
            return {"category": KIND[scene.at(ask.cell).kind].category}
        case "listing":
            return {"counts": counts}
        case "description":
            things = [{"place": PLACES[i.cell], "kind": i.kind, "card": i.card} for i in scene.items]
            return {"colour": scene.background, "number": len(scene.items), "things": things}
        case "comparison":
            a, b = counts[ask.kind], counts[ask.other]
            return {"more": ask.kind if a > b else ask.other if b > a else "equal"}
        case "relation":
            return {"kind": ask.other}
        case "arithmetic":
            return {"number": counts[ask.kind] - 1 if ask.wording == 0 else len(scene.items) + ask.number}
        case "group":
            return {"number": sum(n for kind, n in counts.items() if KIND[kind].category == ask.category)}
    raise ValueError(f"question type {ask.type!r} is unknown; use one of: {', '.join(TYPES)}")


def _beside(scene: Scene, cell: int) -> list[tuple[int, int]]:
    """(wording, neighbour cell) for each neighbour that holds something."""
    row, column = divmod(cell, 2)
    neighbours = [(0 if column else 1, row * 2 + 1 - column), (2 if row else 3, (1 - row) * 2 + column)]
    return [(wording, other) for wording, other in neighbours if scene.at(other)]


def yes_no_pair(scene: Scene, rng: random.Random) -> list[Ask]:
    """One question whose answer is yes and one whose answer is no, about a look-alike: balanced on every picture."""
    present = rng.choice(list(scene.counts))
    category = KIND[present].category
    absent = [k.key for k in KINDS if k.key not in scene.counts]
    hard = [key for key in absent if KIND[key].category == category]
    no = rng.choice(hard if hard and rng.random() < 0.7 else absent)
    return [Ask("yes_no", scene, rng.randrange(2), kind=kind) for kind in (present, no)]


def possible(scene: Scene, type: str, rng: random.Random) -> list[Ask]:
    """Every question of a type that makes sense for the scene, each in a wording drawn by `rng`."""
    counts, once = scene.counts, {k for k, n in scene.counts.items() if n == 1}
    w = lambda: rng.randrange(WORDINGS[type])  # noqa: E731
    match type:
        case "naming":
            wordings = (0, 1) if len(scene.items) > 1 else (0, 1, 2)
            return [Ask(type, scene, rng.choice(wordings), kind=i.kind, cell=i.cell) for i in scene.items]
        case "yes_no":
            return yes_no_pair(scene, rng)
        case "counting":
            return [Ask(type, scene, w(), kind=k) for k in counts]
        case "total" | "background" | "listing" | "description":
            return [Ask(type, scene, w())]
        case "position":
            return [Ask(type, scene, w(), kind=i.kind, cell=i.cell) for i in scene.items if i.kind in once]
        case "card":
            return [Ask(type, scene, w(), kind=i.kind, cell=i.cell) for i in scene.items if i.card and i.kind in once]
        case "category":
            return [Ask(type, scene, w() if i.kind in once else 0, kind=i.kind, cell=i.cell) for i in scene.items]
        case "comparison":
            return [Ask(type, scene, 0, kind=a, other=b) for a in counts for b in counts if a != b]
        case "relation":
            return [
                Ask(type, scene, wording, kind=i.kind, other=scene.at(cell).kind, cell=i.cell)
                for i in scene.items if i.kind in once for wording, cell in _beside(scene, i.cell)
            ]  # fmt: skip
        case "arithmetic":
            take = [Ask(type, scene, 0, kind=k) for k, n in counts.items() if n > 1]
            return [*take, Ask(type, scene, 1, number=rng.choice((1, 2)))]
        case "group":
            found = [c.key for c in CATEGORIES if any(KIND[k].category == c.key for k in counts)]
            return [Ask(type, scene, w(), category=c) for c in found]
    raise ValueError(f"question type {type!r} is unknown; use one of: {', '.join(TYPES)}")
