"""Compare models trained on different texts on the same questions: mean over seeds, intervals over questions, McNemar a seed."""

from collections import Counter
from collections.abc import Sequence

from utils.evaluation.gains import points
from utils.evaluation.significance import holm, mcnemar, paired_bootstrap

WORDINGS = ("gold", "machine")  # how the questions are worded


def _bits(found: dict, text: str, seed: int, wording: str, kind: str) -> list[int]:
    run = next(run for run in found["runs"] if (run["text"], run["seed"]) == (text, seed))
    right = run["asked"][wording]["right"]
    return [int(bit) for name in (right if kind == "all" else (kind,)) for bit in right[name]]


def seeds_of(found: dict) -> list[int]:
    return sorted({run["seed"] for run in found["runs"]})


def types_of(found: dict) -> list[str]:
    return list(found["runs"][0]["asked"][WORDINGS[0]]["right"])


def by_seed(found: dict, text: str, wording: str, kind: str = "all") -> list[float]:
    """Share right of each seed's model."""
    return [sum(bits) / len(bits) for seed in seeds_of(found) for bits in [_bits(found, text, seed, wording, kind)]]


def per_question(found: dict, text: str, wording: str, kind: str = "all") -> list[float]:
    """For each question the share of seeds that have it right."""
    every = [_bits(found, text, seed, wording, kind) for seed in seeds_of(found)]
    return [sum(one) / len(every) for one in zip(*every, strict=True)]


def overall(found: dict) -> list[dict]:
    """A row for each text trained on and wording asked in: mean share, the least and most of the seeds, answers in the language."""
    rows = []
    for text in dict.fromkeys(run["text"] for run in found["runs"]):
        for wording in WORDINGS:
            shares = by_seed(found, text, wording)
            spoken = [run["asked"][wording]["in_language"] for run in found["runs"] if run["text"] == text]
            items = len(per_question(found, text, wording))
            rows.append(
                {
                    "text": text,
                    "wording": wording,
                    "share": sum(shares) / len(shares),
                    "least": min(shares),
                    "most": max(shares),
                    "in_language": sum(spoken) / len(spoken) / items,
                }  # fmt: skip
            )
    return rows


def compare(found: dict, first: str, second: str, wording: str = "gold") -> list[dict]:
    """A row for each question type and one for all: both shares (mean over seeds) and the difference, second minus first.

    The difference has its paired bootstrap interval over the questions, each scored by the share of seeds that have it
    right; it does not hold the chance of training, which "by_seed" shows. "p" is McNemar's exact one for each seed,
    corrected by Holm over the types of that seed ("all" is a question of its own), and "holds" counts the seeds whose p stays
    below 0.05. Two models of one seed share base, batches and questions, not text.
    """
    kinds = types_of(found)
    tests = {seed: _tests(found, first, second, seed, wording, kinds) for seed in seeds_of(found)}
    rows = []
    for kind in (*kinds, "all"):
        one, two = (per_question(found, text, wording, kind) for text in (first, second))
        deltas = [b - a for a, b in zip(by_seed(found, first, wording, kind), by_seed(found, second, wording, kind), strict=True)]
        ps = [tests[seed][kind] for seed in seeds_of(found)]
        rows.append(
            {
                "type": kind,
                "questions": len(one),
                first: sum(one) / len(one),
                second: sum(two) / len(two),
                **paired_bootstrap(one, two),
                "by_seed": deltas,
                "p": ps,
                "holds": sum(p < 0.05 for p in ps),
            }  # fmt: skip
        )
    return rows


def _tests(found: dict, first: str, second: str, seed: int, wording: str, kinds: Sequence[str]) -> dict[str, float]:
    test = lambda kind: mcnemar(*(_bits(found, text, seed, wording, kind) for text in (first, second)))["exact_p"]  # noqa: E731
    corrected = holm({kind: test(kind) for kind in kinds})
    return {kind: told["adjusted"] for kind, told in corrected.items()} | {"all": test("all")}


def causes(found: dict, text: str, wording: str = "gold") -> Counter:
    """Wrong answers by cause, all seeds together."""
    total: Counter = Counter()
    for run in found["runs"]:
        if run["text"] == text:
            for counts in run["asked"][wording]["causes"].values():
                total.update(counts)
    return total


def told(found: dict, first: str, second: str, wording: str) -> str:
    """The overall difference as a sentence, with what speaks against it."""
    row = compare(found, first, second, wording)[-1]
    seeds = ", ".join(f"{100 * one:+.1f}" for one in row["by_seed"])
    return (
        f"asked in {wording} wording, training on {second} text instead of {first} text changes {100 * row['difference']:+.1f} points "
        f"[{100 * row['low']:+.1f}, {100 * row['high']:+.1f}] over {row['questions']} questions; by seed {seeds}; "
        f"McNemar's p below 0.05 in {row['holds']} of {len(row['p'])} seeds"
    )


def lines(rows: Sequence[dict], first: str, second: str) -> list[dict]:
    """The rows of `compare` as text for a table."""
    return [
        {
            "type": row["type"],
            "questions": row["questions"],
            f"trained on {first}": f"{100 * row[first]:.1f} %",
            f"trained on {second}": f"{100 * row[second]:.1f} %",
            "difference": points(row),
            "by seed": ", ".join(f"{100 * one:+.0f}" for one in row["by_seed"]),
            "p < 0.05 in": f"{row['holds']} of {len(row['p'])} seeds",
        }  # fmt: skip
        for row in rows
    ]


def in_both_wordings(found: dict, first: str, second: str) -> list[str]:
    """A sentence for each type that differs beyond its interval in gold wording: is it the text that was learnt, or only its style?"""
    gold, machine = ({row["type"]: row for row in compare(found, first, second, wording)[:-1]} for wording in WORDINGS)
    told = []
    for kind, row in gold.items():
        if row["low"] > 0 or row["high"] < 0:
            other = machine[kind]
            same = (other["low"] > 0 and row["low"] > 0) or (other["high"] < 0 and row["high"] < 0)
            told.append(f"{kind}: {points(row)} asked in gold wording, {points(other)} in machine wording: {'in both' if same else 'not in both'}")
    return told or ["no type differs beyond its interval"]


CHANGED = (
    "a thing under another name",
    "another number",
    "another colour",
    "another place",
    "another verdict",
    "agreement broken",
    "left in English",
)


def changed_shares(found: dict, side: str = "answer") -> dict[str, float]:
    """Type -> share of the translator's turns that say something else than gold, or say it wrongly."""
    rows = [row for row in found["translator"] if row["side"] == side and row["type"] != "all"]
    return {row["type"]: sum(row[name] for name in CHANGED) / row["turns"] for row in rows}


def errors_against_loss(found: dict, most: int = 3) -> list[str]:
    """Sentences: do the types whose answers the translator changed most gain most from gold text? Spearman's rank correlation."""
    from scipy.stats import spearmanr

    changed = changed_shares(found)
    gained = {row["type"]: row["difference"] for row in compare(found, "machine", "gold") if row["type"] in changed}
    kinds = [kind for kind in changed if kind in gained]
    result = spearmanr([changed[kind] for kind in kinds], [gained[kind] for kind in kinds])
    worst = sorted(kinds, key=lambda kind: -changed[kind])[:most]
    shown = "; ".join(f"{kind} {100 * changed[kind]:.1f} % changed, {100 * gained[kind]:+.1f} points from gold" for kind in worst)
    return [
        f"the types whose answers the translator changed most: {shown}",
        f"rank correlation of changed answers with points gained from gold text, over {len(kinds)} types: "
        f"{result.statistic:+.2f} (p = {result.pvalue:.2f})",
    ]
