"""Balanced accuracy, Matthews' correlation and Cohen's kappa against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, matthews_corrcoef

from striate.metrics import METRICS, Floats
from striate.metrics.balanced_accuracy import balanced_accuracy
from striate.metrics.kappa import kappa
from striate.metrics.macro_recall import macro_recall
from striate.metrics.matthews import matthews


def drawn(seed: int, rows: int = 60, classes: int = 4) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    true = random.choice(classes, rows, p=random.dirichlet(np.ones(classes)))
    return random.random((rows, classes)) + 0.5 * np.eye(classes)[true], np.eye(classes)[true]


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(8))
def test_decisions_are_judged_as_by_scikit_learn(seed: int, classes: int) -> None:
    scores, targets = drawn(seed, classes=classes)
    true, called = targets.argmax(1), scores.argmax(1)
    if len(set(true)) < 2 or len(set(called)) < 2:
        pytest.fail("the example has one class")
    assert matthews(scores, targets) == pytest.approx(matthews_corrcoef(true, called), abs=1e-12)
    assert kappa(scores, targets) == pytest.approx(cohen_kappa_score(true, called), abs=1e-12)
    recalls = [(called[true == one] == one).mean() for one in sorted(set(true))]
    assert balanced_accuracy(scores, targets) == pytest.approx(np.mean(recalls), abs=1e-12)
    assert balanced_accuracy(scores, targets) == macro_recall(scores, targets)


@pytest.mark.parametrize("seed", range(5))
def test_balanced_accuracy_is_scikit_learns(seed: int) -> None:
    scores, targets = drawn(seed)
    labels = (np.random.default_rng(seed).random(targets.shape) < 0.4).astype(float)
    labels[:2] = [[0] * 4, [1] * 4]
    assert balanced_accuracy(scores, targets) == pytest.approx(
        balanced_accuracy_score(targets.argmax(1), scores.argmax(1)), abs=1e-12
    )
    each = [balanced_accuracy_score(one, score >= 0.5) for one, score in zip(labels.T, scores.T, strict=True)]
    assert balanced_accuracy(scores, labels, "labels") == pytest.approx(np.mean(each), abs=1e-12)


def test_the_worked_matrix_has_these_figures() -> None:
    """Rows true: cat 20 5 2, dog 3 18 4, bird 1 2 17."""
    matrix = np.array([[20, 5, 2], [3, 18, 4], [1, 2, 17]])
    true, called = (np.repeat(np.indices((3, 3))[axis].ravel(), matrix.ravel()) for axis in (0, 1))
    scores, targets = np.eye(3)[called], np.eye(3)[true]
    assert METRICS.get("accuracy")("label", 3).measure(scores, targets) == pytest.approx(55 / 72)
    assert balanced_accuracy(scores, targets) == pytest.approx((20 / 27 + 18 / 25 + 17 / 20) / 3)
    chance = (27 * 24 + 25 * 25 + 20 * 23) / 72**2
    assert kappa(scores, targets) == pytest.approx((55 / 72 - chance) / (1 - chance))
    assert matthews(scores, targets) == pytest.approx(matthews_corrcoef(true, called))


def test_decisions_that_are_all_the_same_correlate_with_nothing() -> None:
    scores, targets = np.eye(3)[[1] * 6], np.eye(3)[[0, 1, 2, 1, 1, 0]]
    assert np.isnan(matthews(scores, targets))
    assert kappa(scores, targets) == 0
    assert balanced_accuracy(scores, targets) == pytest.approx(1 / 3)


def test_one_class_alone_cannot_be_told_from_chance() -> None:
    same = np.eye(2)[[0, 0, 0]]
    assert np.isnan(kappa(same, same))
    assert np.isnan(matthews(same, same))
    assert np.isnan(matthews(np.eye(2)[[0, 1, 0]], same))
    assert kappa(np.eye(2)[[0, 1, 0]], same) == 0
    assert balanced_accuracy(same, same) == 1


def test_one_sample_is_right_or_wrong() -> None:
    one = np.eye(3)[[1]]
    assert balanced_accuracy(one, one) == 1
    assert balanced_accuracy(np.eye(3)[[0]], one) == 0
    assert np.isnan(matthews(one, one))


def test_a_label_that_all_samples_have_is_judged_by_its_recall() -> None:
    scores, targets = np.array([[0.9], [0.2]]), np.ones((2, 1))
    assert balanced_accuracy(scores, targets, "labels") == 0.5
    assert balanced_accuracy(scores, 1 - targets, "labels") == 0.5
