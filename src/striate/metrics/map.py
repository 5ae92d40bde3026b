"""Average precision of boxes as a mean over overlaps: COCO's own figure."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._box_rows import classes_in
from striate.metrics._of_boxes import BoxPrecision


def map(rows: Floats) -> float:
    """The mean over classes, and over overlaps of 0.5, 0.55, … 0.95, of average precision.

    See `striate.metrics.map50.map50` for that of one overlap; the mean rewards how tightly boxes lie (Lin et al. 2014,
    "Microsoft COCO: Common Objects in Context").

    Args:
        rows: (N, S), a picture each, see `striate.core.boxes.joined`.

    Returns:
        NaN where no class has a truth that counts.

    >>> import numpy as np
    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0]]])
    >>> true = np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])
    >>> round(map(joined(found, true)), 6)
    0.6
    """
    return MeanAveragePrecision("boxes", classes_in(rows)).measure(rows)


@METRICS.register("map")
class MeanAveragePrecision(BoxPrecision):
    """`map`, gathered."""
