"""What a picture holds: scenes of one to four things in a 2×2 grid, drawn from a seed, and their splits."""

import random
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from utils.corpus.scenes.words import COLOURS, KINDS

PLACES = ("top left", "top right", "bottom left", "bottom right")
SPLITS = ("train", "known", "pairs", "counts", "colours")
SPLIT_MEANING = {
    "train": "pictures the model learns from",
    "known": "held-out pictures; every kind, pair, count and colour was seen in training",
    "pairs": "pictures with two kinds that never stand together in training",
    "counts": "pictures with a kind in a number never seen in training",
    "colours": "pictures with a kind on a card colour never seen in training",
}


@dataclass(frozen=True)
class Item:
    """One thing: its kind, its cell (index into PLACES) and the colour of the card behind it, if any."""

    kind: str
    cell: int
    card: str | None = None


@dataclass(frozen=True)
class Scene:
    """A picture as facts; `seed` fixes the small shifts and sizes of the drawing."""

    background: str
    items: tuple[Item, ...]
    seed: int

    @property
    def counts(self) -> dict[str, int]:
        """Kind -> how many, in reading order of first appearance."""
        return dict(Counter(item.kind for item in self.items))

    def at(self, cell: int) -> Item | None:
        return next((item for item in self.items if item.cell == cell), None)


def _share(*parts: object, out_of: int) -> bool:
    """True for a fixed 1/out_of share of all inputs: the same on every machine and run."""
    return zlib.crc32("|".join(map(str, parts)).encode()) % out_of == 0


def novelty(scene: Scene) -> set[str]:
    """Which held-out combinations the scene shows: any of "pairs", "counts", "colours"."""
    kinds = sorted(scene.counts)
    new = set()
    if any(_share("pair", a, b, out_of=10) for i, a in enumerate(kinds) for b in kinds[i + 1 :]):
        new.add("pairs")
    if any(n > 1 and _share("count", kind, n, out_of=8) for kind, n in scene.counts.items()):
        new.add("counts")
    if any(item.card and _share("colour", item.kind, item.card, out_of=10) for item in scene.items):
        new.add("colours")
    return new


def _held_out_picture(scene: Scene) -> bool:
    return _share("picture", scene.background, scene.items, out_of=10)


def belongs(scene: Scene, split: str) -> bool:
    new = novelty(scene)
    if split in ("train", "known"):
        return not new and _held_out_picture(scene) == (split == "known")
    return new == {split}


def _draw(rng: random.Random) -> Scene:
    size = rng.choices((1, 2, 3, 4), (2, 3, 4, 4))[0]
    cells = sorted(rng.sample(range(4), size))
    groups = rng.randint(1, size)
    kinds = rng.sample([kind.key for kind in KINDS], groups)
    if groups == 2 and rng.random() < 0.3:
        # Look-alikes side by side, so that a model has to look.
        category = {k.key: k.category for k in KINDS}
        same = [k.key for k in KINDS if k.category == category[kinds[0]] and k.key != kinds[0]]
        kinds[1] = rng.choice(same)
    drawn = kinds + [rng.choice(kinds) for _ in range(size - groups)]
    rng.shuffle(drawn)
    colours = [colour.key for colour in COLOURS]
    background = rng.choice(colours)
    cards = [rng.choice([c for c in colours if c != background]) if rng.random() < 0.5 else None for _ in range(size)]
    items = tuple(Item(kind, cell, card) for kind, cell, card in zip(drawn, cells, cards, strict=True))
    return Scene(background, items, rng.randrange(1 << 30))


def scene_of(split: str, index: int, seed: int = 0) -> Scene:
    """The index-th scene of a split: the same facts for the same (split, index, seed), found by rejection."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use one of: {', '.join(SPLITS)}")
    rng = random.Random(f"{split}/{seed}/{index}")
    while True:
        scene = _draw(rng)
        if belongs(scene, split):
            return scene


def uneven(scene: Scene) -> bool:
    """True when "one" and "the same number" are wrong: two kinds, one of them more often than another."""
    return len(set(scene.counts.values())) > 1


def look_alikes(scene: Scene) -> bool:
    """True when two kinds of one category stand in the picture."""
    category = {kind.key: kind.category for kind in KINDS}
    categories = [category[kind] for kind in scene.counts]
    return len(set(categories)) < len(categories)


def scene_where(wanted: Callable[[Scene], bool], split: str, index: int, seed: int = 0) -> Scene:
    """Like `scene_of`, but a picture for which `wanted` holds (one in 64 tries may fail; then any picture)."""
    tries = (scene_of(split, (index + 1) * 64 + n, seed) for n in range(64))
    return next(filter(wanted, tries), scene_of(split, index, seed))


def vary(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one change: background, a thing's kind, card or cell, one thing more or one less."""
    items, background = list(scene.items), scene.background
    kinds, colours = [kind.key for kind in KINDS], [colour.key for colour in COLOURS]
    free = [cell for cell in range(4) if scene.at(cell) is None]
    change, which = rng.choice(("background", "kind", "card", "move", "add", "drop")), rng.randrange(len(items))
    item = items[which]
    if change == "background":
        background = rng.choice([c for c in colours if c not in (background, *(i.card for i in items))])
    elif change == "kind":
        items[which] = Item(rng.choice([*kinds, *[i.kind for i in items] * 8]), item.cell, item.card)
    elif change == "card":
        items[which] = Item(item.kind, item.cell, rng.choice([c for c in colours if c != background]))
    elif change == "move":
        target = rng.choice([cell for cell in range(4) if cell != item.cell])
        places = {target: item.cell, item.cell: target}
        items = [Item(i.kind, places.get(i.cell, i.cell), i.card) for i in items]
    elif change == "add" and free:
        items.append(Item(rng.choice([*kinds, *[i.kind for i in items] * 8]), rng.choice(free), None))
    elif change == "drop" and len(items) > 1:
        items.pop(which)
    return Scene(background, tuple(sorted(items, key=lambda i: i.cell)), rng.randrange(1 << 30))


def single(kind: str, background: str = "white", cell: int = 0, card: str | None = None) -> Scene:
    """A picture of one thing, as the thesis's example pictures are."""
    return Scene(background, (Item(kind, cell, card),), 0)


# The pictures that the thesis showed to its models, as far as the artwork has them.
THESIS_PICTURES = ("butterfly", "tennis ball", "sunset", "volcano", "city", "sun with sunglasses", "bearded man", "flamingo", "dog")
