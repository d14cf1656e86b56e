"""Did a model gain or lose between two evaluations? By question type, paired, against the majority baseline, corrected."""

from collections.abc import Sequence

from utils.corpus.scenes.asks import TYPES
from utils.evaluation.intervals import majority_share, wilson
from utils.evaluation.scenes_task import Answer
from utils.evaluation.significance import holm, items_needed, mcnemar, paired_bootstrap
from utils.runs import UserError


def gains(before: Sequence[Answer], after: Sequence[Answer]) -> list[dict]:
    """A row for each type and one for all: both shares, the difference (after minus before) with its interval, tests.

    "p" is McNemar's exact one; over the types it is corrected by Holm ("all" is a question of its own). "above" says
    whether the Wilson interval of the share after lies above the majority baseline of these very questions. Both lists hold
    the same questions in the same order, in one language or two; raises UserError otherwise.
    """
    if [(a.type, a.scene, a.key) for a in before] != [(a.type, a.scene, a.key) for a in after]:
        raise UserError("two evaluations are compared on the same questions in the same order, and these differ; evaluate both models alike")
    kinds = [kind for kind in TYPES if any(a.type == kind for a in before)]
    rows, ps = [], {}
    for kind in (*kinds, "all"):
        one, two = ([a for a in answers if kind in (a.type, "all")] for answers in (before, after))
        first, second = ([a.right for a in some] for some in (one, two))
        low, high = wilson(sum(second), len(second))
        baseline = _baseline(two, kinds if kind == "all" else [kind])
        test = mcnemar(first, second)
        ps[kind] = test["exact_p"]
        shares = {"before": sum(first) / len(first), "after": sum(second) / len(second), "after_low": low, "after_high": high}
        rows.append(
            {"type": kind, "questions": len(one), **shares, **paired_bootstrap(first, second), "baseline": baseline, "above": low > baseline, **test}
        )
    corrected = holm({kind: ps[kind] for kind in kinds})
    return [row | {"p": corrected[row["type"]]["adjusted"] if row["type"] in corrected else row["exact_p"]} for row in rows]


def _baseline(answers: Sequence[Answer], kinds: Sequence[str]) -> float:
    """What always giving a type's commonest answer would get."""
    keys = [[a.key for a in answers if a.type == kind] for kind in kinds]
    return sum(majority_share(some) * len(some) for some in keys) / len(answers)


def could_show(row: dict) -> int | None:
    """How many questions it would take to find a difference of this row's size (power 80 %, level 5 %); None where there is none."""
    total = row["questions"]
    if row["only_first"] == row["only_second"]:
        return None
    return items_needed(row["only_first"] / total, row["only_second"] / total)


def gain_lines(rows: Sequence[dict]) -> list[dict]:
    """The rows of `gains` as text for a table, shares in %, differences in points."""
    return [
        {
            "type": row["type"],
            "questions": row["questions"],
            "baseline": f"{100 * row['baseline']:.0f} %",
            "before": f"{100 * row['before']:.0f} %",
            "after": f"{100 * row['after']:.0f} %",
            "difference": points(row),
            "p": p_text(row["p"]),
            "only before right": row["only_first"],
            "only after right": row["only_second"],
            "above the baseline": "yes" if row["above"] else "no",
        }  # fmt: skip
        for row in rows
    ]


def points(row: dict) -> str:
    """A difference with its interval, in points."""
    return f"{100 * row['difference']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
