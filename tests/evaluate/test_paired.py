"""Paired differences: McNemar's sum, intervals as the textbook's, swaps as every arrangement, and chance as chance."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from striate.evaluate import intervals, units_of
from striate.evaluate.paired import differences, mcnemar, needed_samples, swaps
from striate.metrics import METRICS


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Both tails of the binomial, summed by hand."""
    count, least = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(count, k) for k in range(least + 1)) / 2**count
    return min(1.0, 2 * tail)


@pytest.mark.parametrize("both", [0, 3, 50])
@pytest.mark.parametrize("only_first", [0, 1, 2, 9, 30])
@pytest.mark.parametrize("only_second", [0, 1, 5, 12])
def test_mcnemar_is_the_sum_of_two_binomial_tails(both: int, only_first: int, only_second: int) -> None:
    first = np.array([True] * (both + only_first) + [False] * only_second, bool)
    second = np.array([True] * both + [False] * only_first + [True] * only_second, bool)
    found = mcnemar(first, second)
    assert found[:2] == (only_first, only_second)
    assert found[2] == pytest.approx(exact_mcnemar(only_first, only_second))


def test_swaps_come_to_what_all_arrangements_give() -> None:
    random = np.random.default_rng(1)
    targets = random.normal(size=(7, 1))
    first, second = targets + random.normal(size=(7, 1)), targets + 0.4 * random.normal(size=(7, 1))
    apart = np.abs(second - targets)[:, 0] - np.abs(first - targets)[:, 0]
    signs = np.array(list(itertools.product([-1, 1], repeat=7)))
    exact = (np.abs(signs @ apart) >= abs(apart.sum()) - 1e-12).mean()
    found = swaps(METRICS.get("mae")("value", 1), first, second, targets, np.arange(7), seed=0)
    assert found == pytest.approx(exact, abs=0.04)


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
def test_groups_are_swapped_as_one(metric: str) -> None:
    """Twenty samples that are right or wrong together are one: however far apart, one swap in two is as far."""
    targets = np.eye(2)[[0, 1] * 10]
    wrong = targets[:, ::-1]
    found = swaps(METRICS.get(metric)("label", 2), targets, wrong, targets, np.zeros(20, int), seed=0)
    assert found == pytest.approx(1.0)
    alone = swaps(METRICS.get(metric)("label", 2), targets, wrong, targets, np.arange(20), seed=0)
    assert alone < 0.01


def test_the_interval_of_a_mean_difference_is_that_of_the_paired_t() -> None:
    random = np.random.default_rng(2)
    targets = random.normal(size=(400, 1))
    noise = random.normal(size=(400, 1))
    first, second = targets + noise, targets + noise + random.normal(0, 0.2, (400, 1))
    apart = np.abs(second - targets)[:, 0] - np.abs(first - targets)[:, 0]
    metrics = {"mae": METRICS.get("mae")("value", 1)}
    one = differences(metrics, {"mae": first}, {"mae": second}, targets, units=None, seed=0)["mae"]
    expected = stats.t.interval(0.95, 399, apart.mean(), stats.sem(apart))
    assert one.difference == pytest.approx(apart.mean())
    width = expected[1] - expected[0]
    assert (one.low, one.high) == pytest.approx(expected, abs=0.1 * width)
    assert one.p == pytest.approx(stats.ttest_1samp(apart, 0).pvalue, abs=0.05)


def test_the_interval_of_an_accuracy_difference_is_walds_and_groups_widen_it() -> None:
    random = np.random.default_rng(3)
    targets = np.eye(2)[random.integers(0, 2, 600)]
    right = [random.random(600) < share for share in (0.8, 0.85)]
    rows = [np.where(one[:, None], targets, targets[:, ::-1]) for one in right]
    metrics = {"accuracy": METRICS.get("accuracy")("label", 2)}
    one = differences(metrics, {"accuracy": rows[0]}, {"accuracy": rows[1]}, targets, units=None, seed=0)["accuracy"]
    only_first, only_second, p = mcnemar(*right)
    error = math.sqrt(only_first + only_second - (only_second - only_first) ** 2 / 600) / 600
    assert one.high - one.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert one.p == p
    assert one.test.startswith("McNemar")
    doubled = [np.repeat(part, 5, axis=0) for part in (*rows, targets)]
    units = units_of([str(place) for place in range(600) for _ in range(5)])
    grouped = differences(metrics, {"accuracy": doubled[0]}, {"accuracy": doubled[1]}, doubled[2], units=units, seed=0)
    assert grouped["accuracy"].high - grouped["accuracy"].low == pytest.approx(one.high - one.low, rel=0.02)
    assert "swaps" in grouped["accuracy"].test


def test_chance_has_a_small_p_no_more_often_than_it_says() -> None:
    random = np.random.default_rng(4)
    found = np.array([mcnemar(*(random.random((2, 80)) < 0.7))[2] for _ in range(400)])
    assert (found < 0.05).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_as_many_samples_as_needed_tell_in_four_of_five_cases() -> None:
    random = np.random.default_rng(5)
    difference, deviation = 0.05, 0.5
    needed = needed_samples(difference, deviation / math.sqrt(100), 100)
    assert needed is not None
    drawn = random.normal(difference, deviation, (2000, needed))
    p = stats.ttest_1samp(drawn, 0, axis=1).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_equal_models_are_equal_and_what_is_not_defined_is_said() -> None:
    targets = np.eye(3)[[0, 0, 1, 1]]
    rows = {"accuracy": targets}
    metrics = {"accuracy": METRICS.get("accuracy")("label", 3)}
    found = differences(metrics, rows, rows, targets, units=None, seed=0)["accuracy"]
    assert (found.difference, found.p, found.needed, found.told) == (0.0, 1.0, None, False)
    constant, said = np.ones((4, 1)), {"r2": np.zeros((4, 1))}
    undefined = differences({"r2": METRICS.get("r2")("value", 1)}, said, said, constant, units=None, seed=0)["r2"]
    assert undefined.difference is None
    assert undefined.why


@pytest.mark.parametrize("groups", [None, 5, 6])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_where_swaps_take_too_long_the_interval_alone_tells(
    monkeypatch: pytest.MonkeyPatch, noise: float, groups: int | None
) -> None:
    monkeypatch.setattr(intervals, "_COSTLY", 60 * 240)  # resamples of 240 values, and no swaps of them
    random = np.random.default_rng(0)
    targets = random.normal(size=(240, 1))
    first, second = targets + 2 * random.normal(size=(240, 1)), targets + noise * random.normal(size=(240, 1))
    units = None if groups is None else np.arange(240) % groups
    metrics = {"spearman": METRICS.get("spearman")("value", 1)}
    one = differences(metrics, {"spearman": first}, {"spearman": second}, targets, units=units, seed=0)["spearman"]
    assert (one.p, one.test, one.needed) == (None, "", None)
    assert (one.low is None) == (groups == 5), "five groups have no swaps that would tell"
    assert one.told == (noise < 1 and groups != 5)
    assert one.why == ("5 groups are too few for an interval without a test" if groups == 5 else "")
