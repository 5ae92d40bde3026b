"""Confident learning: the paper's counts by a slow loop, a planted noise matrix found again, parts that hold units."""

from __future__ import annotations

import numpy as np
import pytest

from striate.evaluate.labels import doubts, folds_of


def slow_joint(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Northcutt et al. 2021, section 3.1, equations 1 to 3, sample by sample."""
    classes = probabilities.shape[1]
    thresholds = [
        np.mean([row[j] for row, label in zip(probabilities, labels, strict=True) if label == j])
        if (labels == j).any()
        else np.inf
        for j in range(classes)
    ]
    counts = np.zeros((classes, classes))
    for row, label in zip(probabilities, labels, strict=True):
        over = [j for j in range(classes) if row[j] >= thresholds[j] - 1e-6]
        if over:
            counts[label, max(over, key=lambda j: row[j])] += 1
    for i in range(classes):
        total = counts[i].sum()
        if total:
            counts[i] *= (labels == i).sum() / total
        else:
            counts[i, i] = (labels == i).sum()
    return counts / counts.sum()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_joint_is_the_papers(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.4), 60)
    labels = random.integers(0, classes - (seed % 2), 60)
    found = doubts(probabilities, labels)
    np.testing.assert_allclose(found.joint, slow_joint(probabilities, labels), atol=1e-12)
    assert found.joint.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.joint.sum(axis=1), np.bincount(labels, minlength=classes) / 60)


def planted(seed: int, rates: np.ndarray, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a good model, true classes, and labels that are wrong at the rates."""
    random = np.random.default_rng(seed)
    classes = len(rates)
    true = random.integers(0, classes, count)
    outputs = random.normal(size=(count, classes)) + 4 * np.eye(classes)[true]
    probabilities = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    labels = np.array([random.choice(classes, p=rates[one]) for one in true])
    return probabilities, true, labels


def test_a_planted_noise_matrix_is_found_again() -> None:
    rates = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]])
    probabilities, true, labels = planted(0, rates)
    found = doubts(probabilities, labels)
    real = np.zeros((3, 3))
    np.add.at(real, (labels, true), 1 / len(true))
    np.testing.assert_allclose(found.joint, real, atol=0.015)
    wrong = labels != true
    assert wrong[found.order[: wrong.sum()]].mean() > 0.9
    assert (found.suggested[found.flagged & wrong] == true[found.flagged & wrong]).mean() > 0.95


def test_labels_that_are_right_are_hardly_flagged() -> None:
    probabilities, true, _ = planted(1, np.eye(4))
    assert doubts(probabilities, true).flagged.mean() < 0.02


def test_what_is_flagged_comes_first_and_is_likelier_another_class() -> None:
    random = np.random.default_rng(2)
    probabilities = random.dirichlet(np.ones(4), 200)
    labels = random.integers(0, 4, 200)
    found = doubts(probabilities, labels)
    count = int(found.flagged.sum())
    assert 0 < count < 200
    assert found.flagged[found.order[:count]].all()
    rows = np.arange(200)
    assert (probabilities[rows, found.suggested] > found.own)[found.flagged].all()
    assert (found.suggested != labels).all()
    assert (np.diff(found.own[found.order[:count]]) >= 0).all()


@pytest.mark.parametrize("count", [1, 5])
def test_one_sample_and_answers_of_one_class_are_judged(count: int) -> None:
    alike = np.tile([0.9, 0.1], (count, 1))
    found = doubts(alike, np.array([0, 0, 1, 1, 1])[:count])
    assert np.isfinite(found.joint).all()
    with pytest.raises(ValueError, match="N at least 1"):
        doubts(np.zeros((0, 2)), np.zeros(0, np.int64))


@pytest.mark.parametrize("seed", range(5))
def test_parts_hold_units_whole_and_spread_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    classes = np.tile(np.arange(10), 20)  # in the order in which digits are: every tenth is alike
    units = np.arange(200)
    units[random.permutation(200)[:30]] = 7
    units = np.unique(units, return_inverse=True)[1]
    folds = folds_of(classes, units, 5, random.permutation(units.max() + 1))
    assert all(len(set(folds[units == unit])) == 1 for unit in range(units.max() + 1))
    alone = np.bincount(units)[units] == 1
    for one in range(10):
        counts = np.bincount(folds[alone & (classes == one)], minlength=5)
        assert counts.max() - counts.min() <= 2
