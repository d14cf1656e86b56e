"""How far raters agree beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha; a number, or None with the reason."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from utils.runs import UserError

ONE_RATER = "only one person has rated, so agreement cannot be told"
NO_OVERLAP = "nothing was rated by two people, so agreement cannot be told"
NO_SPREAD = "everyone gave one and the same value throughout, so agreement beyond chance cannot be told"
WEIGHTS = ("none", "linear", "quadratic")
LEVELS = ("nominal", "ordinal", "interval")


@dataclass(frozen=True)
class Agreement:
    """A coefficient (1 total agreement, 0 what chance gives, below 0 worse), or None and the `reason` why there is none.

    `units` were compared, by `raters` people; units that the coefficient cannot use are not counted.
    """

    value: float | None
    units: int
    raters: int
    reason: str = ""


def cohen_kappa(units: Sequence[Sequence], weights: str = "none", values: Sequence | None = None) -> Agreement:
    """Cohen's kappa of two raters, one row a unit and one column a rater; None and nan are missing, such rows are left out.

    `weights` makes a disagreement count by its distance on the scale `values` (all values in order; those that occur when it is
    not given), "linear" or "quadratic". Raises UserError for more than two raters, for ragged rows, for a value off the scale.
    Cohen 1960 (Educational and Psychological Measurement 20:37), 1968 (Psychological Bulletin 70:213).
    """
    import numpy as np

    _one_of(weights, WEIGHTS, "weights")
    rows, scale, raters = _coded(units, values)
    if len(units) and len(units[0]) > 2:
        raise UserError(f"Cohen's kappa compares two raters and got {len(units[0])}; use fleiss_kappa or krippendorff_alpha")
    whole = [row for row in rows if None not in row]
    if raters < 2 or not whole:
        return Agreement(None, 0, raters, ONE_RATER if raters == 1 else NO_OVERLAP)
    table = np.zeros((len(scale), len(scale)))
    for first, second in whole:
        table[first, second] += 1
    place = np.arange(len(scale))
    apart = np.abs(place[:, None] - place)
    value = table_kappa(table, {"none": apart > 0, "linear": apart, "quadratic": apart**2}[weights])
    return Agreement(value, len(whole), raters, NO_SPREAD if value is None else "")


def table_kappa(table, disagreement) -> float | None:
    """Kappa of a square table of two raters' counts; `disagreement` says what each cell costs, 0 on the diagonal.

    None when chance alone would give no disagreement. Cohen 1968, formula 4.
    """
    import numpy as np

    table, disagreement = np.asarray(table, dtype=np.float64), np.asarray(disagreement, dtype=np.float64)
    expected = (np.outer(table.sum(axis=1), table.sum(axis=0)) * disagreement).sum()
    return None if expected == 0 else float(1 - table.sum() * (table * disagreement).sum() / expected)


def fleiss_kappa(units: Sequence[Sequence]) -> Agreement:
    """Fleiss' kappa of two or more raters, one row a unit and one column a rater; only units that everyone rated count.

    A column without any rating is no rater. Raises UserError for ragged rows. Fleiss 1971 (Psychological Bulletin 76:378).
    """
    import numpy as np

    rows, scale, raters = _coded(units, None)
    rated = [[code for code in row if code is not None] for row in rows]
    whole = [row for row in rated if len(row) == raters]
    if raters < 2 or not whole:
        shared = any(len(row) > 1 for row in rated)
        reason = ONE_RATER if raters == 1 else "no item was rated by everyone, as Fleiss' kappa needs; read alpha" if shared else NO_OVERLAP
        return Agreement(None, 0, raters, reason)
    counts = np.array([np.bincount(row, minlength=len(scale)) for row in whole], dtype=np.float64)
    by_chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    if (counts.sum(axis=0) > 0).sum() == 1:
        return Agreement(None, len(whole), raters, NO_SPREAD)
    observed = ((counts**2).sum() - counts.sum()) / (len(whole) * raters * (raters - 1))
    return Agreement(float((observed - by_chance) / (1 - by_chance)), len(whole), raters)


def krippendorff_alpha(units: Sequence[Sequence], level: str = "nominal", values: Sequence | None = None) -> Agreement:
    """Krippendorff's alpha of any number of raters, one row a unit and one column a rater; None and nan are missing.

    Units with one rating are left out. `level` is what the values are: "nominal" names, "ordinal" ranks (in the order of `values`)
    or "interval" numbers. Raises UserError for ragged rows, for a value off the scale, for interval values that are no numbers.
    Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """
    pairs, scale, raters = _coincidences(units, level, values)
    if raters < 2 or not len(pairs):
        return Agreement(None, 0, raters, ONE_RATER if raters == 1 else NO_OVERLAP)
    value = float(_alphas(pairs.sum(axis=0)[None], level, scale)[0])
    return Agreement(None, len(pairs), raters, NO_SPREAD) if math.isnan(value) else Agreement(value, len(pairs), raters)


def alpha_interval(units: Sequence[Sequence], level: str = "nominal", values: Sequence | None = None, rounds: int = 2000, seed: int = 0):
    """The 95 % percentile bootstrap interval (low, high) of alpha over units, which the seed decides; None where alpha is None.

    Draws in which nobody differs in anything have no alpha and are left out; None too when those are more than one in twenty, or
    with fewer than ten units, which a bootstrap only repeats. Efron and Tibshirani 1993, chapter 13.
    """
    import numpy as np

    pairs, scale, raters = _coincidences(units, level, values)
    if raters < 2 or len(pairs) < 10:
        return None
    # To draw units is to draw how often each of the few patterns of ratings occurs: the same bootstrap in little memory.
    patterns, counts = np.unique(pairs, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(pairs), counts / len(pairs), size=rounds)
    found = _alphas(np.tensordot(drawn, patterns, axes=1), level, scale)
    found = found[~np.isnan(found)]
    if len(found) < 0.95 * rounds:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def same_share(units: Sequence[Sequence]) -> float | None:
    """The plain share of pairs of ratings of one unit that are equal, chance not taken off; None without any pair."""
    rows, _, _ = _coded(units, None)
    pairs = [(a, b) for row in rows for n, a in enumerate(row) for b in row[:n] if a is not None and b is not None]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def _one_of(given: str, allowed: tuple[str, ...], name: str) -> None:
    if given not in allowed:
        raise UserError(f"{name} {given!r} is unknown; use one of: {', '.join(allowed)}")


def _coded(units: Sequence[Sequence], values: Sequence | None) -> tuple[list[list[int | None]], list[Hashable], int]:
    """Every rating as its place on the scale (None: missing), the scale, and how many columns have a rating."""
    missing = lambda value: value is None or value != value  # noqa: E731
    odd = [n for n, row in enumerate(units) if len(row) != len(units[0])]
    if odd:
        raise UserError(f"row {odd[0] + 1} has {len(units[odd[0]])} ratings and the first {len(units[0])}; give None where a rating is missing")
    used = {value for row in units for value in row if not missing(value)}
    if values is None:
        values = sorted(used) if all(isinstance(value, (int, float)) for value in used) else sorted(used, key=str)
    place = {value: at for at, value in enumerate(values)}
    if used - set(place):
        raise UserError(f"the rating {min(used - set(place), key=str)!r} is none of {', '.join(map(str, values))}; correct it or extend the scale")
    rows = [[None if missing(value) else place[value] for value in row] for row in units]
    return rows, list(values), sum(any(code is not None for code in column) for column in zip(*rows, strict=True))


def _coincidences(units: Sequence[Sequence], level: str, values: Sequence | None):
    """For each unit with two ratings or more: how often each two values meet in it, weighted so that each rating counts once."""
    import numpy as np

    _one_of(level, LEVELS, "level")
    rows, scale, raters = _coded(units, values)
    if level == "interval" and not all(isinstance(value, (int, float)) for value in scale):
        raise UserError("alpha at the interval level needs numbers, and some ratings are none; use level='nominal'")
    rated = [row for row in ([code for code in row if code is not None] for row in rows) if len(row) > 1]
    counts = np.array([np.bincount(row, minlength=len(scale)) for row in rated], dtype=np.float64).reshape(len(rated), len(scale))
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(scale))  # a rating does not meet itself
    return pairs / (counts.sum(axis=1) - 1)[:, None, None], scale, raters


def _alphas(pairs, level: str, scale: Sequence):
    """Alpha of each matrix of coincidences in a batch; nan where chance alone would give no disagreement."""
    import numpy as np

    totals = pairs.sum(axis=2)
    if level == "nominal":
        apart = 1.0 - np.eye(len(scale))[None]
    else:
        # The ordinal distance of the paper, the ratings between two values and half those at them, is that of their middle ranks.
        at = np.cumsum(totals, axis=1) - totals / 2 if level == "ordinal" else np.asarray(scale, dtype=np.float64)[None]
        apart = (at[:, :, None] - at[:, None, :]) ** 2
    observed = (pairs * apart).sum(axis=(1, 2))
    expected = (totals[:, :, None] * totals[:, None, :] * apart).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (totals.sum(axis=1) - 1) * observed / expected
