"""What the study of the five fusions found: pooled over seeds, in tables and curves."""

from collections.abc import Sequence

from utils.evaluation.intervals import wilson
from utils.taxonomy.measure import Cost


def fusions_of(study: dict) -> list[str]:
    """The names of the study's fusions in its order."""
    return list(dict.fromkeys(row["fusion"] for row in study["runs"]))


def label(study: dict, name: str) -> str:
    """A fusion as figures name it: its letter and a short word."""
    letter = next(row["letter"] for row in study["runs"] if row["fusion"] == name)
    return f"{letter} {name.replace('_', ' ')}"


def runs_of(study: dict, name: str, share: float = 1.0) -> list[dict]:
    return [row for row in study["runs"] if row["fusion"] == name and row["share"] == share]


def pooled(study: dict, name: str, share: float = 1.0) -> list[dict]:
    """A row for each type of question and one for all: mean share right over the seeds, questions, 95 % interval, majority baseline.

    All seeds answer the same questions: the interval is that of one seed's questions, for three times the answers are not
    three times the questions. The seeds' own spread stands beside it in `summary`.
    """
    every, rows = runs_of(study, name, share), []
    for kind in every[0]["types"]:
        found = _interval([run["types"][kind] for run in every])
        rows.append({"type": kind, **found, "baseline": every[0]["types"][kind]["baseline"]})
    return rows


def _interval(rows: Sequence[dict]) -> dict:
    """Mean share over rows of {"right", "total"} with the Wilson interval of a mean row."""
    total = rows[0]["total"]
    right = mean(row["right"] for row in rows)
    low, high = wilson(round(right), total)
    return {"right": right, "total": total, "share": right / total, "low": low, "high": high}


def overall(study: dict, name: str, share: float = 1.0) -> dict:
    return next(row for row in pooled(study, name, share) if row["type"] == "all")


def swap(study: dict, name: str) -> dict:
    """Of all seeds' right answers whose picture was exchanged, how many changed; and the lowest seed's share."""
    seen = [run["seeing"] for run in runs_of(study, name)]
    right, changed = (sum(one[key] for one in seen) for key in ("right", "changed"))
    return {"right": right, "changed": changed, "share": changed / max(1, right), "lowest": min(one["share"] for one in seen)}


def drawing(study: dict, name: str) -> dict | None:
    """Mean over the seeds of what the classifier recognises in drawn, given back and real pictures; None for a fusion that does not draw."""
    found = [run["drawing"] for run in runs_of(study, name)]
    if not found or not found[0]:
        return None
    return {which: sum(one[which]["share"] for one in found) / len(found) for which in ("drawn", "given_back", "real")}


def head_start(study: dict) -> list[dict]:
    """The table of the control: a fusion with the base's projector and with a new one, the mean over the seeds that the study has of each."""
    rows = []
    for name in dict.fromkeys(row["fusion"] for row in study["controls"]):
        fresh = _interval([row["types"]["all"] for row in study["controls"] if row["fusion"] == name])
        for words, found in (("the base's projector", overall(study, name)), ("a new projector", fresh)):
            rows.append(
                {"fusion": label(study, name), "starts with": words, "right": f"{found['share']:.0%} [{found['low']:.0%}–{found['high']:.0%}]"}
            )
    return rows


def mean(values: Sequence[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def summary(study: dict) -> list[dict]:
    """The table of accuracy: right over all seeds, the lowest and highest seed, points over the majority, and the swap test."""
    rows = []
    for name in fusions_of(study):
        every, seeds, seen = overall(study, name), [run["types"]["all"]["share"] for run in runs_of(study, name)], swap(study, name)
        rows.append(
            {"fusion": label(study, name), "right": f"{every['share']:.0%} [{every['low']:.0%}–{every['high']:.0%}]",
             "seeds": f"{min(seeds):.0%} to {max(seeds):.0%}", "majority": f"{every['baseline']:.0%}",
             "changes with the picture": f"{seen['share']:.0%} of {seen['right']}", "lowest seed": f"{seen['lowest']:.0%}"}
        )  # fmt: skip
    return rows


def spent(study: dict, costs: dict[str, Cost]) -> list[dict]:
    """The table of costs: parameters, tokens and operations of an answer, and training's seconds and memory (mean over seeds, one thread)."""
    rows = []
    for name in fusions_of(study):
        every, cost = runs_of(study, name), costs[name]
        rows.append(
            {"fusion": label(study, name), "parameters": f"{cost.parameters:,}", "learn": f"{cost.trained:,}", "tokens": cost.sequence,
             "operations, millions": f"{'≥ ' if name == 'state_space' else ''}{cost.flops / 1e6:.0f}",
             "training, CPU s": f"{mean(run['cpu_seconds'] for run in every):.0f}",
             "training, peak MB": f"{mean(run['peak_mb'] for run in every):,.0f}",
             "an answer, ms": f"{1000 * mean(run['answer_seconds'] for run in every):.0f}"}
        )  # fmt: skip
    return rows


def curves(study: dict) -> dict[str, list[tuple[int, float, float, float]]]:
    """Fusion -> points (pictures, mean share right, lowest seed, highest seed), fewest pictures first."""
    found = {}
    for name in fusions_of(study):
        shares = sorted({row["share"] for row in study["runs"] if row["fusion"] == name})
        points = []
        for share in shares:
            every = [run["types"]["all"]["share"] for run in runs_of(study, name, share)]
            points.append((runs_of(study, name, share)[0]["pictures"], mean(every), min(every), max(every)))
        found[label(study, name)] = points
    return found


def sounds(study: dict, name: str) -> dict:
    """The second modality over all seeds: right, total, share, interval and baseline of sounds, swap, lines, parameters, pictures before and after."""
    every = [row for row in study["second"] if row["fusion"] == name]
    heard = [next(row for row in one["sounds"] if row["type"] == "all") for one in every]
    before = mean(run["types"]["all"]["share"] for run in runs_of(study, name) if run["seed"] in {one["seed"] for one in every})
    return {
        **_interval(heard), "baseline": heard[0]["baseline"],
        "changed": mean(row["changed"] for row in heard), "lines": every[0]["lines"], "added": every[0]["added"],
        "cpu_seconds": mean(one["cpu_seconds"] for one in every), "before": before, "after": mean(one["pictures"] for one in every),
    }  # fmt: skip


def second(study: dict) -> list[dict]:
    """The table of the second modality, a row for each fusion."""
    rows = []
    for name in fusions_of(study):
        found = sounds(study, name)
        rows.append(
            {"fusion": label(study, name), "own lines of code": found["lines"], "parameters added": f"{found['added']:,}",
             "training, CPU s": f"{found['cpu_seconds']:.0f}",
             "sounds right": f"{found['share']:.0%} [{found['low']:.0%}–{found['high']:.0%}]", "majority": f"{found['baseline']:.0%}",
             "changes with the sound": f"{found['changed']:.0%}", "pictures before and after": f"{found['before']:.0%} → {found['after']:.0%}"}
        )  # fmt: skip
    return rows


def growth(study: dict, name: str) -> float | None:
    """How many times longer a row of the longest measured length takes than one of the length before it; None where it was not measured."""
    rows = sorted((row for row in study["lengths"] if row["fusion"] == name), key=lambda row: row["tokens"])
    return rows[-1]["seconds"] / rows[-2]["seconds"] if len(rows) > 1 else None
