"""Hausdorff distance of 95 %: how far regions end from where they should, but for the worst twentieth."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._pixels import OfPictures, classes_of, picture_distance


def hausdorff95(rows: Floats) -> float:
    """How far apart the surfaces of a class lie, in pixels: the mean over pictures, then over classes, of two the
    second's.

    In each picture it is the larger of two 95th percentiles: of the distances from the predicted surface to the true
    one, and back. The surface of a class are its pixels beside what is not of it, or at the picture's edge. A picture
    that has the class in one map alone has no distance and is left out: how many these are is said by class (`missed`
    and `invented`), and `dice` and `boundary_f1` count them.

    Args:
        rows: (N, S), a picture each, see `striate.metrics.statistics`.

    Returns:
        NaN where no picture has the class in both, or surfaces were not measured.

    >>> import numpy as np
    >>> from striate.metrics import statistics
    >>> hausdorff95(statistics(np.array([[1, 0, 0]], np.uint8), np.array([[0, 0, 1]], np.uint8), 2)[None])
    2.0
    """
    return Hausdorff95("mask", classes_of(rows)).measure(rows)


@METRICS.register("hausdorff95")
class Hausdorff95(OfPictures):
    """`hausdorff95`, gathered."""

    higher_is_better = False

    def figure(self, rows: Floats) -> Floats:
        """The distance of each class's surfaces in each picture, (N, K)."""
        return picture_distance(rows)
