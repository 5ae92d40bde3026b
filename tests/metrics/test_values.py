"""Median error, explained variance and rank correlation against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import explained_variance_score
from sklearn.metrics import median_absolute_error as library_median

from striate.metrics import METRICS, Floats, Metric
from striate.metrics.explained_variance import explained_variance
from striate.metrics.median_absolute_error import median_absolute_error
from striate.metrics.r2 import r2
from striate.metrics.spearman import spearman


def drawn(seed: int, rows: int = 41, values: int = 3, whole: bool = False) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    targets = random.normal(1e4, 50, (rows, values))
    scores = 0.7 * targets + random.normal(0, 40, targets.shape)
    return (np.round(scores / 40), np.round(targets / 40)) if whole else (scores, targets)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rows", [2, 3, 40, 41])
@pytest.mark.parametrize("seed", range(4))
def test_values_are_judged_as_by_the_libraries(seed: int, rows: int, whole: bool) -> None:
    scores, targets = drawn(seed, rows, whole=whole)
    targets[0] += 100  # so that each value differs
    scores[0] += 100
    assert median_absolute_error(scores, targets) == pytest.approx(library_median(targets, scores), rel=1e-12)
    assert explained_variance(scores, targets) == pytest.approx(explained_variance_score(targets, scores), rel=1e-9)
    each = [spearmanr(one, other).statistic for one, other in zip(scores.T, targets.T, strict=True)]
    assert spearman(scores, targets) == pytest.approx(np.mean(each), abs=1e-12)


@pytest.mark.parametrize("name", ["median_absolute_error", "explained_variance", "spearman"])
@pytest.mark.parametrize("seed", range(4))
def test_resamples_with_ties_and_holes_are_repeated_rows(name: str, seed: int) -> None:
    scores, targets = drawn(seed, 9, whole=True)
    counts = np.random.default_rng(seed).multinomial(4, np.full(9, 1 / 9), size=60).astype(float)
    metric = METRICS.get(name)("value", 3)
    expected = Metric.resample(metric, scores, targets, counts)
    np.testing.assert_allclose(metric.resample(scores, targets, counts), expected, rtol=1e-9, atol=1e-12)


def test_a_constant_target_has_an_error_but_no_correlation() -> None:
    scores, targets = np.arange(5.0)[:, None], np.full((5, 1), 2.0)
    assert median_absolute_error(scores, targets) == 1
    assert np.isnan(explained_variance(scores, targets))
    assert np.isnan(spearman(scores, targets))
    assert np.isnan(spearman(targets, scores))
    both = np.concatenate([scores, scores], axis=1), np.concatenate([targets, scores], axis=1)
    assert explained_variance(*both) == 1, "the other value has one"
    assert spearman(*both) == pytest.approx(1)


def test_one_sample_has_a_median_error_alone() -> None:
    one = np.array([[3.0]])
    assert median_absolute_error(one, one + 1) == 1
    assert np.isnan(spearman(one, one))
    assert np.isnan(explained_variance(one, one))


def test_a_constant_error_is_forgiven_by_explained_variance_alone() -> None:
    targets = np.arange(9.0)[:, None]
    assert explained_variance(targets + 5, targets) == 1
    assert r2(targets + 5, targets) < 0
    assert spearman(np.exp(targets), targets) == pytest.approx(1, abs=1e-15)
    assert spearman(-targets, targets) == pytest.approx(-1, abs=1e-15)
