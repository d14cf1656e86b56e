"""Preference pairs of the picture world: the right variety against its sister, and what is seen against what is made up.

Two kinds in equal number, as AMALIA-VL's third stage asks for (arXiv 2606.19100; its own pairs are MMPR and synthetic). A
"variety" pair says the same twice, rejected in the sister's words. A "seeing" pair has the same words but for one fact, and
comes with a twin: a changed picture on which the rejected answer is right and the chosen one wrong. So no answer is better
without its picture, and a model cannot learn to prefer "two" to "one".
"""

import dataclasses
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from utils.corpus.conversations import IMAGE_TOKEN, write_rows
from utils.corpus.scenes.asks import REASONING, WORDINGS, Ask, possible, truth
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.varieties import meanings, own_words, sister, told_apart
from utils.corpus.scenes.words import COLOUR, COLOURS, KIND, KINDS
from utils.corpus.scenes.world import Item, Scene, belongs, scene_of
from utils.runs import UserError, complete, file_hash, finish, text_hash

FILE = "preferences.json"
FEWEST = 4  # pictures: one pair of each kind and its twin
TRIES = 4_000
# Question type -> what may be made up in its answer.
FACTS = {
    "naming": ("kind",), "yes_no": ("kind",), "counting": ("number",), "total": ("number",), "position": ("place",), "background": ("colour",),
    "card": ("colour",), "category": ("kind",), "listing": ("kind", "number"), "description": ("kind", "number", "colour", "place"),
    "comparison": ("number",), "relation": ("kind",), "arithmetic": ("number",), "group": ("number",),
}  # fmt: skip
OF_COLOURS = ("background", "card", "description")  # types whose answer names a colour
OF_KINDS = ("naming", "yes_no", "counting", "position", "listing", "description", *REASONING)


def write_pairs(folder: Path, scale_pictures: int, language: str, seed: int = 0) -> dict:
    """Write images/ and preferences.json, one row a picture; returns the manifest. Skips itself when the same rows are there.

    The number of pictures is rounded down to a multiple of four. A language without a sister variety gets "seeing" pairs alone, and the manifest says so. Raises UserError for a language that
    the picture world does not speak and for fewer than four pictures.
    """
    started, pairs = time.monotonic(), draw_pairs(scale_pictures, language, seed)
    rows = [row for row, _ in pairs]
    inputs = text_hash("preferences", language, seed, json.dumps(rows, ensure_ascii=False, sort_keys=True))
    done = complete(folder, inputs)
    if done:
        return done
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row, scene in pairs:
        render(scene).save(folder / "images" / row["image"])
    write_rows(folder / FILE, rows)
    counts = {kind: dict(Counter(row["type"] for row in rows if row["pair"] == kind)) for kind in ("variety", "seeing")}
    return finish(
        folder, inputs, started, language=language, sister=sister(language), seed=seed, pictures=len(rows), pairs=counts,
        facts=dict(Counter(row["about"] for row in rows if row["pair"] == "seeing")), data={FILE: file_hash(folder / FILE)},
    )  # fmt: skip


def draw_pairs(pictures: int, language: str, seed: int = 0) -> list[tuple[dict, Scene]]:
    """(row, its picture's scene) for each pair, in random order; the same for the same arguments. Raises UserError as `write_pairs`."""
    if language not in LANGUAGES:
        raise UserError(f"the picture world has no preference pairs in {language!r}; use one of: {', '.join(LANGUAGES)}")
    if pictures < FEWEST:
        raise UserError(f"{pictures} pictures are too few for preference pairs of both kinds; ask for at least {FEWEST}")
    half = pictures // 4 * 2  # even, so that every twin is there
    drawn = [("variety", *pair) for pair in _variety_pairs(half, language, seed)] if sister(language) else []
    drawn += [("seeing", *pair) for pair in _seeing_pairs(2 * half - len(drawn), language, seed)]
    random.Random(f"preferences/{seed}/order").shuffle(drawn)
    return [(_row(f"{n + 1:012d}", kind, ask, rejected, about, language), ask.scene) for n, (kind, ask, rejected, about) in enumerate(drawn)]


def _row(picture: str, kind: str, ask: Ask, rejected: str, about: str, language: str) -> dict:
    """A LLaVA row with the worse answer under `rejected`, as utils/training/preference.py reads it."""
    question, answer = say(ask, language)
    turns = [{"from": "human", "value": f"{IMAGE_TOKEN}\n{question}"}, {"from": "gpt", "value": answer}]
    return {"id": picture, "image": f"{picture}.png", "conversations": turns, "rejected": rejected, "pair": kind, "type": ask.type, "about": about}


# ---- the right variety against its sister


def _variety_pairs(count: int, language: str, seed: int) -> Iterator[tuple[Ask, str, str]]:
    """(question, the answer in the sister's words, the meaning that tells), types in turn, and meanings in turn within each."""
    kinds = [key for key in meanings(language) if key in KIND]
    colours = [key for key in meanings(language) if key in COLOUR]
    turns = {kind: [*(kinds if kind in OF_KINDS else ()), *(colours if kind in OF_COLOURS else ())] for kind in FACTS}
    types = [kind for kind, some in turns.items() if some]
    rng = random.Random(f"variety/{seed}")
    for some in turns.values():
        rng.shuffle(some)
    for n in range(count):
        turn, kind_of_question = n // len(types), types[n % len(types)]
        some = turns[kind_of_question]
        meaning = some[turn % len(some)]
        ask = _ask_with(kind_of_question, meaning, (turn + turn // len(some)) % 2 == 0, language, seed, rng)
        yield ask, say(ask, sister(language))[1], meaning


def _ask_with(kind_of_question: str, meaning: str, there: bool, language: str, seed: int, rng: random.Random) -> Ask:
    """A question on a training picture whose answer names `meaning`; for a yes or no, the thing is there or not."""
    for _ in range(TRIES):
        scene = scene_of("train", rng.randrange(1 << 30), seed)
        scene = scene if kind_of_question == "yes_no" and not there else _showing(scene, meaning, rng)
        if not belongs(scene, "train"):
            continue
        if kind_of_question == "yes_no":
            asks = [Ask("yes_no", scene, rng.randrange(WORDINGS["yes_no"]), kind=meaning)] if (meaning in scene.counts) == there else []
        else:
            asks = possible(scene, kind_of_question, rng)
        rng.shuffle(asks)
        for ask in asks:
            mine, theirs = (say(ask, code)[1] for code in (language, sister(language)))
            if told_apart(mine, theirs, language) and meaning in {word[3] for word in own_words(mine, language)}:
                return ask
    raise RuntimeError(f"no {kind_of_question} question names {meaning!r} in {TRIES} pictures")


def _showing(scene: Scene, meaning: str, rng: random.Random) -> Scene:
    """The scene with the kind in it, or the colour as background or card."""
    at = rng.randrange(len(scene.items))
    if meaning in KIND:
        return _with(scene, at, kind=meaning)
    if rng.random() < 0.5:
        return dataclasses.replace(scene, background=meaning)
    return _with(scene, at, card=meaning)


def _with(scene: Scene, at: int, **change) -> Scene:
    """The scene with one thing changed, in reading order."""
    items = [dataclasses.replace(item, **change) if n == at else item for n, item in enumerate(scene.items)]
    return dataclasses.replace(scene, items=tuple(sorted(items, key=lambda item: item.cell)))


# ---- what is seen against what is made up


def _seeing_pairs(count: int, language: str, seed: int) -> Iterator[tuple[Ask, str, str]]:
    """(question, a false answer, the fact that is false), each followed by its twin; types in turn, and facts in turn within each."""
    rng, types = random.Random(f"seeing/{seed}"), tuple(FACTS)
    for n in range(count // 2):
        kind_of_question = types[n % len(types)]
        facts = FACTS[kind_of_question]
        fact = facts[n // len(types) % len(facts)]
        ask, twin = _twins(kind_of_question, fact, language, seed, rng)
        yield ask, say(twin, language)[1], fact
        yield twin, say(ask, language)[1], fact


def _twins(kind_of_question: str, fact: str, language: str, seed: int, rng: random.Random) -> tuple[Ask, Ask]:
    """The same question on two training pictures that differ in one fact, with different right answers."""
    for _ in range(TRIES):
        scene = scene_of("train", rng.randrange(1 << 30), seed)
        asks = possible(scene, kind_of_question, rng)
        if not asks:
            continue
        ask = rng.choice(asks)
        changed = _changed(ask, fact, rng)
        if changed is None or not belongs(changed, "train") or (fact == "number" and set(changed.counts) != set(scene.counts)):
            continue
        twin = _asked_again(ask, changed, rng)
        if twin and say(twin, language)[0] == say(ask, language)[0] and truth(twin) != truth(ask):
            return ask, twin
    raise RuntimeError(f"no twin of a {kind_of_question} question with another {fact} in {TRIES} pictures")


def _changed(ask: Ask, fact: str, rng: random.Random) -> Scene | None:
    """The question's scene with another kind, number, colour or place; None where the draw does not fit."""
    scene = ask.scene
    items, at = list(scene.items), rng.randrange(len(scene.items))
    match fact:
        case "kind" if ask.type == "yes_no" and ask.kind in scene.counts:
            other = _other_kind(ask.kind, scene, rng)
            return dataclasses.replace(scene, items=tuple(dataclasses.replace(i, kind=other) if i.kind == ask.kind else i for i in items))
        case "kind":
            return _with(scene, at, kind=ask.kind if ask.type == "yes_no" else _other_kind(items[at].kind, scene, rng, ask.type == "category"))
        case "number" if rng.random() < 0.5:
            return dataclasses.replace(scene, items=tuple(items[:at] + items[at + 1 :])) if items[1:] else None
        case "number":
            free = [cell for cell in range(4) if scene.at(cell) is None]
            more = Item(items[at].kind, rng.choice(free)) if free else None
            return dataclasses.replace(scene, items=tuple(sorted((*items, more), key=lambda i: i.cell))) if more else None
        case "colour" if ask.type == "background" or (ask.type == "description" and rng.random() < 0.5):
            taken = {scene.background, *(i.card for i in items)}
            return dataclasses.replace(scene, background=rng.choice([c.key for c in COLOURS if c.key not in taken]))
        case "colour":
            others = [c.key for c in COLOURS if c.key not in (scene.background, items[at].card)]
            return _with(scene, at, card=rng.choice(others)) if items[at].card else None
        case "place":
            target = rng.choice([cell for cell in range(4) if cell != items[at].cell])
            places = {target: items[at].cell, items[at].cell: target}
            moved = [dataclasses.replace(i, cell=places.get(i.cell, i.cell)) for i in items]
            return dataclasses.replace(scene, items=tuple(sorted(moved, key=lambda i: i.cell)))
    raise ValueError(f"fact {fact!r} is unknown; use kind, number, colour or place")


def _other_kind(kind: str, scene: Scene, rng: random.Random, far: bool = False) -> str:
    """A kind that the scene lacks: mostly a look-alike of the same category, or, when `far`, one of another category."""
    absent = [k for k in KINDS if k.key not in scene.counts]
    near = [k.key for k in absent if k.category == KIND[kind].category]
    others = [k.key for k in absent if k.category != KIND[kind].category]
    return rng.choice(near if near and not far and rng.random() < 0.7 else others)


def _asked_again(ask: Ask, scene: Scene, rng: random.Random) -> Ask | None:
    """The same question on another scene; None where it makes no sense there."""
    if ask.type == "yes_no":
        return dataclasses.replace(ask, scene=scene)
    named = lambda a: (a.kind, a.category, a.other if a.type == "comparison" else None)  # noqa: E731
    for other in possible(scene, ask.type, rng):
        if ask.type != "relation":
            other = dataclasses.replace(other, wording=ask.wording, number=ask.number)
        same = other.cell == ask.cell if ask.type in ("naming", "category") else named(other) == named(ask)
        if same and other.wording == ask.wording:
            return other
    return None
