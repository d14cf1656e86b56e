"""Measure how long this engine's translations are in this corpus, so that the length gate knows what is odd."""

import math
import statistics
from collections.abc import Iterable

from utils.translation.gates import Band

ENOUGH = 100  # sentences, below which the default band stays
LOW, HIGH = 0.13, 0.22  # bounds of the spread: a picture world of templates is narrower than any real text


def calibrate(pairs: Iterable[tuple[str, str]], default: Band = Band()) -> Band:
    """The band of (source, translation) pairs of full length: median and spread of the log ratio, both deaf to broken pairs.

    An engine that breaks a third of its sentences must not make broken ones normal: a median that no pair of these
    languages has falls back to the default.
    """
    ratios = [math.log(len(t) / len(s)) for s, t in pairs if len(s) >= default.full and t]
    if len(ratios) < ENOUGH:
        return default
    middle = statistics.median(ratios)
    if abs(middle - default.mean) > 0.25:
        return default
    spread = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
    return Band(round(middle, 3), round(min(HIGH, max(LOW, spread)), 3), default.full, default.limit)
