"""What two maps of classes have in common, picture by picture: the rows that metrics of masks are made of.

Pixels do not flow to metrics, numbers do: each picture becomes one row of statistics, whatever its size, and a metric
is a function of such rows, so that its interval is drawn over pictures.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import VOID, TargetKind
from striate.metrics._classes import ClassCounts
from striate.metrics._metric import Additive, Floats, divide
from striate.metrics._surfaces import hausdorff, hits, surfaces, tolerance

FIGURES = ("boundary_hits", "boundary_predicted", "boundary_found", "boundary_true", "distance", "measured")
"""What a row holds of each class behind the confusion:

- `boundary_hits`: pixels of the predicted boundary within the tolerance of the true one, of `boundary_predicted`;
- `boundary_found`: pixels of the true boundary within the tolerance of the predicted one, of `boundary_true`;
- `distance`: between the surfaces, in pixels, see `striate.metrics._surfaces.hausdorff`;
- `measured`: 1 where both maps have the class, so that there is a distance; otherwise both are 0.
"""


@dataclass(frozen=True)
class PixelStatistics:
    """Rows by their parts.

    Args:
        confusion: pixels by true class (rows) and predicted class (columns), (N, K, K).
        figures: (N, K) by the names of `FIGURES`.
    """

    confusion: Floats
    figures: dict[str, Floats]


def width(classes: int) -> int:
    """How many numbers a row has, S.

    >>> width(3)
    27
    """
    return classes * (classes + len(FIGURES))


def classes_of(rows: Floats) -> int:
    """How many classes rows (N, S) are of, K.

    Raises:
        ValueError: no number of classes has rows of that length.

    >>> classes_of(np.zeros((1, 27)))
    3
    """
    half = len(FIGURES) // 2  # S = K² + 2 half K
    classes = math.isqrt(rows.shape[1] + half * half) - half if rows.ndim == 2 else 0
    if classes < 1 or width(classes) != rows.shape[1]:
        raise ValueError(f"rows {rows.shape} are not statistics of masks, (N, {width(2)}) for two classes")
    return classes


def statistics(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int, *, measure_surfaces: bool = True
) -> Floats:
    """One picture's row.

    Where the truth is void, nothing is counted, and the prediction has no surface: void is as what lies beyond the
    picture's edge.

    Args:
        predicted: (H, W), each below `classes`.
        truth: (H, W), each below `classes`, or `VOID`.
        classes: K, 255 at most.
        measure_surfaces: whether boundaries and distances are measured, which takes many times as long as counting;
            otherwise what comes of them is not defined.

    Returns:
        (S,): the confusion row by row, and then for each of `FIGURES` a number a class.

    Raises:
        ValueError: the maps differ in size, or a pixel is of no class.

    >>> statistics(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8), 2)[:4]
    array([1., 1., 0., 0.])
    """
    if predicted.ndim != 2 or predicted.shape != truth.shape:
        raise ValueError(f"the maps have {predicted.shape} and {truth.shape} pixels; both must be (H, W)")
    known = truth != VOID
    guess, right = predicted[known], truth[known]
    for values in (guess, right):
        if values.size and values.max() >= classes:
            raise ValueError(f"a pixel is of the class {values.max()}; there are {classes}")
    cells = right.astype(np.int64) * classes + guess
    row = np.zeros(width(classes))
    row[: classes * classes] = np.bincount(cells, minlength=classes * classes)
    if measure_surfaces and right.size:
        figures = row[classes * classes :].reshape(len(FIGURES), classes)
        _measure(np.where(known, predicted, VOID).astype(np.uint8), truth, figures)
    return row


def _measure(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], figures: Floats) -> None:
    """Fill `figures`, (len(FIGURES), K), in."""
    reach = tolerance(*truth.shape)
    found, true = surfaces(predicted), surfaces(truth)
    for one in found.points.keys() | true.points.keys():
        drawn, given = (side.points[one][side.inner[one]] if one in side.points else _NONE for side in (found, true))
        figures[:4, one] = hits(drawn, given, reach), len(drawn), hits(given, drawn, reach), len(given)
        if one in found.points and one in true.points:
            figures[4:, one] = hausdorff(found.points[one], true.points[one]), 1


_NONE = np.empty((0, 2), np.int64)


def split_rows(rows: Floats) -> PixelStatistics:
    """Rows (N, S) by their parts."""
    classes = classes_of(rows)
    confusion, rest = np.split(rows, [classes * classes], axis=1)
    figures = rest.reshape(len(rows), len(FIGURES), classes)
    named = {name: figures[:, place] for place, name in enumerate(FIGURES)}
    return PixelStatistics(confusion.reshape(-1, classes, classes), named)


def pixel_counts(rows: Floats) -> ClassCounts:
    """Pixels of each class in each picture, (N, K): hits, predictions and support."""
    confusion = split_rows(rows).confusion
    return ClassCounts(np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=1), confusion.sum(axis=2))


def class_iou(found: ClassCounts) -> Floats:
    """Intersection over union of each class; NaN where neither the truth nor the prediction has it."""
    return divide(found.hits, found.predicted + found.support - found.hits)


def class_dice(found: ClassCounts) -> Floats:
    """2 hits / (predicted + support) of each class; NaN where neither the truth nor the prediction has it."""
    return divide(2 * found.hits, found.predicted + found.support)


def picture_boundary_f1(rows: Floats) -> Floats:
    """The harmonic mean of the precision and the recall of each class's boundary in each picture, (N, K).

    0 where one of both maps has no boundary of the class, NaN where neither has.
    """
    parts = split_rows(rows).figures
    precision = divide(parts["boundary_hits"], parts["boundary_predicted"])
    recall = divide(parts["boundary_found"], parts["boundary_true"])
    score = np.nan_to_num(divide(2 * precision * recall, precision + recall))
    return np.where(parts["boundary_predicted"] + parts["boundary_true"] > 0, score, np.nan)


def picture_distance(rows: Floats) -> Floats:
    """The 95th percentile of distances between surfaces of each class in each picture, (N, K), in pixels.

    NaN where one of both maps, or neither, has the class: there is no distance to what is not there.
    """
    parts = split_rows(rows).figures
    return np.where(parts["measured"] > 0, parts["distance"], np.nan)


def over_classes(values: Floats) -> Floats:
    """The mean over the classes for which a figure is defined, (R,) from (R, K); NaN where it is for none."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def of_foreground(values: Floats) -> Floats:
    """`over_classes`; of two classes that of the second, the foreground: the first is but what is left."""
    return values[:, 1] if values.shape[1] == 2 else over_classes(values)


def by_class(rows: Floats) -> dict[str, Floats]:
    """The figures of each class over all pictures, (K,) each, NaN where one is not defined.

    Returns:
        `iou`, `dice`, `precision`, `recall` of pixels over all pictures; `boundary_f1` and `hausdorff95`, means over
        the pictures where they are defined; `support`, true pixels; `pictures`, how many have the class in truth;
        `missed`, in how many the truth has it and the prediction does not; `invented`, the reverse; `measured`, in
        how many there is a distance.

    >>> rows = statistics(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8), 2)[None]
    >>> by_class(rows)["iou"], by_class(rows)["invented"]
    (array([0.5, 0. ]), array([0., 1.]))
    """
    each = pixel_counts(rows)
    found = ClassCounts(each.hits.sum(0), each.predicted.sum(0), each.support.sum(0))
    drawn, given = each.predicted > 0, each.support > 0
    return {
        "iou": class_iou(found),
        "dice": class_dice(found),
        "precision": found.precision,
        "recall": found.recall,
        "boundary_f1": over_classes(picture_boundary_f1(rows).T),
        "hausdorff95": over_classes(picture_distance(rows).T),
        "support": found.support,
        "pictures": given.sum(0).astype(np.float64),
        "missed": (given & ~drawn).sum(0).astype(np.float64),
        "invented": (drawn & ~given).sum(0).astype(np.float64),
        "measured": (split_rows(rows).figures["measured"] > 0).sum(0).astype(np.float64),
    }


class OfPixels(Additive):
    """A metric of masks: a function of sums over pictures. Its scores are rows (N, S), its targets have no columns."""

    kinds = ("mask",)

    @classmethod
    def applies(cls, kind: TargetKind, outputs: int) -> bool:
        """For masks of two classes and more."""
        return super().applies(kind, outputs) and outputs > 1

    @abstractmethod
    def each(self, rows: Floats) -> Floats:
        """What is summed over pictures, (N, P) from rows (N, S)."""

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Sums of the parts, (R, P)."""
        return counts @ self.each(scores)

    def measure(self, scores: Floats, targets: Floats | None = None) -> float:
        """The metric of all rows at once; the truth is in them."""
        return float(self.value(self.each(scores).sum(axis=0, keepdims=True))[0])

    def update(self, scores: NDArray[Any], targets: NDArray[Any]) -> None:
        """Take in a batch: rows (N, S), targets (N, 0).

        Raises:
            ValueError: the rows are of another number of classes.
        """
        if scores.ndim == 2 and scores.shape[1] != width(self.outputs):
            raise ValueError(f"rows {scores.shape} are not (N, {width(self.outputs)}), of {self.outputs} classes")
        super().update(scores, targets)


class OfClassPixels(OfPixels):
    """A metric of masks that follows from the pixels of each class over all pictures."""

    def each(self, rows: Floats) -> Floats:
        """Hits, predictions and support, (N, 3 K)."""
        found = pixel_counts(rows)
        return np.concatenate([found.hits, found.predicted, found.support], axis=1)

    def split(self, sums: Floats) -> ClassCounts:
        """The sums as counts again, each (R, K)."""
        return ClassCounts(*np.split(sums, 3, axis=1))


class OfPictures(OfPixels):
    """A metric of masks that is a mean over pictures of a figure of each class, and then over classes."""

    @abstractmethod
    def figure(self, rows: Floats) -> Floats:
        """The figure of each picture and class, (N, K); NaN where it is not defined."""

    def each(self, rows: Floats) -> Floats:
        """The figure where it is defined, and whether it is, (N, 2 K)."""
        found = self.figure(rows)
        defined = ~np.isnan(found)
        return np.concatenate([np.where(defined, found, 0.0), defined.astype(np.float64)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """The mean over pictures of each class, and over classes; of two that of the foreground, (R,)."""
        return of_foreground(divide(*np.split(sums, 2, axis=1)))
