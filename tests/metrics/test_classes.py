"""Counts of each class: the worked confusion matrix, scikit-learn's figures, and what is not defined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from striate.metrics import ClassCounts, class_counts, confusion_matrix, decide

# Worked example: cat, dog, bird; rows true, columns predicted.
MATRIX = np.array([[20, 5, 2], [3, 18, 4], [1, 2, 17]])


def from_matrix(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-hot scores and targets that give this confusion matrix."""
    cells = [(true, guess) for true, row in enumerate(matrix) for guess, count in enumerate(row) for _ in range(count)]
    true, guess = np.array(cells).T
    return np.eye(len(matrix))[guess], np.eye(len(matrix))[true]


def test_the_worked_confusion_matrix() -> None:
    scores, targets = from_matrix(MATRIX)
    assert len(scores) == 72
    assert (confusion_matrix(scores, targets) == MATRIX).all()
    found = class_counts(scores, targets, "label")
    np.testing.assert_array_equal(found.precision, [20 / 24, 18 / 25, 17 / 23])
    np.testing.assert_array_equal(found.recall, [20 / 27, 18 / 25, 17 / 20])
    np.testing.assert_array_equal(found.support, [27, 25, 20])


def test_figures_equal_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores, true = random.random((300, 6)), random.integers(0, 6, 300)
    found, guess = class_counts(scores, np.eye(6)[true], "label"), scores.argmax(1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(true, guess, labels=range(6))
    for own, other in zip(
        (found.precision, found.recall, found.f1, found.support), (precision, recall, f1, support), strict=True
    ):
        np.testing.assert_allclose(own, other, rtol=1e-14)
    assert (confusion_matrix(scores, np.eye(6)[true]) == reference.confusion_matrix(true, guess)).all()


def test_figures_of_labels_equal_scikit_learn() -> None:
    random = np.random.default_rng(1)
    scores, targets = random.random((300, 4)), (random.random((300, 4)) < [0.1, 0.4, 0.6, 0.9]).astype(float)
    found = class_counts(scores, targets, "labels")
    expected = reference.precision_recall_fscore_support(targets, scores >= 0.5)
    for own, other in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-14)


def test_what_is_not_defined_is_nan_and_not_zero() -> None:
    # Class 0 is found, class 1 is never predicted, class 2 is predicted and has no sample, class 3 has nothing.
    found = class_counts(np.eye(4)[[0, 0, 2]], np.eye(4)[[0, 1, 1]], "label")
    np.testing.assert_array_equal(found.precision, [0.5, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(found.recall, [1.0, 0.0, np.nan, np.nan])
    np.testing.assert_array_equal(found.f1, [2 / 3, 0.0, np.nan, np.nan])


def test_macro_is_over_the_classes_that_samples_have() -> None:
    found = class_counts(np.eye(4)[[0, 0, 2]], np.eye(4)[[0, 1, 1]], "label")
    true, guess = [0, 1, 1], [0, 0, 2]
    for figure, function in (
        (found.precision, reference.precision_score),
        (found.recall, reference.recall_score),
        (found.f1, reference.f1_score),
    ):
        assert found.macro(figure) == pytest.approx(
            function(true, guess, labels=[0, 1], average="macro", zero_division=0.0)
        )
    nothing = ClassCounts(*np.zeros((3, 4)))
    assert np.isnan(nothing.macro(nothing.recall))


def test_of_equals_the_first_is_chosen() -> None:
    assert decide(np.array([[0.4, 0.4, 0.2]]), "label").tolist() == [[True, False, False]]
    assert decide(np.array([[0.4, 0.5, 0.6]]), "labels").tolist() == [[False, True, True]]


@pytest.mark.parametrize("kind", ["label", "labels"])
def test_counted_rows_are_repeated_rows(kind: str) -> None:
    random = np.random.default_rng(2)
    scores, counts = random.random((40, 5)), random.integers(0, 4, (3, 40))
    targets = np.eye(5)[random.integers(0, 5, 40)] if kind == "label" else (random.random((40, 5)) < 0.4).astype(float)
    found = class_counts(scores, targets, kind, counts.astype(float))
    for row in range(3):
        places = np.repeat(np.arange(40), counts[row])
        expected = class_counts(scores[places], targets[places], kind)
        np.testing.assert_array_equal(found.hits[row], expected.hits)
        np.testing.assert_array_equal(found.predicted[row], expected.predicted)
        np.testing.assert_array_equal(found.support[row], expected.support)
