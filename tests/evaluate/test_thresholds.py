"""Thresholds that are moved, and the figure they are moved by, against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from striate.evaluate import choose_thresholds, even_f1, move_thresholds
from striate.evaluate.thresholds import STRENGTHS
from striate.tasks import make_task, task_from_dict


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


# -- of each label


def labelled(seed: int, rows: int = 300, labels: int = 4, steps: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (random.random((rows, labels)) < [0.5, 0.2, 0.1, 0.3][:labels]).astype(float)
    scores = 1 / (1 + np.exp(-(2 * targets - 2.5 + random.normal(size=targets.shape))))
    return (np.round(scores * steps) / steps if steps else scores), targets


@pytest.mark.parametrize("steps", [0, 7])
@pytest.mark.parametrize("seed", range(4))
def test_each_label_has_the_best_f1_of_all_thresholds(seed: int, steps: int) -> None:
    scores, targets = labelled(seed, steps=steps)
    found = choose_thresholds(scores, targets)
    for score, target, threshold in zip(scores.T, targets.T, found.values, strict=True):
        best = max(f1_score(target, score >= one) for one in np.unique(score))
        assert f1_score(target, score >= threshold) == pytest.approx(best, abs=1e-12)
        assert 0 < threshold <= 1
    assert found.before == pytest.approx(f1_score(targets, scores >= 0.5, average="macro"))
    assert found.after == pytest.approx(f1_score(targets, scores >= np.array(found.values), average="macro"))
    assert found.after >= found.before
    assert found.kept == ()


def test_too_few_with_or_without_a_label_keep_a_half() -> None:
    scores, targets = labelled(0)
    targets[:, 1] = 0
    targets[:9, 1] = 1
    targets[:, 2] = 1
    targets[:9, 2] = 0
    found = choose_thresholds(scores, targets)
    assert found.kept == (1, 2)
    assert found.values[1] == found.values[2] == 0.5
    assert found.values[0] != 0.5


def test_where_a_half_is_as_good_it_stays() -> None:
    targets = np.array([[1.0], [0.0]] * 20)
    assert choose_thresholds(0.8 * targets + 0.1, targets).values == (0.5,)
    same = choose_thresholds(np.full((40, 1), 0.7), targets)
    assert same.values == (0.5,), "all or none: all is better, and a half does that"
    assert choose_thresholds(np.full((40, 1), 0.3), targets).values[0] <= 0.3


def test_decisions_and_words_follow_the_thresholds() -> None:
    task = make_task("multilabel", ("a", "b"), [], loss="binary_cross_entropy").with_decisions(thresholds=(0.2, 0.9))
    scores = np.array([[0.3, 0.8], [0.1, 0.95], [0.2, 0.9]])
    assert [task.decode(row)["labels"] for row in scores] == [["a"], ["b"], ["a", "b"]]
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = task.metrics(scores, targets)
    assert found["subset_accuracy"] == found["macro_f1"] == found["balanced_accuracy"] == 1
    plain = make_task("multilabel", ("a", "b"), [], loss="binary_cross_entropy").metrics(scores, targets)
    assert plain["subset_accuracy"] < 1
    assert found["log_loss"] == plain["log_loss"], "probabilities stay what they are"
    assert [row["f1"] for row in task.per_class(scores, targets)] == [1, 1]
    again = task_from_dict(json.loads(json.dumps(task.to_dict())))
    assert again.settings.thresholds == (0.2, 0.9)
