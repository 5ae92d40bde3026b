"""Tidying of masks is kept where validation gains, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.evaluate.postprocess import LEAST_PICTURES, choose_tidying, gain, options
from striate.metrics import METRICS, statistics
from striate.metrics.mean_iou import mean_iou
from striate.tasks import Tidying, tidied

NAMES = ("ground", "disc", "bar")
Pairs = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def scenes(pictures: int = 24) -> list[NDArray[np.uint8]]:
    """A disc and a bar in each."""
    random, found = np.random.default_rng(0), []
    rows, columns = np.indices((40, 48))
    for _ in range(pictures):
        classes = np.zeros((40, 48), np.uint8)
        y, x, radius = random.integers(12, 28), random.integers(12, 20), random.integers(6, 10)
        classes[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 1
        top = random.integers(2, 20)
        classes[top : top + 12, 38:42] = 2
        found.append(classes)
    return found


def with_specks(truth: NDArray[np.uint8], one: int, seed: int, count: int = 8) -> NDArray[np.uint8]:
    """Lone pixels of a class on the ground."""
    random, found = np.random.default_rng(seed), truth.copy()
    places = np.argwhere(truth == 0)
    for row, column in places[random.choice(len(places), count, replace=False)]:
        found[row, column] = one
    return found


def with_holes(truth: NDArray[np.uint8], one: int) -> NDArray[np.uint8]:
    found = truth.copy()
    row, column = np.argwhere(truth == one).mean(0).astype(int)
    found[row - 1 : row + 2, column - 1 : column + 1] = 0
    return found


def test_specks_go_and_holes_are_filled() -> None:
    pairs = [(with_holes(with_specks(truth, 2, seed), 1), truth) for seed, truth in enumerate(scenes())]
    found = choose_tidying(pairs, NAMES)
    assert 1 in found.how.filled
    assert found.how.largest == (2,) or dict(found.how.least).keys() == {2}
    assert found.after > found.before + 0.02
    rows = np.stack([statistics(tidied(predicted, found.how), truth, 3) for predicted, truth in pairs])
    assert found.after == pytest.approx(mean_iou(rows))
    assert "holes in 'disc' filled" in found.because


def test_what_is_right_stays_as_it_is() -> None:
    found = choose_tidying([(truth, truth) for truth in scenes()], NAMES)
    assert found.how == Tidying()
    assert found.before == found.after == 1.0
    assert not any(one.kept for one in found.tried.values())


def test_an_option_that_would_cut_what_is_true_is_not_kept() -> None:
    """Each picture has two discs: the largest alone would lose the other."""
    pairs: Pairs = []
    for seed, truth in enumerate(scenes()):
        truth[30:36, 30:36] = 1
        pairs.append((with_specks(truth, 1, seed, 2), truth))
    found = choose_tidying(pairs, NAMES)
    assert 1 not in found.how.largest
    assert found.tried["the largest region of 'disc' alone"].after < found.before


def test_a_gain_in_one_picture_is_luck() -> None:
    pairs: Pairs = [(truth, truth) for truth in scenes()]
    pairs[0] = (with_specks(pairs[0][1], 2, 0), pairs[0][1])
    found = choose_tidying(pairs, NAMES)
    assert found.how == Tidying()
    assert found.tried["the largest region of 'bar' alone"].after > found.before
    assert "none of" in found.because


def test_harm_to_one_class_is_not_made_up_by_another() -> None:
    before = np.stack([statistics(np.full((4, 4), 1, np.uint8), np.eye(4, dtype=np.uint8) * 2, 3)] * 12)
    after = np.stack([statistics(np.eye(4, dtype=np.uint8) * 2, np.eye(4, dtype=np.uint8) * 2, 3)] * 12)
    judge, counts = METRICS.get("mean_iou")("mask", 3), np.ones((2, 12))
    assert gain(before, after, judge, counts).kept
    back = gain(after, before, judge, counts)
    assert back.harmed == (0, 2)
    assert not back.kept


def test_few_pictures_choose_nothing() -> None:
    pairs = [(with_specks(truth, 2, seed), truth) for seed, truth in enumerate(scenes(LEAST_PICTURES - 1))]
    found = choose_tidying(pairs, NAMES)
    assert (found.how, found.tried) == (Tidying(), {})
    assert "9 validation pictures" in found.because


def test_a_class_that_is_nowhere_has_no_options() -> None:
    truth = np.zeros((5, 5), np.uint8)
    truth[1, 1] = 1
    assert list(options([(truth, truth)], NAMES)) == [
        "the largest region of 'disc' alone",
        "holes in 'disc' filled",
    ]
