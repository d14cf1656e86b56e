"""What the raters found: scores, wins and errors by system with intervals, agreement, and where people and the metric differ."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from utils import runs
from utils.review import agreement
from utils.review.rubric import CRITERIA, ERRORS
from utils.runs import UserError

FEW = 10  # items; below, a bootstrap mostly repeats them, and Wilson's interval stands in
TOP = max(value for criterion in CRITERIA for value, _ in criterion.levels)
VERDICTS = ("right", "undecided", "wrong")


@dataclass(frozen=True)
class Vote:
    """What one person said of one system's answer. An answer that two systems gave is a vote for each.

    `credit` is the system's part of the person's choice of the best answer: 1, a part where several share it, 0, or None where
    the person did not choose; `chosen` tells whether any answer of the item was.
    """

    rater: str
    item: str
    type: str
    answer: str
    system: str
    scores: dict[str, int]
    errors: tuple[str, ...]
    remark: str
    credit: float | None
    chosen: bool


def read_key(folder: Path, review: dict) -> dict:
    """The teacher's `key.json`; raises UserError when it is missing, torn, or the key of other items."""
    path = Path(folder) / "key.json"
    key = runs.read_json(path)
    if not isinstance(key, dict) or key.get("review") != review["review"] or not isinstance(key.get("answers"), dict):
        raise UserError(f"{path} is not the key of review {review['review']}; put the key that was written with these items beside them")
    return key


def votes(review: dict, key: dict, ratings: Mapping[str, Mapping[str, dict]]) -> list[Vote]:
    """The ratings without their blindness, raters, items and answers in order; `ratings` is rater -> item -> rating.

    An answer without any score, error or remark counts only where a best answer was chosen. Where all systems gave one answer there
    is nothing to choose: it is the best unless the person said none. Raises UserError for a rated item that the review does not hold.
    """
    items = {item["id"]: item for item in review["items"]}
    found = []
    for rater in sorted(ratings):
        for item_id, rating in sorted(ratings[rater].items()):
            if item_id not in items:
                raise UserError(f"{rater} rated {item_id}, which review {review['review']} does not hold; give the ratings of this review")
            item = items[item_id]
            best = rating.get("best") or (item["answers"][0]["id"] if len(item["answers"]) == 1 else None)
            for answer in item["answers"]:
                said = (rating.get("answers") or {}).get(answer["id"]) or {}
                judged = dict(said.get("scores") or {}), tuple(said.get("errors") or ()), said.get("remark") or ""
                if any(judged) or best:
                    for system in key["answers"][answer["id"]]:
                        credit = _credit(item, key, answer["id"], best)
                        found.append(Vote(rater, item_id, item["type"], answer["id"], system, *judged, credit, best not in (None, "none")))
    return found


def _credit(item: dict, key: dict, answer: str, best: str | None) -> float | None:
    """A tie is shared by all systems of the item, an answer by all who gave it; "none" gives nothing to anyone."""
    if not best:
        return None
    if best == "tie":
        return 1 / sum(len(key["answers"][one["id"]]) for one in item["answers"])
    return 1 / len(key["answers"][answer]) if best == answer else 0.0


def spread(by_item: Mapping[str, Sequence[float]], top: float = 1.0, rounds: int = 10_000, seed: int = 0) -> dict:
    """The mean over items of the mean over raters, on a scale from 0 to `top`, with its 95 % interval from `low` to `high`.

    Raters are nested in items: items are drawn, each with all its raters (percentile bootstrap, Efron and Tibshirani 1993, chapter 13).
    With fewer than FEW items or without any difference between them the bootstrap's interval would be far too narrow; there `how` is
    "wilson": Wilson's interval (1927, JASA 22:209) of mean / top over items, which is safe for any value between 0 and `top`.
    Without items all three are None.
    """
    import numpy as np

    means = [sum(values) / len(values) for values in by_item.values() if values]
    facts = {"items": len(means), "ratings": sum(map(len, by_item.values()))}
    if not means:
        return {"mean": None, "low": None, "high": None, "how": "", **facts}
    levels, counts = np.unique(np.round(means, 12), return_counts=True)
    mean = sum(means) / len(means)
    if len(means) < FEW or len(levels) == 1:
        low, high = (top * end for end in _wilson(mean / top, len(means)))
        return {"mean": mean, "low": low, "high": high, "how": "wilson", **facts}
    # To draw items is to draw how often each of the few means occurs: the same bootstrap in little memory.
    drawn = np.random.default_rng(seed).multinomial(len(means), counts / len(means), size=rounds) @ levels / len(means)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": mean, "low": float(low), "high": float(high), "how": "bootstrap", **facts}


def _wilson(share: float, total: int) -> tuple[float, float]:
    z2 = 1.959963984540054**2
    middle, half = share + z2 / (2 * total), math.sqrt(max(0.0, share * (1 - share)) * z2 / total + (z2 / (2 * total)) ** 2)
    return max(0.0, (middle - half) / (1 + z2 / total)), min(1.0, (middle + half) / (1 + z2 / total))


def systems(found: Iterable[Vote]) -> list[str]:
    return sorted({vote.system for vote in found})


def scores(found: Sequence[Vote]) -> list[dict]:
    """A row for each system and criterion: `spread` on the scale of the rubric."""
    values: dict[tuple, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for vote in found:
        for criterion, value in vote.scores.items():
            values[vote.system, criterion][vote.item].append(value)
    rows = [(system, criterion.key) for system in systems(found) for criterion in CRITERIA]
    return [{"system": system, "criterion": criterion, **spread(values[system, criterion], TOP)} for system, criterion in rows]


def wins(found: Sequence[Vote]) -> list[dict]:
    """A row for each system, how much of the choices of the best answer it got, and a row "none of them" for what nobody got.

    A tie, or an answer that several systems gave, is shared equally: with two systems half each.
    """
    credits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    refused: dict[str, dict[str, float]] = defaultdict(dict)
    for vote in found:
        if vote.credit is not None:
            credits[vote.system][vote.item].append(vote.credit)
            refused[vote.item][vote.rater] = float(not vote.chosen)
    rows = [{"system": system, **spread(credits[system])} for system in systems(found)]
    return [*rows, {"system": "none of them", **spread({item: list(by_rater.values()) for item, by_rater in refused.items()})}]


def duels(found: Sequence[Vote]) -> list[dict]:
    """A row for each pair of systems: how often the first was chosen before the second, a tie as half, with its `spread`.

    A choice of a third system says nothing about these two and is left out; a choice of none of the answers is a tie.
    """
    by_choice: dict[tuple[str, str], dict[str, Vote]] = defaultdict(dict)
    for vote in found:
        if vote.credit is not None:
            by_choice[vote.item, vote.rater][vote.system] = vote
    rows = []
    for first, second in combinations(systems(found), 2):
        values, counts = defaultdict(list), Counter()
        for (item, _), choice in sorted(by_choice.items()):
            one, other = choice.get(first), choice.get(second)
            if not (one and other) or (one.chosen and not one.credit and not other.credit):
                continue
            value = 0.5 if one.credit == other.credit else float(one.credit > other.credit)
            values[item].append(value)
            counts[value] += 1
        rows.append({"first": first, "second": second, "won": counts[1.0], "tied": counts[0.5], "lost": counts[0.0], **spread(values)})
    return rows


def error_types(found: Sequence[Vote]) -> list[dict]:
    """A row for each error type that anyone ticked, the commonest first: for each system the share of its ratings that name it."""
    rated = Counter(vote.system for vote in found if vote.scores or vote.errors or vote.remark)
    ticked = Counter((vote.system, error) for vote in found for error in set(vote.errors))
    names = {error.key: error.names["en"] for error in ERRORS}
    total = Counter(error for (_, error), count in ticked.items() for _ in range(count))
    columns = systems(found)
    return [
        {"error": error, "name": names.get(error, error), **{system: ticked[system, error] / max(1, rated[system]) for system in columns}}
        for error, _ in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def agreement_rows(found: Sequence[Vote]) -> list[dict]:
    """A row for each criterion and one for the choice of the best answer: alpha with its interval, kappa, the plain share of equal pairs.

    Scores are ranks, so alpha is ordinal; kappa is Cohen's with quadratic weights for two raters, and Fleiss' for more, to which scores
    are names. The best answer is compared by who gave it, since answers have other ids in each item, and only where there was a choice.
    Where there is no number, `reason` says why.
    """
    raters = sorted({vote.rater for vote in found})
    rows = []
    for criterion in CRITERIA:
        given = {(vote.answer, vote.rater): vote.scores.get(criterion.key) for vote in found}
        rows.append(_agreement_row(criterion.names["en"], given, raters, "ordinal", tuple(value for value, _ in criterion.levels)))
    choices: dict[tuple[str, str], list[Vote]] = defaultdict(list)
    for vote in found:
        if vote.credit is not None:
            choices[vote.item, vote.rater].append(vote)
    real = {spot: choice for spot, choice in choices.items() if len({vote.answer for vote in choice}) > 1}
    best = {spot: " = ".join(vote.system for vote in choice if vote.credit) or "none" for spot, choice in real.items()}
    rows.append(_agreement_row("Best answer", best, raters, "nominal", None))
    return rows


def _agreement_row(name: str, given: Mapping[tuple[str, str], object], raters: list[str], level: str, values: tuple | None) -> dict:
    units = [[given.get((unit, rater)) for rater in raters] for unit in sorted({unit for unit, _ in given})]
    alpha = agreement.krippendorff_alpha(units, level, values)
    two = len(raters) == 2
    kappa = agreement.cohen_kappa(units, "none" if values is None else "quadratic", values) if two else agreement.fleiss_kappa(units)
    low, high = agreement.alpha_interval(units, level, values) or (None, None)
    return {
        "what": name, "alpha": alpha.value, "low": low, "high": high, "kappa": kappa.value, "kappa of": "Cohen" if two else "Fleiss",
        "same": agreement.same_share(units), "compared": alpha.units, "raters": alpha.raters, "reason": alpha.reason or kappa.reason,
    }  # fmt: skip


def people_say(said: Iterable[Vote]) -> str | None:
    """What raters together say of an answer: for each the lower of "seen correctly" and "answers the question", then the mean.

    Above the middle of the scale it is "right", below "wrong", on it "undecided"; None when nobody gave both scores.
    """
    lower = [min(vote.scores["seen"], vote.scores["answers"]) for vote in said if {"seen", "answers"} <= vote.scores.keys()]
    if not lower:
        return None
    middle, mean = TOP / 2, sum(lower) / len(lower)
    return "undecided" if math.isclose(mean, middle) else "right" if mean > middle else "wrong"


def against_metric(found: Sequence[Vote], review: dict, key: dict) -> dict:
    """People's verdict beside the automatic metric's, of all answers that have both.

    `counts`: system -> metric ("right", "wrong") -> people -> answers; `rows`: the answers on which they say the opposite, by item;
    `kappa`: Cohen's between the two over decided answers, each once, as a dict. An answer of two systems counts for each in `counts`.
    """
    by_answer: dict[str, list[Vote]] = defaultdict(list)
    for vote in found:
        by_answer[vote.answer].append(vote)
    texts = {answer["id"]: (item, answer["text"]) for item in review["items"] for answer in item["answers"]}
    counts = {system: {metric: dict.fromkeys(VERDICTS, 0) for metric in ("right", "wrong")} for system in systems(found)}
    rows, pairs = [], []
    for answer, said in sorted(by_answer.items()):
        people = people_say(said)
        judged = {system: right for system, right in key.get("right", {}).get(answer, {}).items() if right is not None}
        if people is None or not judged:
            continue
        for system, right in judged.items():
            counts[system]["right" if right else "wrong"][people] += 1
        metric = "right" if all(judged.values()) else "wrong"
        pairs += [(metric, people)] * (people != "undecided")
        if {metric, people} == {"right", "wrong"}:
            item, text = texts[answer]
            remarks = sorted({vote.remark for vote in said if vote.remark})
            rows.append({
                "item": item["id"], "question": item["question"], "answer": text, "gold": key.get("gold", {}).get(item["id"], ""),
                "systems": ", ".join(key["answers"][answer]), "metric": metric, "people": people, "remarks": "; ".join(remarks),
            })  # fmt: skip
    kappa = vars(agreement.cohen_kappa(pairs)) | ({} if pairs else {"reason": "no answer has a clear verdict of people and one of the metric"})
    return {"counts": counts, "rows": rows, "kappa": kappa}


def summary(review: dict, key: dict, ratings: Mapping[str, Mapping[str, dict]]) -> dict:
    """All results as plain JSON data, and `notes`: sentences on what so few people or items cannot tell."""
    found = votes(review, key, ratings)
    rated, raters = {vote.item for vote in found}, sorted({vote.rater for vote in found})
    total = len(review["items"])
    notes = []
    if not raters:
        notes.append("Nobody has rated yet.")
    if len(raters) == 1:
        notes.append(agreement.ONE_RATER.capitalize() + ": ask a second person to rate the same items.")
    if raters and len(rated) < total:
        notes.append(f"{len(rated)} of {total} items are rated; the others count nowhere.")
    if raters and len(rated) < FEW:
        notes.append(f"With fewer than {FEW} items the intervals are wide, and a difference between systems may well be chance.")
    facts = {part: review.get(part) for part in ("review", "title", "language", "scale")}
    return facts | {
        "raters": len(raters), "rated": len(rated), "items": total, "notes": notes, "scores": scores(found), "wins": wins(found),
        "duels": duels(found), "errors": error_types(found), "agreement": agreement_rows(found), "metric": against_metric(found, review, key),
    }  # fmt: skip
