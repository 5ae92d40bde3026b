"""Bootstrap intervals: repeatable, the same however computed, right as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from striate.evaluate import bootstrap, intervals, percentile_interval
from striate.evaluate.intervals import resample_counts
from striate.metrics import METRICS


def test_a_resample_draws_as_many_samples_with_replacement() -> None:
    counts = resample_counts(50, 3, 0, 400)
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert counts.var() == pytest.approx(1 - 1 / 50, abs=0.05)  # that of a binomial with n = 50, p = 1/50


def test_a_resample_is_a_function_of_seed_and_number() -> None:
    whole = resample_counts(20, 1, 0, 6)
    np.testing.assert_array_equal(resample_counts(20, 1, 4, 6), whole[4:])
    assert (resample_counts(20, 2, 0, 6) != whole).any()


def test_results_do_not_depend_on_how_many_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, targets = np.random.default_rng(0).normal(size=(2, 30, 1))
    metric = {"rmse": METRICS.get("rmse")("value", 1)}
    whole = bootstrap(metric, scores, targets, seed=0, resamples=11)["rmse"]
    monkeypatch.setattr(intervals, "_CHUNK_BYTES", 8 * 30 * 4)
    np.testing.assert_allclose(bootstrap(metric, scores, targets, seed=0, resamples=11)["rmse"], whole, rtol=1e-12)


def test_intervals_equal_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=(200, 1))
    scores = targets + random.normal(0, 0.5, targets.shape)
    for name in ("mae", "rmse", "r2"):
        metric = METRICS.get(name)("value", 1)
        values = bootstrap({name: metric}, scores, targets, seed=0, resamples=4000)[name]
        found = percentile_interval(values, 200)
        expected = stats.bootstrap(
            (scores[:, 0], targets[:, 0]),
            lambda s, t, metric=metric: metric.measure(s[:, None], t[:, None]),
            paired=True,
            vectorized=False,
            n_resamples=4000,
            method="percentile",
            random_state=np.random.default_rng(1),
        ).confidence_interval
        width = expected.high - expected.low
        assert found.low == pytest.approx(expected.low, abs=0.06 * width)
        assert found.high == pytest.approx(expected.high, abs=0.06 * width)


def test_the_interval_of_an_accuracy_is_that_of_its_binomial() -> None:
    hits = np.arange(400) < 300
    scores = np.where(hits[:, None], [1.0, 0.0], [0.0, 1.0])
    values = bootstrap({"a": METRICS.get("accuracy")("label", 2)}, scores, np.eye(2)[[0] * 400], seed=0, resamples=4000)
    found = percentile_interval(values["a"], 400)
    low, high = stats.binom(400, 0.75).ppf([0.025, 0.975]) / 400
    assert found.low == pytest.approx(low, abs=0.004)
    assert found.high == pytest.approx(high, abs=0.004)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    held = 0
    for trial in range(300):
        targets = random.normal(size=(120, 1))
        values = bootstrap(
            {"mae": METRICS.get("mae")("value", 1)}, np.zeros_like(targets), targets, seed=trial, resamples=200
        )["mae"]
        found = percentile_interval(values, 120)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= np.sqrt(2 / np.pi) <= found.high
    assert (
        270 <= held <= 297
    )  # 0.95 of 300, less what the percentile method is known to lose, give or take 3 deviations


def test_what_has_no_interval_says_why() -> None:
    assert percentile_interval(np.zeros(10), 1).why == "one sample has no interval"
    lost = percentile_interval(np.array([1.0, np.nan]), 5)
    assert (lost.low, lost.high) == (None, None)
    assert "undefined on 1 of 2 resamples" in lost.why
    few = percentile_interval(np.append(np.arange(99.0), np.nan), 5)
    assert (few.low, few.why) == (pytest.approx(2.45), "")
    same = percentile_interval(np.ones(10), 30)
    assert (same.low, same.high) == (1.0, 1.0)
    assert "30 samples" in same.why
