"""AdMIRe (SemEval-2025 task 1): score its parts as the official scorer does, and average a ranking over picture orders.

The rules are those of the scoring archives of semeval2025-task1/semeval2025-task1.github.io. There a submission with one
unusable row scores -999; here such a row counts as wrong and is named, and `official` keeps the -999.
"""

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from utils.evaluation.admire_files import PICTURES, TYPES, Item, Prediction, picture_path, read_items, read_predictions, write_predictions
from utils.evaluation.intervals import wilson
from utils.runs import UserError

__all__ = [
    "DCG_BEST", "DCG_RANDOM", "DCG_WORST", "FAILED", "TYPES", "Item", "Prediction",
    "permuted", "picture_path", "read_items", "read_predictions", "score_a", "score_b", "write_predictions",
]  # fmt: skip

WEIGHTS = (3, 1, 0, 0, 0)  # gain of the gold order's first, second, … picture
FAILED = -999  # what the official scorer gives a language whose file it cannot use
DCG_BEST = 3 + 1 / math.log2(3)
DCG_WORST = 3 / math.log2(6) + 1 / math.log2(5)
DCG_RANDOM = sum(WEIGHTS) / 5 * sum(1 / math.log2(2 + place) for place in range(5))  # mean of the 120 orders
NOTE = (
    "name_correlation is Spearman's correlation of the two lists of file names by alphabet, as the official scorer has it: "
    "names are random digits, so it hardly tells anything"
)


def dcg(order: Sequence[str], gold: Sequence[str]) -> float:
    """Discounted gain of an order: weights 3 and 1 on the gold's first two pictures, over log2(2 + place from 0)."""
    return math.fsum(weight / math.log2(2 + order.index(name)) for weight, name in zip(WEIGHTS, gold, strict=True) if weight)


def name_correlation(order: Sequence[str], gold: Sequence[str]) -> float:
    """Spearman's correlation of the names in both lists, place by place, each ranked by alphabet: see NOTE."""
    rank = {name: place for place, name in enumerate(sorted(gold))}
    squares = sum((rank[one] - rank[other]) ** 2 for one, other in zip(order, gold, strict=True))
    return 1 - 6 * squares / (len(gold) * (len(gold) ** 2 - 1))


def _joined(gold: Sequence[Item], predictions: Iterable[Prediction], part: str) -> tuple[dict[str, Prediction], list[str]]:
    """(compound -> usable prediction, what is wrong with the others, sorted); raises UserError without gold to compare with."""
    hidden = [item.compound for item in gold if not item.gold or (part == "b" and not item.sentence_type)]
    if hidden or not gold:
        told = f"hides the answers of {len(hidden)} items, such as {hidden[0]!r}" if hidden else "is empty"
        raise UserError(f"the gold file {told}; give the file with the answers")
    double = [name for name, times in Counter(item.compound for item in gold).items() if times > 1]
    if double:
        raise UserError(f"the gold holds {double[0]!r} twice; score each file alone, test and extended share their compounds")
    items, times, usable, found = {item.compound: item for item in gold}, Counter(), {}, []
    for said in predictions:
        times[said.compound] += 1
        item = items.get(said.compound)
        if item is None:
            found.append(f"{said.compound[:80]!r} is no compound of the gold")
            continue
        flaw = _unusable(item, said, part)
        if flaw:
            found.append(f"{said.compound!r} {flaw}")
        else:
            usable[said.compound] = said
    for name in [name for name in times if times[name] > 1]:  # which of two is meant would depend on their order
        usable.pop(name, None)
        found.append(f"{name[:80]!r} is answered {times[name]} times")
    return usable, sorted(found + [f"{name!r} is not answered" for name in items if not times[name]])


def _unusable(item: Item, said: Prediction, part: str) -> str | None:
    """Why an answer cannot be scored; None for one that can."""
    if not said.order:
        return "has an empty answer"
    if part == "a":
        return None if sorted(said.order) == sorted(item.gold) else f"does not name its {PICTURES['a']} pictures once each"
    if len(said.order) != 1:
        return f"has {len(said.order)} pictures, not one"
    return None if said.sentence_type in TYPES else "has no type, literal or idiomatic"


def _share(name: str, right: Sequence[bool]) -> dict:
    low, high = wilson(sum(right), len(right))
    return {name: sum(right) / len(right) if right else None, f"{name}_low": low, f"{name}_high": high}


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _split(rows: list[dict], name: str) -> list[dict]:
    return [row for row in rows if name in ("all", row["sentence_type"])]


def score_a(gold: Sequence[Item], predictions: Iterable[Prediction]) -> dict:
    """Part A: top-1 (0 to 1, Wilson interval), DCG (DCG_WORST to DCG_BEST, 0 for an unusable answer) and the name correlation.

    "splits" has them for all, literal and idiomatic items (None where there are none or the type is hidden), "rows" per
    item in the gold's order, "unusable" what cannot be scored, "official" the official figures. Raises UserError for a
    gold without answers.
    """
    usable, found = _joined(gold, predictions, "a")
    rows = []
    for item in gold:
        order = usable[item.compound].order if item.compound in usable else ()
        row = {"compound": item.compound, "sentence_type": item.sentence_type, "top1": bool(order) and order[0] == item.gold[0]}
        figures = (
            {"dcg": dcg(order, item.gold), "name_correlation": name_correlation(order, item.gold)} if order else {"dcg": 0.0, "name_correlation": 0.0}
        )
        rows.append(row | figures)
    splits = {}
    for name in ("all", *TYPES):
        some = _split(rows, name)
        means = {key: _mean([row[key] for row in some]) for key in ("dcg", "name_correlation")}
        splits[name] = {"items": len(some), **_share("top1", [row["top1"] for row in some]), **means}
    official = {name: {key: FAILED if found else splits[name][key] for key in ("top1", "dcg", "name_correlation")} for name in splits}
    chance = {"top1": 0.2, "dcg": DCG_RANDOM, "dcg_best": DCG_BEST, "dcg_worst": DCG_WORST}
    return {"task": "admire-a", "splits": splits, "rows": rows, "unusable": found, "official": official, "chance": chance, "note": NOTE}


def score_b(gold: Sequence[Item], predictions: Iterable[Prediction]) -> dict:
    """Part B: share of right pictures ("item") and of right types ("type"), 0 to 1; else as `score_a`."""
    usable, found = _joined(gold, predictions, "b")
    rows = []
    for item in gold:
        said = usable.get(item.compound, Prediction(item.compound, ()))
        right = {"item": said.order == item.gold, "type": said.sentence_type == item.sentence_type}
        rows.append({"compound": item.compound, "sentence_type": item.sentence_type, **right})
    splits = {}
    for name in ("all", *TYPES):
        some = _split(rows, name)
        splits[name] = {"items": len(some), **_share("item", [row["item"] for row in some]), **_share("type", [row["type"] for row in some])}
    official = {key: FAILED if found else splits["all"][key] for key in ("item", "type")}
    return {"task": "admire-b", "splits": splits, "rows": rows, "unusable": found, "official": official, "chance": {"item": 0.25, "type": 0.5}}


def _shown(item: Item, places: Sequence[int]) -> Item:
    """The item with its pictures, and their captions, in another order."""
    moved = {key: tuple(getattr(item, key)[place] for place in places) for key in ("images", "captions", "captions_pt") if getattr(item, key)}
    return dataclasses.replace(item, **moved)


def _ranks(said: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Rank of each name, from 0; names that an answer leaves out share the mean of the ranks left."""
    named = [name for name in dict.fromkeys(said) if name in names]
    rest = (len(named) + len(names) - 1) / 2
    return {name: float(named.index(name)) if name in named else rest for name in names}


def permuted(rank: Callable[[Item], Sequence[str]], item: Item, rounds: int = 10, seed: int = 0) -> dict:
    """Rank an item's pictures in shuffled orders and average, so that a liking for a place cancels out.

    Orders are rotations of random ones: with `rounds` a multiple of the number of pictures, each stands in each place
    equally often. Returns "order" (best first; equal means by name), "mean_ranks" (from 0), "first_places" (how often
    the answer's first picture stood in each place) and "dependence": the variance of a picture's rank over the orders
    against that of ranks by place alone. It is 0 where the order changes nothing and 1 where it decides everything.
    """
    size, rng = len(item.images), random.Random(f"{seed}/{item.compound}")
    seen: dict[str, list[float]] = {name: [] for name in item.images}
    places, first = list(range(size)), [0] * size
    for turn in range(rounds):
        if turn % size == 0:
            rng.shuffle(places)
        shown = _shown(item, places[turn % size :] + places[: turn % size])
        said = [name for name in rank(shown) if name in seen]
        for name, found in _ranks(said, item.images).items():
            seen[name].append(found)
        if said:
            first[shown.images.index(said[0])] += 1
    means = {name: math.fsum(ranks) / rounds for name, ranks in seen.items()}
    spread = math.fsum((found - means[name]) ** 2 for name, ranks in seen.items() for found in ranks) / (rounds * size)
    order = tuple(sorted(item.images, key=lambda name: (means[name], name)))
    return {"order": order, "mean_ranks": means, "first_places": first, "dependence": min(1.0, spread / ((size**2 - 1) / 12))}
