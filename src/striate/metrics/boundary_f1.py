"""Boundary F1: whether regions end where they should."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._pixels import OfPictures, classes_of, picture_boundary_f1


def boundary_f1(rows: Floats) -> float:
    """The F1 of boundaries in each picture: the mean over pictures, then over classes, of two the second's.

    The boundary of a class are its pixels beside one of another class. Precision is the share of the predicted boundary
    within 0.75 % of the picture's diagonal (at least 1 px) of the true one, recall the reverse. A picture in which one
    of both has no boundary of the class counts 0, one in which neither has is left out (Csurka et al. 2013, "What is
    a good evaluation measure for semantic segmentation?").

    Args:
        rows: (N, S), a picture each, see `striate.metrics.statistics`.

    Returns:
        NaN where no picture has a boundary, or boundaries were not measured.

    >>> import numpy as np
    >>> from striate.metrics import statistics
    >>> boundary_f1(statistics(np.array([[0, 1, 1]], np.uint8), np.array([[0, 0, 1]], np.uint8), 2)[None])
    1.0
    """
    return BoundaryF1("mask", classes_of(rows)).measure(rows)


@METRICS.register("boundary_f1")
class BoundaryF1(OfPictures):
    """`boundary_f1`, gathered."""

    def figure(self, rows: Floats) -> Floats:
        """The F1 of each class's boundary in each picture, (N, K)."""
        return picture_boundary_f1(rows)
