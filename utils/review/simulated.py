"""Raters made up by rule, so that the analysis can be shown before anybody has rated; every figure of theirs says "simulated"."""

import random

from utils.review.rubric import CRITERIA, ERRORS

NAMES = ("simulated 1", "simulated 2", "simulated 3")
SLIP = 0.15  # share of scores in which a made-up rater departs from the rule


def simulated(review: dict, key: dict, seed: int = 0) -> dict[str, dict[str, dict]]:
    """Rater -> item -> rating, in the shape of `ratings.merge`: the metric's verdict, with slips of each rater's own.

    They know the key, which no person does: nothing that is shown from them says anything about a model.
    """
    return {name: {item["id"]: _rating(item, key, random.Random(f"{seed}/{name}/{item['id']}")) for item in review["items"]} for name in NAMES}


def _rating(item: dict, key: dict, rng: random.Random) -> dict:
    told, right = {}, {}
    for answer in item["answers"]:
        verdicts = key["right"].get(answer["id"], {})
        right[answer["id"]] = any(verdicts.values())
        told[answer["id"]] = {
            "scores": _scores(right[answer["id"]], rng),
            "errors": [] if right[answer["id"]] else [rng.choice(ERRORS).key],
            "remark": "",
        }
    good = [of for of, is_right in right.items() if is_right]
    best = None if len(item["answers"]) == 1 else "none" if not good else "tie" if len(good) > 1 else good[0]
    return {"best": best, "answers": told, "at": "2024-01-01T00:00:00Z", "seconds": 0.0}


def _scores(right: bool, rng: random.Random) -> dict[str, int]:
    return {criterion.key: rng.randint(0, 2) if rng.random() < SLIP else 2 * right for criterion in CRITERIA}
