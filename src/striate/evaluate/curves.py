"""What every threshold would give, and how sure is how right: points to be drawn, few enough for `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import TargetKind
from striate.metrics import Floats, checked
from striate.metrics.calibration_error import BINS, bin_of, confidences
from striate.tasks import Task

SHOWN = 20
"""Classes that have curves of their own; of more, those of the least area."""
FEWEST = 32
"""Points that a long curve keeps at least; it keeps twice as many until its area is that of all."""
LOST = 5e-4
"""What the area may differ by then."""


def curves(task: Task, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, Any]:
    """The curves of a classification on a split, as `metrics.json` holds them.

    Args:
        scores, targets: (N, K), as the task gives and encodes them.

    Returns:
        plain values: `roc` and `precision_recall`, of `micro` and of `classes` by name: `area`, None where it is not
        defined, and `points`, [false positives, true positives] or [recall, precision], as shares, from the highest
        threshold down; `reliability`, see `reliability`.
    """
    scores, targets = checked(scores, targets)
    pairs = {name: (scores[:, place], targets[:, place] > 0.5) for place, name in enumerate(task.target_names)}
    found: dict[str, Any] = {}
    for name, points, area in (("roc", roc, line_area), ("precision_recall", precision_recall, step_area)):
        each = {one: _curve(points, area, *pair) for one, pair in pairs.items()}
        weakest = sorted(each, key=lambda one: (each[one]["area"] is None, each[one]["area"] or 0.0))[:SHOWN]
        micro = _curve(points, area, scores.ravel(), targets.ravel() > 0.5)
        found[name] = {"micro": micro, "classes": {one: each[one] for one in each if one in weakest}}
    found["reliability"] = reliability(scores, targets, task.kind)
    return found


def roc(scores: Floats, truth: NDArray[np.bool_]) -> Floats:
    """Shares of false and true positives at each threshold, from none to all, (P, 2); empty where one has no share.

    >>> roc(np.array([0.9, 0.6, 0.4]), np.array([True, False, True])).tolist()
    [[0.0, 0.0], [0.0, 0.5], [1.0, 0.5], [1.0, 1.0]]
    """
    hits, called = _passed(scores, truth)
    if not len(hits) or not 0 < hits[-1] < called[-1]:
        return np.empty((0, 2))
    points = np.stack([(called - hits) / (called[-1] - hits[-1]), hits / hits[-1]], axis=1)
    return np.concatenate([np.zeros((1, 2)), points])


def precision_recall(scores: Floats, truth: NDArray[np.bool_]) -> Floats:
    """Recall and precision at each threshold from the highest score down, (P, 2); empty where nothing is true.

    >>> precision_recall(np.array([0.9, 0.6]), np.array([True, False])).tolist()
    [[1.0, 1.0], [1.0, 0.5]]
    """
    hits, called = _passed(scores, truth)
    if not len(hits) or not hits[-1]:
        return np.empty((0, 2))
    return np.stack([hits / hits[-1], hits / called], axis=1)


def line_area(points: Floats) -> float:
    """The area below straight lines between the points, level from 0 to the first: of a ROC curve its own."""
    return float(points[0, 0] * points[0, 1] + np.trapezoid(points[:, 1], points[:, 0]))


def step_area(points: Floats) -> float:
    """The area below steps: each gain in recall at the precision after it, which is average precision."""
    return float((np.diff(points[:, 0], prepend=0.0) * points[:, 1]).sum())


def thinned(points: Floats, area: Callable[[Floats], float]) -> Floats:
    """Some of the points, evenly along the curve, the area below whose lines is that of all within `LOST`."""
    walked = np.concatenate([[0.0], np.abs(np.diff(points, axis=0)).sum(axis=1).cumsum()])
    count = FEWEST
    while count < len(points):
        places = np.unique(np.searchsorted(walked, np.linspace(0, walked[-1], count)).clip(max=len(points) - 1))
        kept = points[np.union1d(places, [0, len(points) - 1])]
        if abs(line_area(kept) - area(points)) <= LOST:
            return np.asarray(kept)
        count *= 2
    return points


def reliability(scores: Floats, targets: Floats, kind: TargetKind) -> list[dict[str, Any]]:
    """How sure and how right, in the bins of `calibration_error`; empty ones are left out.

    Returns:
        of each bin: `from` and `to`, the confidences it holds; `count`; `confidence` and `right`, their means.
    """
    sure, right = (one.ravel() for one in confidences(scores, targets, kind))
    places = bin_of(sure)
    counts = np.bincount(places, minlength=BINS)
    sums = [np.bincount(places, weights=one, minlength=BINS) for one in (sure, right)]
    return [
        {
            "from": round(place / BINS, 4),
            "to": round((place + 1) / BINS, 4),
            "count": int(counts[place]),
            "confidence": float(sums[0][place] / counts[place]),
            "right": float(sums[1][place] / counts[place]),
        }
        for place in np.flatnonzero(counts).tolist()
    ]


def _curve(
    points: Callable[[Floats, NDArray[np.bool_]], Floats],
    area: Callable[[Floats], float],
    scores: Floats,
    truth: NDArray[np.bool_],
) -> dict[str, Any]:
    found = points(scores, truth)
    if not len(found):
        return {"area": None, "points": []}
    return {"area": area(found), "points": thinned(found, area).round(4).tolist()}


def _passed(scores: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """True ones, and all, from each distinct score on, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)[: len(order)]
    return np.cumsum(truth[order])[last].astype(float), (np.flatnonzero(last) + 1).astype(float)
