"""Pixel accuracy: how often a pixel's class is the true one."""

from __future__ import annotations

from striate.metrics import METRICS, Floats, divide
from striate.metrics._pixels import OfClassPixels, classes_of


def pixel_accuracy(rows: Floats) -> float:
    """The share of the pixels of all pictures, but for void ones, whose predicted class is the true one.

    Args:
        rows: (N, S), a picture each, see `striate.metrics.statistics`.

    Returns:
        NaN where no pixel has a class.

    >>> import numpy as np
    >>> from striate.metrics import statistics
    >>> pixel_accuracy(statistics(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8), 2)[None])
    0.5
    """
    return PixelAccuracy("mask", classes_of(rows)).measure(rows)


@METRICS.register("pixel_accuracy")
class PixelAccuracy(OfClassPixels):
    """`pixel_accuracy`, gathered."""

    def value(self, sums: Floats) -> Floats:
        """From pixels of each class, (R,)."""
        found = self.split(sums)
        return divide(found.hits.sum(axis=1), found.support.sum(axis=1))
