"""Is a difference between two models more than chance? Paired tests, intervals, many comparisons at once, and how many items it takes."""

import math
from collections.abc import Mapping, Sequence

from utils.runs import UserError

_BLOCK = 1 << 22  # indices that the bootstrap draws at a time: 32 MiB, whatever the number of items
_SEARCHED = 20_000  # items up to which `items_needed` searches; beyond, a formula is as good


def _same_length(first: Sequence, second: Sequence) -> None:
    if len(first) != len(second):
        raise UserError(f"a paired test got {len(first)} items of one model and {len(second)} of the other; give both on the same items, in order")


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict:
    """McNemar's test on the right and wrong answers of two models to the same items, in the same order.

    `only_first` counts the items that the first alone has right, `only_second` those that the second alone has. `exact_p` is
    the two-sided binomial test; `chi2` has Edwards' continuity correction and its `chi2_p` one degree of freedom. It is
    trustworthy from about 25 disagreements on: below that read `exact_p`. Without any disagreement both p are 1. As in
    statsmodels, the correction stays when both disagree equally often. Raises UserError when the lengths differ and
    for scores other than right and wrong. McNemar 1947 (Psychometrika 12:153), Edwards 1948 (Psychometrika 13:185).
    """
    from scipy.stats import binomtest, chi2

    _same_length(first, second)
    if {*first, *second} - {0, 1}:
        raise UserError("McNemar's test compares right with wrong, and some scores are neither 1 nor 0; use paired_bootstrap for partial scores")
    counts = {"both": 0, "only_first": 0, "only_second": 0, "neither": 0}
    for a, b in zip(first, second, strict=True):
        counts["both" if a and b else "only_first" if a else "only_second" if b else "neither"] += 1
    one, other = counts["only_first"], counts["only_second"]
    if not one + other:
        return counts | {"exact_p": 1.0, "chi2": 0.0, "chi2_p": 1.0}
    statistic = (abs(one - other) - 1) ** 2 / (one + other)
    exact = binomtest(one, one + other, 0.5).pvalue
    return counts | {"exact_p": float(exact), "chi2": statistic, "chi2_p": float(chi2.sf(statistic, 1))}


def paired_bootstrap(first: Sequence[float], second: Sequence[float], rounds: int = 10_000, seed: int = 0, level: float = 0.95) -> dict:
    """`difference` of the mean scores, second minus first, with its percentile bootstrap interval from `low` to `high`.

    Items are drawn with replacement, each with both of its scores (Efron and Tibshirani 1993, chapters 13 and 16); the unit is
    that of the scores. Whether an item was right counts as 1 or 0. Both lists are in one order, whichever; the seed decides the draw.
    Raises UserError when the lengths differ, when there is no item, and when a score is infinite or not a number.
    """
    import numpy as np

    _same_length(first, second)
    gain = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    if not len(gain):
        raise UserError("there is no item to compare two models on; give scores of the same items")
    if not np.isfinite(gain).all():
        bad = np.flatnonzero(~np.isfinite(gain))
        raise UserError(f"{len(bad)} scores are infinite or not numbers, the first in item {bad[0] + 1}; leave these items out of both models")
    gain.sort()  # so that the order of the items changes nothing, to the last digit
    generator, step = np.random.default_rng(seed), max(1, _BLOCK // len(gain))
    means = np.empty(rounds)
    for start in range(0, rounds, step):
        drawn = generator.integers(0, len(gain), (min(step, rounds - start), len(gain)))
        means[start : start + step] = gain[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return {"difference": float(gain.mean()), "low": float(low), "high": float(high)}


def holm(p_values: Mapping[str, float], level: float = 0.05) -> dict[str, dict]:
    """Holm's correction for a family of tests: for each its `p`, the `adjusted` p, and whether it is `rejected` at `level`.

    The chance of any false alarm in the whole family stays below `level`, however the tests depend on each other. The
    names keep their order. Raises UserError for a p outside 0 to 1. Holm 1979 (Scandinavian Journal of Statistics 6:65).
    """
    wrong = [name for name, p in p_values.items() if not 0 <= p <= 1]
    if wrong:
        raise UserError(f"a p value lies between 0 and 1, and these do not: {', '.join(wrong)}; give each test's p or leave the test out")
    adjusted, rejected, floor, still = {}, {}, 0.0, True
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        left = len(p_values) - rank
        floor = max(floor, min(1.0, p_values[name] * left))
        still = still and p_values[name] <= level / left  # one test that holds keeps all weaker ones
        adjusted[name], rejected[name] = floor, still
    return {name: {"p": p, "adjusted": adjusted[name], "rejected": rejected[name]} for name, p in p_values.items()}


def items_needed(only_first: float, only_second: float, power: float = 0.8, level: float = 0.05) -> int:
    """How many items it takes for the exact test of `mcnemar` to find the difference with this power, and with any more items too.

    `only_first` and `only_second` are the expected shares of all items that one model alone has right; their difference
    is the difference in accuracy. The power is that of the exact test, over all counts of disagreements (Miettinen 1968,
    Biometrics 24:339), searched from Connor's formula (1987, Biometrics 43:207). Beyond 20,000 items it is that formula plus
    2 / difference, which the search stays within a thousandth of. Raises UserError for shares that are none, and for
    equal ones: no number of items shows a difference that is not there.
    """
    from scipy.stats import norm

    if min(only_first, only_second) < 0 or not only_first + only_second <= 1 + 1e-12:
        raise UserError(
            f"the shares {only_first:g} and {only_second:g} are no parts of one whole; give two shares from 0 to 1 with a sum of at most 1"
        )
    if only_first == only_second:
        raise UserError(f"both models alone are right on a share of {only_first:g}, so no number of items shows a difference; give unequal shares")
    if not (0 < power < 1 and 0 < level < 1):
        raise UserError(f"a power of {power:g} at the level {level:g} cannot be planned for; give two numbers between 0 and 1")
    share, gap = min(1.0, only_first + only_second), abs(only_first - only_second)
    connor = (norm.isf(level / 2) * math.sqrt(share) + norm.ppf(power) * math.sqrt(share - gap**2)) ** 2 / gap**2
    if connor > _SEARCHED:
        return math.ceil(connor + 2 / gap)
    low, high = 0, math.ceil(2 * connor) + 10
    while exact_power(high, only_first, only_second, level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if exact_power(middle, only_first, only_second, level) >= power else (middle, high)
    # Counts are whole, so the power goes up in teeth: look ahead for items that would make the test weaker again.
    ahead = range(high, high + 2 * math.isqrt(high) + 12)
    return 1 + max((n for n in ahead if exact_power(n, only_first, only_second, level) < power), default=high - 1)


def exact_power(items: int, only_first: float, only_second: float, level: float = 0.05) -> float:
    """The chance that `mcnemar` has an exact p of at most `level`, when each item falls to one model alone with these shares."""
    import numpy as np
    from scipy.stats import binom

    share = min(1.0, only_first + only_second)
    first, last = binom.ppf([1e-12, 1 - 1e-12], items, share)  # what lies outside weighs nothing
    counts = np.arange(first, last + 1)
    edge = binom.ppf(level / 2, counts, 0.5)
    edge = np.where(2 * binom.cdf(edge, counts, 0.5) <= level, edge, edge - 1)  # the largest smaller side that is rejected
    odds = only_first / (only_first + only_second)
    found = binom.cdf(edge, counts, odds) + binom.cdf(edge, counts, 1 - odds)
    return float(np.sum(binom.pmf(counts, items, share) * found))
