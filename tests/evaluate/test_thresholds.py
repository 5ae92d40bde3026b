"""Thresholds that are moved, and the figure they are moved by, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from striate.evaluate import even_f1, move_thresholds
from striate.evaluate.thresholds import STRENGTHS


def tailed(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a classifier that knows how rare classes are, and targets."""
    random = np.random.default_rng(seed)
    counts = [600, 60, 20]
    classes = np.repeat(range(3), counts)
    logits = random.normal(size=(len(classes), 3)) + 2.0 * np.eye(3)[classes] + np.log(counts)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return shares, np.eye(3)[classes]


def test_the_figure_is_macro_f1_with_samples_weighed_by_their_class() -> None:
    scores, targets = tailed()
    classes = targets.argmax(1)
    weights = 1 / np.bincount(classes)[classes]
    expected = f1_score(classes, scores.argmax(1), average="macro", sample_weight=weights)
    assert float(even_f1(scores, targets)[0]) == pytest.approx(expected, abs=1e-12)
    counts = np.random.default_rng(1).integers(0, 3, (4, len(classes))).astype(float)
    for row, found in zip(counts, even_f1(scores, targets, counts), strict=True):
        support = np.bincount(classes, weights=row)
        expected = f1_score(classes, scores.argmax(1), average="macro", sample_weight=row / support[classes])
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_the_frequencies_are_undone_and_the_strength_is_the_best_of_all() -> None:
    scores, targets = tailed()
    counts = targets.sum(0)
    found = move_thresholds(scores, targets, counts.tolist())
    figures = []
    for strength in STRENGTHS:
        decided = (scores * (counts / counts.max()) ** -strength).argmax(1)
        classes = targets.argmax(1)
        weights = 1 / counts[classes]
        figures.append(f1_score(classes, decided, average="macro", sample_weight=weights))
    assert found.after == pytest.approx(max(figures), abs=1e-12)
    assert found.before == pytest.approx(figures[0], abs=1e-12)
    assert found.after > found.before + 0.1
    assert found.strength == STRENGTHS[int(np.argmax(figures))]
    assert 0.5 <= found.strength <= 1.5, "they were put there by the power of 1"
    np.testing.assert_allclose(found.factors, (counts / counts.max()) ** -found.strength)


def test_where_nothing_is_gained_nothing_is_moved() -> None:
    found = move_thresholds(np.eye(3)[[0, 1, 2]], np.eye(3)[[0, 1, 2]], [9.0, 3.0, 0.0])
    assert (found.strength, found.factors) == (0.0, (1.0, 1.0, 1.0))
