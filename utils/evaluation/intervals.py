"""Intervals and baselines: a share is never shown without them."""

from collections import Counter
from collections.abc import Sequence

from scipy.stats import binomtest


def wilson(right: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson interval of a share (scipy); (0, 1) when nothing was asked."""
    if total == 0:
        return 0.0, 1.0
    interval = binomtest(right, total).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def majority_share(truths: Sequence[str]) -> float:
    """What always giving the most common answer would score: the floor that a model that sees must beat."""
    return Counter(truths).most_common(1)[0][1] / len(truths) if truths else 0.0
