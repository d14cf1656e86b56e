"""Agreement of raters against published worked examples, against kept libraries, and where there is nothing to tell."""

import math
import random
from itertools import permutations

import numpy as np
import pytest
from statsmodels.stats import inter_rater

from utils.review import agreement
from utils.review.agreement import alpha_interval, cohen_kappa, fleiss_kappa, krippendorff_alpha, same_share, table_kappa
from utils.runs import UserError

# Cohen 1960, table 2: 200 people sorted by two judges; its proportions return in Cohen 1968.
COHEN = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
# Fleiss 1971, table 1: 30 patients, 6 psychiatrists, 5 diagnoses.
FLEISS = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
).split()
# The example of Wikipedia's article on Fleiss' kappa: how many of 14 raters put each of 10 subjects into each of 5 categories.
COUNTS = "0,0,0,0,14 0,2,6,4,2 0,0,3,5,6 0,3,9,2,0 2,2,8,1,1 7,7,0,0,0 3,2,6,3,0 2,5,3,2,2 6,5,2,1,0 0,2,2,3,7"
# Krippendorff 2011, data A to C; a column is an observer. C is what its sections on missing data and other metrics work through.
BINARY = list(zip("0100000010", "1110010000", strict=True))
NAMES = list(zip("aabbdcccedda", "babbbccceddd", strict=True))
MISSING = "123321412...", "1233224125.3", ".3332342251.", "12332441251."
MISSING = [[None if mark == "." else int(mark) for mark in row] for row in zip(*MISSING, strict=True)]


def pairs_of(table):
    return [(a, b) for a, row in enumerate(table) for b, count in enumerate(row) for _ in range(count)]


def by_definition(units, distance):
    """Alpha from its definition, pair by pair: observed over expected disagreement of all pairable values."""
    units = [[value for value in row if value is not None] for row in units]
    units = [row for row in units if len(row) > 1]
    every = [value for row in units for value in row]
    observed = sum(sum(distance(a, b) for a, b in permutations(row, 2)) / (len(row) - 1) for row in units) / len(every)
    expected = sum(distance(a, b) for a, b in permutations(every, 2)) / (len(every) * (len(every) - 1))
    return 1 - observed / expected


def some_ratings(rng, raters, share_missing=0.0, values=(0, 1, 2)):
    """Ratings that agree a little: each rater sees the truth, or says anything."""
    rows = []
    for _ in range(rng.randint(12, 60)):
        truth = rng.choice(values)
        said = [truth if rng.random() < 0.5 else rng.choice(values) for _ in range(raters)]
        rows.append([None if rng.random() < share_missing else value for value in said])
    return rows


def test_cohens_own_table():
    found = cohen_kappa(pairs_of(COHEN))
    # 140 of 200 agree; .5 * .6 + .3 * .3 + .2 * .1 = .41 by chance.
    assert found.value == pytest.approx((0.70 - 0.41) / (1 - 0.41), abs=1e-9) and round(found.value, 3) == 0.492
    assert (found.units, found.raters, found.reason) == (200, 2, "")
    weighted = table_kappa(COHEN, [[0, 1, 3], [1, 0, 6], [3, 6, 0]])
    # Cohen 1968, table 1: 1 - sum(v po) / sum(v pc) = 1 - .90 / 1.38
    assert weighted == pytest.approx(1 - 0.90 / 1.38, abs=1e-9) and round(weighted, 3) == 0.348


def test_weighted_kappa_of_the_anxiety_ratings():
    """Raters 2 and 3 of the data set `anxiety` of R's irr, and what its kappa2 prints: -0.00629, 0.146 (equal), 0.252 (squared)."""
    ratings = list(zip(map(int, "36462424332333221334"), map(int, "21443216111233113322"), strict=True))
    for weights, printed, exact in (("none", -0.006289308, -1 / 159), ("linear", 0.1459075, 41 / 281), ("quadratic", 0.2520325, 31 / 123)):
        found = cohen_kappa(ratings, weights).value
        assert found == pytest.approx(exact, abs=1e-9) and found == pytest.approx(printed, abs=5e-8)


def test_fleiss_own_table_and_wikipedias():
    found = fleiss_kappa(FLEISS)
    assert found.value == pytest.approx(0.4302445, abs=5e-8) and round(found.value, 3) == 0.430  # as R's irr and Fleiss print it
    assert (found.units, found.raters) == (30, 6)
    rows = [[place for place, count in enumerate(row.split(",")) for _ in range(int(count))] for row in COUNTS.split()]
    assert fleiss_kappa(rows).value == pytest.approx(0.20993070442195522, abs=1e-9)


def test_krippendorffs_own_examples():
    found = krippendorff_alpha(BINARY)
    assert found.value == pytest.approx(1 - 19 * 4 / (14 * 6), abs=1e-9) and round(found.value, 3) == 0.095
    found = krippendorff_alpha(NAMES)  # n_c = 4, 6, 6, 6, 2; nine units match
    assert found.value == pytest.approx((23 * 18 - 104) / (24 * 23 - 104), abs=1e-9) and round(found.value, 3) == 0.692
    # From the printed coincidence matrix of data C: n_c = 9, 13, 10, 5, 3.
    for level, exact, printed in (
        ("nominal", (39 * 32 - 344) / (40 * 39 - 344), 0.743),
        ("ordinal", 1 - 39 * 945.5 / 199740, 0.815),
        ("interval", 1 - 39 * (26 / 3) / 2240, 0.849),
    ):
        found = krippendorff_alpha(MISSING, level)
        assert found.value == pytest.approx(exact, abs=1e-9) and round(found.value, 3) == printed
        assert (found.units, found.raters) == (11, 4)  # the twelfth unit has one rating


def test_krippendorffs_example_in_wikipedia():
    rows = "*****34121133*3", "1*213343*******", "**21344*21133*4"
    units = [[None if mark == "*" else int(mark) for mark in row] for row in zip(*rows, strict=True)]
    assert [round(krippendorff_alpha(units, level).value, 3) for level in ("nominal", "interval")] == [0.691, 0.811]


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_cohens_kappa_is_statsmodels(weights):
    rng = random.Random(weights)
    for _ in range(60):
        units = some_ratings(rng, 2, 0.1, (0, 1, 2, 3))
        table = np.zeros((4, 4))
        for a, b in units:
            if a is not None and b is not None:
                table[a, b] += 1
        wt = None if weights == "none" else weights
        peer = inter_rater.cohens_kappa(table, weights=None if wt is None else np.arange(4), wt=wt, return_results=False)
        found = cohen_kappa(units, weights, values=(0, 1, 2, 3))
        assert found.value == pytest.approx(peer, abs=1e-9) and found.units == table.sum()


def test_fleiss_kappa_is_statsmodels():
    rng = random.Random(1)
    for raters in range(2, 8):
        units = some_ratings(rng, raters, values=tuple("abcd"))
        table = [[row.count(value) for value in "abcd"] for row in units]
        assert fleiss_kappa(units).value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-9)


@pytest.mark.parametrize("level", agreement.LEVELS)
def test_alpha_is_its_definition(level):
    rng = random.Random(level)
    for raters in (2, 3, 5):
        for share_missing in (0.0, 0.4):
            units = some_ratings(rng, raters, share_missing, (0, 1, 2, 5))
            found = krippendorff_alpha(units, level)
            kept = [value for row in units if sum(v is not None for v in row) > 1 for value in row if value is not None]
            ranks = {value: sum(v < value for v in kept) + kept.count(value) / 2 for value in set(kept)}
            apart = {"nominal": lambda a, b: a != b, "ordinal": lambda a, b, r=ranks: (r[a] - r[b]) ** 2, "interval": lambda a, b: (a - b) ** 2}
            assert found.value == pytest.approx(by_definition(units, apart[level]), abs=1e-9)


@pytest.mark.parametrize("level", agreement.LEVELS)
def test_alpha_is_the_krippendorff_packages(level):
    peer = pytest.importorskip("krippendorff")
    rng = random.Random(level)
    for raters, share_missing in ((2, 0.0), (3, 0.4), (6, 0.2)):
        units = some_ratings(rng, raters, share_missing, (0, 1, 2, 5))
        table = np.array([[np.nan if v is None else v for v in row] for row in units]).T
        assert krippendorff_alpha(units, level).value == pytest.approx(peer.alpha(table, level_of_measurement=level), abs=1e-9)


def test_weighted_kappa_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(3)
    for weights in ("none", "linear", "quadratic"):
        units = some_ratings(rng, 2)
        peer = metrics.cohen_kappa_score(*zip(*units, strict=True), weights=None if weights == "none" else weights, labels=[0, 1, 2])
        assert cohen_kappa(units, weights, (0, 1, 2)).value == pytest.approx(peer, abs=1e-9)


def test_a_level_that_nobody_used_keeps_its_place_on_the_scale():
    units = [(0, 0), (0, 0), (1, 3), (3, 3), (0, 1), (1, 1)]
    assert cohen_kappa(units, "linear", (0, 1, 2, 3)).value != cohen_kappa(units, "linear").value
    assert krippendorff_alpha(units, "ordinal", (0, 1, 2, 3)) == krippendorff_alpha(units, "ordinal")  # ranks count ratings, not levels


def test_agreement_is_total_or_worse_than_chance():
    for units, value in (([(0, 0), (1, 1), (2, 2)] * 4, 1.0), ([(0, 1), (1, 0)] * 5, None)):
        for found in (cohen_kappa(units), fleiss_kappa(units), krippendorff_alpha(units), krippendorff_alpha(units, "ordinal")):
            assert found.value == pytest.approx(1.0) if value else found.value < -0.8
    assert same_share([(0, 0, 1), (None, 2, 2), (1, None, None)]) == 2 / 4


@pytest.mark.parametrize(
    "units,reason",
    [
        ([], agreement.NO_OVERLAP),
        ([()], agreement.NO_OVERLAP),
        ([(1,), (2,)], agreement.ONE_RATER),
        ([(1, None), (2, None)], agreement.ONE_RATER),
        ([(1, math.nan), (2, None)], agreement.ONE_RATER),
        ([(1, None), (None, 2)], agreement.NO_OVERLAP),
        ([(None, None)], agreement.NO_OVERLAP),
        ([(2, 2), (2, 2), (1, None)], agreement.NO_SPREAD),
        ([(2, 2)], agreement.NO_SPREAD),
    ],
)
def test_where_there_is_nothing_to_tell_there_is_a_reason(units, reason):
    for found in (
        cohen_kappa(units, "quadratic", (0, 1, 2)), fleiss_kappa(units), krippendorff_alpha(units, "ordinal", (0, 1, 2)),
        krippendorff_alpha(units), krippendorff_alpha(units, "interval"),
    ):  # fmt: skip
        assert found.value is None and found.reason == reason
    assert alpha_interval(units) is None
    assert same_share(units) == (1.0 if reason == agreement.NO_SPREAD else None)


def test_fleiss_says_when_nobody_was_rated_by_all():
    found = fleiss_kappa([(1, 2, None), (None, 1, 1), (2, None, 2)])
    assert found.value is None and "rated by everyone" in found.reason
    assert krippendorff_alpha([(1, 2, None), (None, 1, 1), (2, None, 2)]).units == 3
    assert fleiss_kappa([(1, 1, None), (2, 2, None), (1, 2, None)]) == fleiss_kappa([(1, 1), (2, 2), (1, 2)])


def test_bad_input_is_one_sentence():
    for call, message in (
        (lambda: cohen_kappa([(1, 2, 3)]), "compares two raters and got 3"),
        (lambda: cohen_kappa([(1, 2)], "cubic"), "use one of: none, linear, quadratic"),
        (lambda: krippendorff_alpha([(1, 2)], "ratio"), "use one of: nominal, ordinal, interval"),
        (lambda: krippendorff_alpha([(1, 2), (1,)]), "row 2 has 1 ratings and the first 2"),
        (lambda: krippendorff_alpha([(1, 7)], "ordinal", (0, 1, 2)), "the rating 7 is none of 0, 1, 2"),
        (lambda: krippendorff_alpha([("a", "b")], "interval"), "needs numbers"),
    ):
        with pytest.raises(UserError, match=message):
            call()


def test_the_interval_of_alpha_holds_it_narrows_and_repeats():
    rng = random.Random(5)
    few, many = some_ratings(rng, 3)[:12], [row for _ in range(20) for row in some_ratings(rng, 3)]
    widths = []
    for units in (few, many):
        low, high = alpha_interval(units, "ordinal")
        assert low < krippendorff_alpha(units, "ordinal").value < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    assert alpha_interval(few, seed=1) == alpha_interval(few, seed=1) != alpha_interval(few, seed=2)
    assert alpha_interval(few[:9]) is None  # too few units
    assert alpha_interval([(1, 1)] * 30 + [(1, 2)]) is None  # a third of the draws have no disagreement to compare with


def test_the_interval_is_that_of_drawn_units():
    """The batch of weighted patterns against alpha of the very rows that the draws stand for."""
    units = [row for row in some_ratings(random.Random(8), 3, 0.2) if sum(value is not None for value in row) > 1]
    pairs = agreement._coincidences(units, "ordinal", (0, 1, 2))[0]
    _, rows, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
    assert 5 < len(rows) < len(units)
    drawn = np.random.default_rng(4).multinomial(len(units), counts / len(units), size=50)
    slow = [
        krippendorff_alpha([units[at] for at, times in zip(rows, draw, strict=True) for _ in range(times)], "ordinal", (0, 1, 2)).value
        for draw in drawn
    ]
    assert alpha_interval(units, "ordinal", (0, 1, 2), rounds=50, seed=4) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-9)
