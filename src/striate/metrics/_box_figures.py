"""What is told of a detector beside its metrics: figures of each class and picture at the scores from which on its
detections are shown, these thresholds themselves, its mistakes, and its curves. All from rows (N, S), as
`striate.core.boxes.joined` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import _box_errors
from striate.metrics._box_errors import BoxErrors, Pairs
from striate.metrics._box_rows import ASIDE, RIGHT, WRONG, OfClass, by_classes, sides
from striate.metrics._boxes import THRESHOLDS, Integers
from striate.metrics._classes import ClassCounts
from striate.metrics._metric import THRESHOLD, Floats, divide
from striate.metrics._of_boxes import precision_of

CURVE_POINTS = 200
"""Of a curve, at most."""


def least_scores(thresholds: Sequence[float] | Floats, classes: int) -> Floats:
    """The score from which on each class's detections are shown, (K,); NaN, where none was found, stands for a half.

    Raises:
        ValueError: there is not one for each class.

    >>> least_scores([0.3, float("nan")], 2)
    array([0.3, 0.5])
    """
    found = np.asarray(thresholds, np.float64)
    if found.shape != (classes,):
        raise ValueError(f"thresholds {found.shape} must be one for each of {classes} classes")
    return np.where(np.isnan(found), THRESHOLD, found)


def boxes_by_class(rows: Floats, classes: int, thresholds: Sequence[float] | Floats) -> dict[str, Floats]:
    """The figures of each class over all pictures, (K,) each, NaN where one is not defined.

    Args:
        thresholds: the score from which on each class's detections are shown, (K,), see `least_scores`.

    Returns:
        `ap`, `ap50` and `ap75`, average precision over overlaps of 0.5 to 0.95, at 0.5 and at 0.75, whatever the
        threshold; and of what is shown, a truth being found from an overlap of 0.5 on: `precision`, `recall`, `f1`;
        `support`, truths that count; of these `found` and `missed`; `invented`, detections that found none of them.

    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0], [20, 0, 28, 8, 0.4, 0]]])
    >>> rows = joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]]))
    >>> [float(boxes_by_class(rows, 1, [least])["precision"][0]) for least in (0.3, 0.5)]
    [0.5, 1.0]
    """
    parts = by_classes(rows, classes)
    right, wrong, support = (side.sum(axis=0).astype(np.float64) for side in _counts(parts, len(rows), thresholds))
    figures = ClassCounts(right, right + wrong, support)
    precision = np.array([_average_precision(one) for one in parts]).reshape(classes, len(THRESHOLDS))
    return {
        "ap": precision.mean(axis=1),
        "ap50": precision[:, THRESHOLDS.index(0.5)],
        "ap75": precision[:, THRESHOLDS.index(0.75)],
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": figures.f1,
        "support": support,
        "found": right,
        "missed": support - right,
        "invented": wrong,
    }


def each_picture(rows: Floats, classes: int, thresholds: Sequence[float] | Floats) -> dict[str, Floats]:
    """The figures of each picture over all classes, (N,) each, at an overlap of 0.5.

    Args:
        thresholds: the score from which on each class's detections are shown, (K,), see `least_scores`.

    Returns:
        `f1`, 2 found / (2 found + missed + invented), NaN where nothing is there and nothing was found; `found` and
        `missed`, truths that count; `invented`, detections that found none of them.

    >>> from striate.core.boxes import empty, joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0], [20, 0, 28, 8, 0.4, 0]]])
    >>> each_picture(joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])), 1, [0.3])["f1"].round(3)
    array([0.667])
    >>> each_picture(joined(empty(1, 2, 6), empty(1, 1, 7)), 1, [0.3])["f1"]
    array([nan])
    """
    counts = _counts(by_classes(rows, classes), len(rows), thresholds)
    right, wrong, support = (side.sum(axis=1).astype(np.float64) for side in counts)
    return {
        "f1": divide(2 * right, right + wrong + support),
        "found": right,
        "missed": support - right,
        "invented": wrong,
    }


def _counts(
    parts: Sequence[OfClass], pictures: int, thresholds: Sequence[float] | Floats
) -> tuple[Integers, Integers, Integers]:
    """Detections that are shown and right, and wrong, and truths that count, of each picture and class, (N, K) each.

    What is shown is matched as all is: no detection's state depends on those below it.
    """
    right, wrong, support = (np.zeros((pictures, len(parts)), np.int64) for _ in range(3))
    for label, (one, least) in enumerate(zip(parts, least_scores(thresholds, len(parts)), strict=True)):
        states, shown = one.at(), one.scores >= least
        for state, counts in ((RIGHT, right), (WRONG, wrong)):
            counts[:, label] = np.bincount(one.pictures[shown & (states == state)], minlength=pictures)
        support[:, label] = one.counted[0]
    return right, wrong, support


def _average_precision(one: OfClass) -> Floats:
    """Of a class at each of `THRESHOLDS`, (T,); NaN where no truth counts."""
    counted, once = one.counted[:1].sum(axis=1).astype(np.float64), np.ones((one.counted.shape[1], 1))
    if not counted:
        return np.full(len(THRESHOLDS), np.nan)
    return np.concatenate([precision_of(one.at(overlap), one.pictures, once, counted) for overlap in THRESHOLDS])


# Thresholds


def best_thresholds(rows: Floats, classes: int) -> Floats:
    """The score from which on each class's detections are best shown, (K,): that of the best F1 at an overlap of 0.5.

    It lies half way between the lowest score that is shown and the highest that is not, of equals the higher, and is a
    number of single precision, in which networks score.

    Args:
        rows: of pictures that were not learnt from.

    Returns:
        NaN for a class without a truth that counts, or of which none is found.

    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.75, 0], [20, 0, 28, 8, 0.25, 0]]])
    >>> best_thresholds(joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])), 1)
    array([0.5])
    """
    parts = by_classes(rows, classes)
    return np.array([_best(one.scores, one.at(), int(one.counted[0].sum())) for one in parts])


def pooled_threshold(rows: Floats, classes: int) -> float:
    """The one threshold of the best F1 over the boxes of all classes together; NaN where no truth is found.

    See `best_thresholds`, of which it is what few boxes of each class can carry.
    """
    parts = by_classes(rows, classes)
    scores = np.concatenate([one.scores for one in parts])
    states = np.concatenate([one.at() for one in parts])
    order = np.argsort(-scores, kind="stable")
    return _best(scores[order], states[order], sum(int(one.counted[0].sum()) for one in parts))


def _best(scores: Floats, states: NDArray[np.int8], counted: int) -> float:
    """The threshold of the best F1 of detections from the surest on, (M,) each, with so many truths that count."""
    kept = states != ASIDE
    scores, right = scores[kept], np.cumsum(states[kept] == RIGHT)
    if not counted or not len(right) or not right[-1]:
        return float("nan")
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))  # equal scores are shown together
    figures = 2 * right[last] / (last + 1 + counted)
    best = int(np.argmax(figures >= figures.max() - 1e-12))
    following = float(scores[last[best + 1]]) if best + 1 < len(last) else 0.0
    return _between(following, float(scores[last[best]]))


def _between(low: float, high: float) -> float:
    """The middle in single precision, or the higher where there is none between the two."""
    middle = float(np.float32((low + high) / 2))
    return middle if low < middle <= high else high


# Mistakes


def box_confusion(rows: Floats, classes: int, thresholds: Sequence[float] | Floats) -> Integers:
    """Boxes by true class (rows) and by what they were taken for (columns), at an overlap of 0.5.

    Args:
        thresholds: the score from which on each class's detections are shown, (K,), see `least_scores`.

    Returns:
        (K + 1, K + 1): the last row is background, what was made up; the last column is what was missed.

    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 1], [20, 0, 28, 8, 0.4, 0]]])
    >>> box_confusion(joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])), 2, [0.3, 0.3]).tolist()
    [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    """
    return _box_errors.confusion(*sides(rows), classes, score=least_scores(thresholds, classes))


def box_pairs(row: Floats) -> Pairs:
    """Which truth each box that was found in one picture is about, by the rules of `box_confusion`.

    Args:
        row: (1, S); all that was found in it is taken for shown.
    """
    (found,), (true,) = sides(row)
    return _box_errors.paired(found, true)


def errors_by_kind(rows: Floats, classes: int, thresholds: Sequence[float] | Floats) -> BoxErrors:
    """Mistakes by kind among what is shown, and what each kind costs, see `striate.metrics._box_errors`.

    Args:
        thresholds: the score from which on each class's detections are shown, (K,), see `least_scores`; with zeros all
            that was found is judged, as its authors do (Bolya et al. 2020, "TIDE", section 2).

    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 2, 0.9, 0], [20, 0, 28, 8, 0.4, 0]]])
    >>> told = errors_by_kind(joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])), 1, [0.0])
    >>> {kind: count for kind, count in told.counts.items() if count}
    {'place': 1, 'background': 1}
    """
    return _box_errors.box_errors(*sides(rows), classes, score=least_scores(thresholds, classes))


# Curves


@dataclass(frozen=True)
class BoxCurve:
    """What a class's detections reach from each score on, at an overlap of 0.5; nothing where no truth counts.

    Args:
        recall, precision, scores: (P,), from the surest on.
    """

    recall: Floats
    precision: Floats
    scores: Floats


def box_curves(rows: Floats, classes: int, points: int = CURVE_POINTS) -> tuple[BoxCurve, ...]:
    """The curve of each class, thinned to so many points at most.

    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0], [20, 0, 28, 8, 0.4, 0]]])
    >>> curve = box_curves(joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])), 1)[0]
    >>> curve.recall.tolist(), curve.precision.tolist(), curve.scores.tolist()
    ([1.0, 1.0], [1.0, 0.5], [0.9, 0.4])
    """
    return tuple(_curve(one, points) for one in by_classes(rows, classes))


def _curve(one: OfClass, points: int) -> BoxCurve:
    states, counted = one.at(), one.counted[0].sum()
    kept = states != ASIDE
    scores, right = one.scores[kept], np.cumsum(states[kept] == RIGHT)
    if not counted or not len(scores):
        return BoxCurve(np.zeros(0), np.zeros(0), np.zeros(0))
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))
    recall, precision, scores = right[last] / counted, right[last] / (last + 1), scores[last]
    chosen = _thinned(recall, precision, points)
    return BoxCurve(recall[chosen], precision[chosen], scores[chosen])


def _thinned(recall: Floats, precision: Floats, points: int) -> Integers:
    """Places of points that lie about evenly along the drawn line, both ends among them: by rank most would lie in the
    tail, where a detector finds thousands of boxes and the line hardly moves."""
    if len(recall) <= points:
        return np.arange(len(recall))
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(recall), np.diff(precision)))])
    chosen = np.searchsorted(way, np.linspace(0.0, way[-1], points))
    chosen[0], chosen[-1] = 0, len(recall) - 1
    return np.unique(np.minimum(chosen, len(recall) - 1))
