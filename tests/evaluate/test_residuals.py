"""Residuals by range against pandas-like splits written out, and their edges."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error

from striate.core.records import Sample, Value
from striate.evaluate import residuals
from striate.evaluate.residuals import DRAWN, by_range
from striate.tasks import make_task

SIZES = make_task(
    "regress", ("height", "width"), [Sample(str(row), (), Value((row, 2.0 * row))) for row in range(9)], loss="huber"
)


def test_fifths_of_the_truth_have_their_own_error() -> None:
    random = np.random.default_rng(0)
    targets = random.permutation(100).astype(float)
    scores = 50 + 0.5 * (targets - 50) + random.normal(size=100)  # keeps to the middle
    found = by_range(scores, targets)
    assert [(one["from"], one["to"], one["count"]) for one in found] == [
        (20.0 * part, 20.0 * part + 19, 20) for part in range(5)
    ]
    for one in found:
        inside = (targets >= one["from"]) & (targets <= one["to"])
        assert one["mae"] == pytest.approx(mean_absolute_error(targets[inside], scores[inside]))
        assert one["bias"] == pytest.approx((scores - targets)[inside].mean())
    assert found[0]["bias"] > 10 > -10 > found[-1]["bias"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40))
def test_every_sample_is_in_one_range_and_equals_in_the_same(values: list[int]) -> None:
    targets = np.array(values, float)
    found = by_range(np.zeros(len(values)), targets)
    assert sum(one["count"] for one in found) == len(values)
    assert 1 <= len(found) <= 5
    assert all(low["to"] < high["from"] for low, high in itertools.pairwise(found))
    assert sum(one["count"] * one["mae"] for one in found) == pytest.approx(np.abs(targets).sum())


def test_a_constant_target_is_one_range_and_one_sample_is_enough() -> None:
    (only,) = by_range(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert (only["from"], only["to"], only["count"], only["mae"], only["bias"]) == (2, 2, 2, 1, 0)
    found = residuals(SIZES, np.array([[1.0, 2.0]]), np.array([[0.0, 5.0]]))
    assert found["height"]["quantiles"] == dict.fromkeys(("0.05", "0.25", "0.5", "0.75", "0.95"), 1.0)
    assert found["width"]["points"] == [[2.0, -3.0]]


def test_each_value_has_quantiles_and_few_points_to_draw() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=(5000, 2))
    scores = targets + random.normal(size=targets.shape) * [1, 9] + [0, 4]
    found = residuals(SIZES, scores, targets)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == ["height", "width"]
    errors = scores[:, 1] - targets[:, 1]
    assert found["width"]["bias"] == pytest.approx(errors.mean())
    assert found["width"]["quantiles"]["0.95"] == pytest.approx(np.quantile(errors, 0.95))
    points = np.array(found["width"]["points"])
    assert len(points) == DRAWN
    assert points[0, 0] == pytest.approx(scores[:, 1].min(), rel=1e-4)
    assert points[-1, 0] == pytest.approx(scores[:, 1].max(), rel=1e-4)
