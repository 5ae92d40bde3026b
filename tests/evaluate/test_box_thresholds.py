"""Thresholds of a detector's classes: their own, or of all classes together where boxes are few."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from striate.core.boxes import empty, joined
from striate.evaluate import choose_box_thresholds
from striate.evaluate.box_thresholds import LEAST_TRUTHS
from striate.metrics import best_thresholds, boxes_by_class, pooled_threshold
from striate.metrics._box_figures import _best

NAMES = ("ant", "bee", "cat")


def rows_of(pictures: tuple[int, ...], *, found: bool = True, seed: int = 0) -> np.ndarray:
    """A picture for each box of each class, which is found at scores about the class's own level, and one made up."""
    random = np.random.default_rng(seed)
    labels = np.repeat(range(len(pictures)), pictures)
    said, truths = empty(len(labels), 2, 6), empty(len(labels), 1, 7)
    level = 0.3 + 0.2 * labels
    truths[:, 0, :4], truths[:, 0, 4], truths[:, 0, 5:] = (0, 0, 10, 10), labels, 0
    said[:, 0, :4], said[:, 1, :4] = (0, 0, 10, 9 if found else 2), (50, 0, 60, 9)
    said[:, 0, 4] = level + random.uniform(0, 0.1, len(labels))
    said[:, 1, 4] = level - random.uniform(0.02, 0.1, len(labels))
    said[:, :, 5] = labels[:, None]
    return joined(said, truths)


def test_a_class_with_boxes_enough_has_its_own() -> None:
    rows = rows_of((LEAST_TRUTHS, 30, 20))
    chosen = choose_box_thresholds(rows, NAMES)
    assert chosen.values == tuple(best_thresholds(rows, 3).tolist())
    assert (chosen.pooled, chosen.notes) == ((), ())
    assert chosen.after == 1 > chosen.before
    assert chosen.before == pytest.approx(boxes_by_class(rows, 3, [0.5] * 3)["f1"].mean())
    for value, level in zip(chosen.values, (0.3, 0.5, 0.7), strict=True):
        assert level - 0.1 < value < level + 0.1


def test_few_boxes_have_the_threshold_of_all_classes() -> None:
    rows = rows_of((LEAST_TRUTHS - 1, 30, 0))
    chosen = choose_box_thresholds(rows, NAMES)
    common = pooled_threshold(rows, 3)
    assert chosen.overall == common
    assert chosen.pooled == (0, 2)
    assert chosen.values == (common, float(best_thresholds(rows, 3)[1]), common)
    assert chosen.notes == (
        f"no box of cat is in validation: its threshold is that of all classes together, {common:.3g}",
        f"ant has fewer than 10 boxes in validation: its threshold is that of all classes together, {common:.3g}",
    )
    several = choose_box_thresholds(rows_of((2, 30, 3)), NAMES).notes
    assert several[0].startswith("ant, cat have fewer than 10 boxes in validation: their thresholds are that of all")


def test_a_class_that_is_never_found_has_that_of_all_classes() -> None:
    good, bad = rows_of((12, 0, 0)), rows_of((0, 12, 0), found=False)
    chosen = choose_box_thresholds(np.concatenate([good, bad]), NAMES)
    assert chosen.pooled == (1, 2)
    assert chosen.values[1] == chosen.overall
    assert chosen.notes[1].startswith("no box of bee was found in validation: its threshold")


def test_without_anything_found_a_half_is_kept() -> None:
    for rows, words in (
        (rows_of((12, 0, 0), found=False), "no box of validation was found"),
        (joined(empty(4, 0, 6), empty(4, 0, 7)), "there is no box in validation"),
        (np.zeros((0, 2)), "there is no box in validation"),
    ):
        chosen = choose_box_thresholds(rows, NAMES)
        assert chosen.values == (0.5, 0.5, 0.5)
        assert (chosen.overall, chosen.pooled) == (0.5, (0, 1, 2))
        assert chosen.notes == (f"{words}, so that detections are shown from a score of 0.5 on",)
    assert np.isnan(chosen.before)
    assert np.isnan(chosen.after)


def test_chosen_on_validation_it_holds_on_other_pictures() -> None:
    chosen = choose_box_thresholds(rows_of((20, 20, 20), seed=1), NAMES)
    told = boxes_by_class(rows_of((200, 200, 200), seed=2), 3, chosen.values)["f1"]
    assert told.min() > 0.9


# What few boxes cost, as `LEAST_TRUTHS` says

FOUND, MADE_UP, RIGHT, WRONG = 0.85, 3.0, 1.0, -1.2
"""The share of boxes that are found, what is made up for each, and the means of their scores."""


def made(random: np.random.Generator, boxes: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and whether each is right, of a class whose scores are shifted so far."""
    right = random.normal(RIGHT + shift, 1, random.binomial(boxes, FOUND))
    wrong = random.normal(WRONG + shift, 1, random.poisson(MADE_UP * boxes))
    scores, states = np.concatenate([right, wrong]), np.repeat([1, 0], [len(right), len(wrong)])
    order = np.argsort(-scores)
    return scores[order], states[order].astype(np.int8)


def expected(least: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """F1 of a threshold on ever so many boxes."""
    right, wrong = FOUND * norm.sf(least - RIGHT - shift), MADE_UP * norm.sf(least - WRONG - shift)
    return 2 * right / (1 + right + wrong)


@pytest.mark.parametrize(("boxes", "loss"), [(20, 0.02), (10, 0.03), (5, 0.04), (3, 0.055)])
def test_a_threshold_by_few_boxes_loses_as_much_as_is_said(boxes: int, loss: float) -> None:
    random = np.random.default_rng(boxes)
    chosen = np.array([_best(*made(random, boxes, 0.0), boxes) for _ in range(2000)])
    best = expected(np.linspace(-3, 3, 601), np.zeros(1)).max()
    assert best - expected(chosen[~np.isnan(chosen)], np.zeros(1)).mean() == pytest.approx(loss, abs=0.005)


@pytest.mark.parametrize(("spread", "loss"), [(0.25, 0.015), (0.5, 0.045)])
def test_that_of_all_classes_loses_as_much_as_is_said(spread: float, loss: float) -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(200):
        shifts = random.normal(0, spread, 8)
        scores, states = (np.concatenate(side) for side in zip(*(made(random, 10, one) for one in shifts), strict=True))
        order = np.argsort(-scores)
        found.append(expected(np.array(_best(scores[order], states[order], 80)), shifts).mean())
    best = expected(np.linspace(-3, 3, 601), np.zeros(1)).max()
    assert best - np.mean(found) == pytest.approx(loss, abs=0.005)
