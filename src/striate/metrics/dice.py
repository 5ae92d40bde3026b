"""Dice coefficient of classes of pixels: the F1 of pixels."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._pixels import OfClassPixels, class_dice, classes_of, of_foreground


def dice(rows: Floats) -> float:
    """2 hits / (predicted + true), in pixels of all pictures together: the mean over classes, of two the second's.

    A class that neither the truth nor the prediction has is left out (Dice 1945, "Measures of the amount of ecologic
    association between species").

    Args:
        rows: (N, S), a picture each, see `striate.metrics.statistics`.

    Returns:
        NaN where no class, or of two not the second, is anywhere.

    >>> import numpy as np
    >>> from striate.metrics import statistics
    >>> dice(statistics(np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8), 2)[None])
    0.5
    """
    return Dice("mask", classes_of(rows)).measure(rows)


@METRICS.register("dice")
class Dice(OfClassPixels):
    """`dice`, gathered."""

    def value(self, sums: Floats) -> Floats:
        """From pixels of each class, (R,)."""
        return of_foreground(class_dice(self.split(sums)))
