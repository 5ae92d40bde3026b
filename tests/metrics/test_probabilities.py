"""The Brier score and the calibration error against scikit-learn, torchmetrics and sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from striate.core.records import TargetKind
from striate.metrics import Floats
from striate.metrics.brier import brier
from striate.metrics.calibration_error import BINS, bin_of, calibration_error


def drawn(seed: int, rows: int = 200, classes: int = 4) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(classes), rows), np.eye(classes)[random.integers(0, classes, rows)]


def written_out(sure: Floats, right: Floats) -> float:
    """Bin by bin, in exact steps of a fifteenth."""
    total = 0.0
    for number in range(BINS):
        inside = (sure * BINS > number) & (sure * BINS <= number + 1)
        inside |= (sure == 0) & (number == 0)
        if inside.any():
            total += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    return total


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_brier_is_scikit_learns(seed: int, classes: int) -> None:
    scores, targets = drawn(seed, classes=classes)
    expected = brier_score_loss(targets.argmax(1), scores, labels=range(classes), scale_by_half=True)
    assert brier(scores, targets) == pytest.approx(expected, abs=1e-12)
    each = [brier_score_loss(one, score) for one, score in zip(targets.T, scores.T, strict=True)]
    assert brier(scores, targets, "labels") == pytest.approx(np.mean(each), abs=1e-12)
    if classes == 2:
        assert brier(scores, targets) == pytest.approx(brier_score_loss(targets[:, 1], scores[:, 1]), abs=1e-12)


def test_brier_at_its_ends() -> None:
    assert brier(np.eye(3), np.eye(3)) == 0
    assert brier(np.eye(3)[[1, 2, 0]], np.eye(3)) == 1
    assert brier(np.eye(2)[[0]], np.eye(2)[[1]], "labels") == 1
    assert np.isnan(brier(np.zeros((0, 3)), np.zeros((0, 3))))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_calibration_is_that_of_torchmetrics_below_certainty(seed: int, classes: int) -> None:
    scores, targets = drawn(seed, classes=classes)
    assert scores.max() < 1
    expected = multiclass_calibration_error(
        torch.from_numpy(scores), torch.from_numpy(targets.argmax(1)), num_classes=classes, n_bins=BINS
    )
    assert calibration_error(scores, targets) == pytest.approx(float(expected), abs=1e-6)
    expected = binary_calibration_error(
        torch.from_numpy(scores.ravel()), torch.from_numpy(targets.ravel().astype(int)), n_bins=BINS
    )
    # torchmetrics takes the confidence of present alone, and so do labels here
    assert calibration_error(scores, targets, "labels") == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("kind", ["label", "labels"])
@pytest.mark.parametrize("seed", range(6))
def test_calibration_is_its_definition_at_certainty_too(seed: int, kind: TargetKind) -> None:
    scores, targets = drawn(seed)
    scores[:60] = np.eye(4)[np.random.default_rng(seed).integers(0, 4, 60)]  # as softmax gives in single precision
    if kind == "label":
        sure, right = scores.max(1), (scores.argmax(1) == targets.argmax(1)).astype(float)
    else:
        sure, right = scores.ravel(), targets.ravel()
    assert calibration_error(scores, targets, kind) == pytest.approx(written_out(sure, right), abs=1e-12)


def test_certainty_that_is_always_wrong_is_the_worst() -> None:
    """torchmetrics loses a confidence of exactly 1 into a bin beyond the last."""
    assert calibration_error(np.eye(2)[[0, 0]], np.eye(2)[[1, 1]]) == 1
    assert calibration_error(np.eye(2)[[0, 0]], np.eye(2)[[0, 0]]) == 0
    assert calibration_error(np.array([[1.0]]), np.array([[0.0]]), "labels") == 1
    assert calibration_error(np.array([[0.0]]), np.array([[0.0]]), "labels") == 0


def test_bins_are_closed_on_the_right() -> None:
    ends = np.arange(1, BINS + 1) / BINS
    assert (bin_of(ends) == np.arange(BINS)).all()
    assert (bin_of(np.nextafter(ends[:-1], 1)) == np.arange(1, BINS)).all()
    assert bin_of(np.array([0.0]))[0] == 0


def test_the_first_of_equals_is_the_class_that_is_meant() -> None:
    assert calibration_error(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])) == 0.5
    assert calibration_error(np.array([[0.4, 0.3, 0.3]]), np.array([[0.0, 1.0, 0.0]])) == pytest.approx(0.4)


def test_what_is_sure_at_the_rate_at_which_it_is_right_has_little_error() -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(3), 40_000)
    true = (scores.cumsum(1) > random.random((len(scores), 1))).argmax(1)
    assert calibration_error(scores, np.eye(3)[true]) < 0.01
    sharper = scores**3 / (scores**3).sum(1, keepdims=True)
    assert calibration_error(sharper, np.eye(3)[true]) > 0.15
