"""Paired tests against statsmodels, scipy, published worked numbers and simulation."""

import math
import random

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap
from statsmodels.stats.contingency_tables import mcnemar as peer_mcnemar
from statsmodels.stats.multitest import multipletests

from utils.evaluation import significance
from utils.evaluation.significance import exact_power, holm, items_needed, mcnemar, paired_bootstrap
from utils.runs import UserError


def answers(both, only_first, only_second, neither):
    """Right and wrong answers of two models with these counts."""
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    return first, [True] * both + [False] * only_first + [True] * only_second + [False] * neither


def test_mcnemar_is_statsmodels_on_many_tables():
    rng = random.Random(0)
    tables = [
        (rng.randint(0, 60), *(rng.choice([0, 1, 2, 9, 40, 400]) + rng.randint(0, 9) for _ in range(2)), rng.randint(0, 60)) for _ in range(300)
    ]
    tables += [(5, n, n, 5) for n in (1, 2, 30)] + [(0, 1, 0, 0), (0, 0, 7, 0), (3, 900, 1000, 4)]
    for counts in tables:
        both, one, other, neither = counts
        found = mcnemar(*answers(*counts))
        assert (found["both"], found["only_first"], found["only_second"], found["neither"]) == counts
        if one + other:
            exact, corrected = (peer_mcnemar([[both, one], [other, neither]], exact=e, correction=True) for e in (True, False))
            assert found["exact_p"] == pytest.approx(exact.pvalue, abs=1e-9, rel=1e-9)
            assert found["chi2"] == pytest.approx(corrected.statistic, abs=1e-9)
            assert found["chi2_p"] == pytest.approx(corrected.pvalue, abs=1e-9, rel=1e-9)


def test_mcnemar_without_disagreement_finds_nothing():
    for counts in ((0, 0, 0, 0), (5, 0, 0, 0), (3, 0, 0, 4)):
        found = mcnemar(*answers(*counts))
        assert (found["exact_p"], found["chi2"], found["chi2_p"]) == (1.0, 0.0, 1.0)


def test_mcnemar_turns_with_the_models_and_not_with_the_items():
    first, second = answers(10, 15, 4, 3)
    found, turned = mcnemar(first, second), mcnemar(second, first)
    assert (turned["only_first"], turned["only_second"]) == (4, 15)
    assert all(turned[key] == found[key] for key in ("exact_p", "chi2", "chi2_p"))
    order = list(range(len(first)))
    random.Random(1).shuffle(order)
    assert mcnemar([first[at] for at in order], [second[at] for at in order]) == found
    assert mcnemar(np.array(first), np.array(second)) == found


def test_bad_scores_are_one_sentence():
    with pytest.raises(UserError, match="2 items of one model and 1 of the other"):
        mcnemar([True, False], [True])
    with pytest.raises(UserError, match="use paired_bootstrap for partial scores"):
        mcnemar([1, 0.6], [1, 0])
    with pytest.raises(UserError, match="2 items of one model and 1 of the other"):
        paired_bootstrap([1, 0], [1])
    with pytest.raises(UserError, match="no item to compare"):
        paired_bootstrap([], [])
    with pytest.raises(UserError, match="2 scores are infinite or not numbers, the first in item 2"):
        paired_bootstrap([1, math.nan, 1], [1, 0, math.inf])


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_bootstrap_is_scipys_on_the_same_draws(level, monkeypatch):
    rng = np.random.default_rng(7)
    first, second = rng.random(37), rng.random(37) ** 2
    order = np.argsort(second - first)  # ours draws from the sorted differences
    first, second = first[order], second[order]
    peer = bootstrap(
        (second, first), lambda x, y, axis=-1: x.mean(axis=axis) - y.mean(axis=axis), paired=True, vectorized=True, n_resamples=999,
        confidence_level=level, method="percentile", rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    found = paired_bootstrap(first, second, rounds=999, seed=3, level=level)
    assert found["difference"] == pytest.approx(second.mean() - first.mean(), abs=1e-12)
    assert (found["low"], found["high"]) == pytest.approx((peer.low, peer.high), abs=1e-9)
    monkeypatch.setattr(significance, "_BLOCK", 37 * 10 + 5)  # drawn in many small blocks it is the same draw
    assert paired_bootstrap(first, second, rounds=999, seed=3, level=level) == found
    mixed = rng.permutation(37)
    assert paired_bootstrap(first[mixed], second[mixed], rounds=999, seed=3, level=level) == found


def test_the_bootstrap_pairs_and_says_who_is_better():
    rng = np.random.default_rng(0)
    hard = rng.random(400)  # items differ much, the models by one point on each
    found = paired_bootstrap(hard, hard + 0.01, rounds=500)
    assert found["difference"] == pytest.approx(0.01) and found["high"] - found["low"] < 1e-9
    assert paired_bootstrap([0, 0, 0], [1, 1, 1], rounds=50) == {"difference": 1.0, "low": 1.0, "high": 1.0}
    first, second = rng.random(50), rng.random(50)
    assert paired_bootstrap(first, second, seed=1) == paired_bootstrap(first, second, seed=1) != paired_bootstrap(first, second, seed=2)


def test_the_bootstrap_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(4), 0
    for n in range(300):
        first, second = rng.random(80) < 0.5, rng.random(80) < 0.7
        found = paired_bootstrap(first, second, rounds=300, seed=n, level=0.9)
        held += found["low"] <= 0.2 <= found["high"]
    assert binomtest(held, 300, 0.9).pvalue > 0.001


def test_holm_is_statsmodels_on_many_families():
    rng = random.Random(2)  # few families: the peer empties the garbage at every call, which takes a while beside torch
    for _ in range(40):
        p_values = {f"t{n}": rng.choice([rng.random(), rng.random() ** 6, 0.01, 0.05, 0.0, 1.0]) for n in range(rng.randint(1, 12))}
        level = rng.choice([0.05, 0.1, 0.01])
        rejected, adjusted = multipletests(list(p_values.values()), alpha=level, method="holm")[:2]
        found = holm(p_values, level)
        assert list(found) == list(p_values) and {name: one["p"] for name, one in found.items()} == p_values
        assert [one["adjusted"] for one in found.values()] == pytest.approx(list(adjusted), abs=1e-9)
        assert [one["rejected"] for one in found.values()] == list(rejected)


def test_holm_by_hand_and_at_its_borders():
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert {name: round(one["adjusted"], 10) for name, one in found.items()} == {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    assert [name for name, one in found.items() if one["rejected"]] == ["a", "d"]
    assert holm({}) == {}
    with pytest.raises(UserError, match="these do not: x, y;"):
        holm({"x": math.nan, "ok": 0.2, "y": 1.5})


@pytest.mark.parametrize("one,other,power", [(0.3, 0.1, 0.8), (0.25, 0.0, 0.9), (0.6, 0.4, 0.8), (0.8, 0.2, 0.7), (0.12, 0.06, 0.8)])
def test_so_many_items_find_the_difference_in_simulation(one, other, power):
    items = items_needed(one, other, power)
    draws = np.random.default_rng(5).multinomial(items, [one, other, max(0.0, 1 - one - other)], size=6000)
    seen: dict[tuple[int, int], float] = {}
    for a, b in {(int(a), int(b)) for a, b, _ in draws}:
        seen[a, b] = binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
    found = sum(seen[int(a), int(b)] <= 0.05 for a, b, _ in draws)
    assert binomtest(found, 6000, exact_power(items, one, other)).pvalue > 0.001
    assert exact_power(items, one, other) >= power > exact_power(items - 1, one, other)
    assert all(exact_power(items + more, one, other) >= power for more in range(60))


def test_power_by_hand():
    assert exact_power(6, 0.5, 0.5) == pytest.approx(2 / 64)  # all six one way or all the other
    assert exact_power(6, 0.5, 0.0) == pytest.approx(1 / 64)  # all six must disagree
    assert exact_power(6, 0.25, 0.25) == pytest.approx(1 / 64 * 2 / 64)
    assert exact_power(5, 0.9, 0.1) == 0


def test_sample_sizes_by_hand():
    # One model wins every disagreement and all items disagree: 2 / 2^5 > 0.05 >= 2 / 2^6, so six items, whatever the power.
    assert items_needed(1.0, 0.0) == 6 == items_needed(0.0, 1.0, power=0.999)
    assert items_needed(1.0, 0.0, level=0.001) == 11
    # Thirteen items with nine disagreements, split 8 to 1, are the least lopsided split that reaches 0.05.
    assert mcnemar(*answers(2, 8, 1, 2))["exact_p"] == pytest.approx(20 / 512) and mcnemar(*answers(2, 7, 2, 2))["exact_p"] == pytest.approx(92 / 512)
    assert items_needed(0.1, 0.3) == items_needed(0.3, 0.1) < items_needed(0.25, 0.1) < items_needed(0.3, 0.2)


def test_many_items_follow_from_the_formula_as_from_the_search():
    for one, other, power in ((0.1, 0.09, 0.99), (0.02, 0.0225, 0.8), (0.3, 0.29, 0.9)):
        items = items_needed(one, other, power)
        assert items > significance._SEARCHED
        assert exact_power(items, one, other) >= power > exact_power(round(items * 0.997), one, other)


@pytest.mark.parametrize("shares,message", [((0.2, 0.2), "no number of items"), ((0.0, 0.0), "no number of items"), ((0.7, 0.6), "parts of one whole"),
                                            ((-0.1, 0.3), "parts of one whole"), ((math.nan, 0.3), "parts of one whole")])  # fmt: skip
def test_impossible_plans_are_one_sentence(shares, message):
    with pytest.raises(UserError, match=message):
        items_needed(*shares)
    with pytest.raises(UserError, match="cannot be planned for"):
        items_needed(0.2, 0.1, power=1.0)
