"""The exercises of notebook 07: fourteen chances of a false alarm, an average that favours the worse model, and two files of one's own."""

from pathlib import Path

from utils.runs import ROOT, UserError, read_json

LEVEL = 0.05
FEWEST = 20  # questions of one's own
LIMIT = 1000.0  # perplexity; what is over it is dropped: swap-uniba/LLaVA-NDiNO, evaluate_ppl.py


def shipped() -> dict:
    """The answers of section 5 that travel with the repository."""
    return read_json(ROOT / "data" / "translation_harm" / "harm.json")


def claims(found: dict, seed: int) -> tuple[set[str], set[str]]:
    """Types in which training on gold instead of machine text changes what is right, asked in gold wording: before Holm, and after."""
    from utils.evaluation.significance import holm, mcnemar

    right = {run["text"]: run["asked"]["gold"]["right"] for run in found["runs"] if run["seed"] == seed}
    ps = {kind: mcnemar(*([bit == "1" for bit in right[text][kind]] for text in ("machine", "gold")))["exact_p"] for kind in right["gold"]}
    corrected = holm(ps)
    return {kind for kind, p in ps.items() if p < LEVEL}, {kind for kind in ps if corrected[kind]["adjusted"] < LEVEL}


def false_alarms(answer: dict) -> str:
    """a dict seed -> {"before": [types], "after": [types]}, for the seeds 0, 1 and 2

    Copy: section 1's test on the shipped answers, before Holm's correction and after it. Both are computed again.
    """
    found = shipped()
    seeds = sorted({run["seed"] for run in found["runs"]})
    told = {seed: tuple(set(answer[seed][name]) for name in ("before", "after")) for seed in seeds}
    right = {seed: claims(found, seed) for seed in seeds}
    known = set(found["runs"][0]["asked"]["gold"]["right"])
    if odd := set().union(*(part for parts in told.values() for part in parts)) - known:
        return f"the names of the types: {', '.join(sorted(map(str, odd)))} is none; “all” is a question of its own"
    if told != right and all(told[seed] == right[seed][::-1] for seed in seeds):
        return "which is which: the correction can only take claims away, so `after` is never longer"
    for seed in seeds:
        if told[seed][0] != right[seed][0]:
            return f"seed {seed}, before: McNemar's exact p of each type alone, machine text against gold text, asked in gold wording, below {LEVEL}"
        if told[seed][1] != right[seed][1]:
            return f"seed {seed}, after: all types of one seed are one family, and Holm's adjusted p counts, not the p that it began with"
    return ""


def dropped(answer: dict) -> str:
    """a dict with "better" and "worse", two lists of perplexities of the same three or more items

    Adapt: one model is less surprised by every single answer, and loses once items over 1000 are dropped. Averages are made again.
    """
    import math

    from utils.evaluation.perplexity import summary

    better, worse = ([float(value) for value in answer[name]] for name in ("better", "worse"))
    if len(better) != len(worse) or len(better) < 3:
        return "the lists: the same items for both models, three or more"
    if min(*better, *worse) < 1 or not all(map(math.isfinite, (*better, *worse))):
        return "the numbers: a perplexity is never below 1 (a model that is sure of every word has 1), and finite here"
    if not all(a < b for a, b in zip(better, worse, strict=True)):
        return "`better`: it must be less surprised by every single item, so each of its numbers is the smaller one"
    means = [summary([(math.log(value), 1, 1) for value in values], LIMIT)["within"]["per_token"]["mean"] for values in (better, worse)]
    if None in means:
        return "what is left: one model has every item over 1000, so it has no mean at all; keep some below"
    if not any(value > LIMIT for value in worse):
        return "what is dropped: no item of `worse` is over 1000, so nothing happens; let the trap close on one"
    if means[1] >= means[0]:
        return f"the two means without items over 1000: {means[0]:.1f} and {means[1]:.1f}, so the better model still wins; what may `better` keep?"
    return ""


def own_files(answer: dict) -> str:
    """a dict with "gold" and "predictions" (a path, two paths), "language", "gap" (points) and "p" (a number)

    Own data: two prediction files on the same questions; the gap is the second file's share right minus the first's, read relaxed,
    and p is McNemar's exact one. Both are scored again from the files.
    """
    from utils.evaluation.score import score

    paths = [Path(path) for path in answer["predictions"]]
    gap, p = float(answer["gap"]), float(answer["p"])
    if len(paths) != 2 or paths[0].resolve() == paths[1].resolve():
        return "the predictions: two files, of two models or of one model asked in two ways"
    try:
        compared = score("exact-match", Path(answer["gold"]), paths, answer["language"])["compared"]
    except UserError as error:
        return f"the files: {error}"
    found = {name: (100 * one["bootstrap"]["difference"], one["mcnemar"]) for name, one in compared.items()}
    right, test = found["relaxed"]
    if compared["relaxed"]["items"] < FEWEST:
        return f"how much was asked: {compared['relaxed']['items']} questions, and {FEWEST} are the least here; fewer tell hardly anything"
    if abs(gap - right) > 0.06:
        if abs(gap + right) <= 0.06:
            return "the sign of the gap: it is the second file minus the first"
        if abs(gap - found["strict"][0]) <= 0.06:
            return "the reading: that gap is the strict one, which counts “Um gato.” as wrong where the gold says “gato”"
        return "the gap: in points, the shares right of the two files read relaxed, second minus first, one decimal"
    if abs(p - test["exact_p"]) > 0.0006:
        return "p: McNemar's exact one (`exact_p`), which counts only the questions that one file alone has right; three decimals do"
    return ""


EXERCISES = {"07.1": false_alarms, "07.2": dropped, "07.3": own_files}
