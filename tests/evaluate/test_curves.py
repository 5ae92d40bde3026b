"""Curves against scikit-learn's points and areas, and their thinning."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from striate.evaluate import curves
from striate.evaluate.curves import SHOWN, line_area, precision_recall, reliability, roc, step_area, thinned
from striate.metrics.calibration_error import calibration_error
from striate.tasks import make_task


def drawn(seed: int, rows: int = 200, steps: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.3
    scores = random.random(rows) + 0.4 * truth
    return (np.round(scores * steps) / steps if steps else scores), truth


@pytest.mark.parametrize("steps", [0, 6])
@pytest.mark.parametrize("seed", range(4))
def test_points_are_scikit_learns(seed: int, steps: int) -> None:
    scores, truth = drawn(seed, steps=steps)
    away, found, _ = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc(scores, truth), np.stack([away, found], axis=1))
    precision, recall, _ = precision_recall_curve(truth, scores)
    # scikit-learn gives them from the lowest threshold up, and adds a precision of 1 at a recall of 0
    expected = np.stack([recall, precision], axis=1)[:-1][::-1]
    np.testing.assert_allclose(precision_recall(scores, truth), expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3000), st.floats(0, 3))
def test_thinning_keeps_the_area_and_the_ends(seed: int, rows: int, apart: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < random.random()
    scores = random.normal(size=rows) + apart * truth
    for points, area in ((roc, line_area), (precision_recall, step_area)):
        whole = points(scores, truth)
        if not len(whole):
            continue
        kept = thinned(whole, area)
        if len(kept) < len(whole):
            assert line_area(kept) == pytest.approx(area(whole), abs=1e-3)
        assert (kept[[0, -1]] == whole[[0, -1]]).all()
    assert len(roc(scores, truth)) == 0 or line_area(roc(scores, truth)) == pytest.approx(roc_auc_score(truth, scores))
    if truth.any():
        assert step_area(precision_recall(scores, truth)) == pytest.approx(average_precision_score(truth, scores))


def test_long_curves_become_short() -> None:
    scores, truth = drawn(0, rows=20_000)
    assert len(thinned(roc(scores, truth), line_area)) <= 200
    assert len(thinned(precision_recall(scores, truth), step_area)) <= 200


def test_a_classification_has_curves_of_each_class_and_of_all() -> None:
    random = np.random.default_rng(0)
    task = make_task("classify", ("cat", "dog", "owl"), [], loss="cross_entropy")
    targets = np.eye(3)[random.integers(0, 2, 300)]  # no owl
    scores = random.dirichlet(np.ones(3), 300)
    found = curves(task, scores, targets)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["roc"]["classes"]) == {"cat", "dog", "owl"}
    assert found["roc"]["classes"]["owl"] == {"area": None, "points": []}
    assert found["roc"]["micro"]["area"] == pytest.approx(roc_auc_score(targets.ravel(), scores.ravel()))
    cat = found["precision_recall"]["classes"]["cat"]
    assert cat["area"] == pytest.approx(average_precision_score(targets[:, 0], scores[:, 0]))
    assert found["roc"]["micro"]["points"][-1] == [1, 1]


def test_of_many_classes_the_weakest_are_kept() -> None:
    random = np.random.default_rng(0)
    names = tuple(f"c{number:02d}" for number in range(30))
    task = make_task("classify", names, [], loss="cross_entropy")
    targets = np.eye(30)[np.arange(600) % 30]
    scores = random.random((600, 30)) + targets * np.linspace(0, 1, 30)
    found = curves(task, scores / scores.sum(1, keepdims=True), targets)["roc"]["classes"]
    assert len(found) == SHOWN
    assert {"c00", "c01", "c02"} <= set(found)
    assert "c29" not in found


@pytest.mark.parametrize("seed", range(3))
def test_reliability_is_scikit_learns_and_sums_to_the_calibration_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.ones(4), 300)
    targets = np.eye(4)[random.integers(0, 4, 300)]
    found = reliability(scores, targets, "label")
    right, sure = calibration_curve(scores.argmax(1) == targets.argmax(1), scores.max(1), n_bins=15)
    np.testing.assert_allclose([one["right"] for one in found], right)
    np.testing.assert_allclose([one["confidence"] for one in found], sure)
    assert sum(one["count"] for one in found) == 300
    total = sum(one["count"] / 300 * abs(one["confidence"] - one["right"]) for one in found)
    assert total == pytest.approx(calibration_error(scores, targets))


def test_certainty_is_in_the_last_bin() -> None:
    (only,) = reliability(np.eye(2)[[0, 0]], np.eye(2)[[0, 1]], "label")
    assert only == {"from": 0.9333, "to": 1.0, "count": 2, "confidence": 1.0, "right": 0.5}
