"""R² equals scikit-learn's, keeps its digits far from zero, and is not defined where nothing varies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from striate.metrics.r2 import R2, r2, r2_by_value


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_equals_scikit_learn(outputs: int) -> None:
    random = np.random.default_rng(0)
    targets = random.normal(5, 3, (100, outputs))
    scores = targets + random.normal(0, np.arange(1, outputs + 1), targets.shape)
    assert r2(scores, targets) == pytest.approx(r2_score(targets, scores), rel=1e-13)
    np.testing.assert_allclose(r2_by_value(scores, targets), r2_score(targets, scores, multioutput="raw_values"))


def test_gathering_keeps_its_digits_far_from_zero() -> None:
    random = np.random.default_rng(1)
    targets = 1e7 + random.normal(0, 1, (1000, 1))
    scores = targets + random.normal(0, 0.5, targets.shape)
    metric = R2("value", 1)
    for place in range(0, 1000, 100):
        metric.update(scores[place : place + 100], targets[place : place + 100])
    assert metric.compute() == pytest.approx(r2_score(targets, scores), abs=1e-12)


def test_a_value_that_never_changes_is_left_out() -> None:
    targets = np.stack([np.arange(5.0), np.full(5, 0.1)], axis=1)
    scores = targets + 0.3
    assert np.isnan(r2_by_value(scores, targets)).tolist() == [False, True]
    assert r2(scores, targets) == pytest.approx(r2_score(targets[:, 0], scores[:, 0]))
    for constant in (0.1, 1e7 + 0.1):
        metric = R2("value", 1)
        for size in (3, 7, 90):
            metric.update(np.zeros((size, 1)), np.full((size, 1), constant))
        assert np.isnan(metric.compute())
        assert np.isnan(r2(np.zeros((5, 1)), np.full((5, 1), constant)))


def test_a_resample_of_one_row_alone_is_not_defined() -> None:
    scores, targets = np.random.default_rng(2).normal(size=(2, 50, 1))
    found = R2("value", 1).resample(scores, targets, np.eye(50) * 50)
    assert np.isnan(found).all()  # though sums of squares leave a rounding error above 0
