"""Average recall of boxes: how many things are found at all, however sure."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._box_rows import classes_in
from striate.metrics._of_boxes import BoxRecall


def mar100(rows: Floats) -> float:
    """The mean over classes, and over overlaps of 0.5, 0.55, … 0.95, of the share of truths that are found.

    At most 100 detections of a class in a picture count, and no score is too low (Hosang et al. 2016, "What makes for
    effective detection proposals?"; COCO's `cocoeval.py`).

    Args:
        rows: (N, S), a picture each, see `striate.core.boxes.joined`.

    Returns:
        NaN where no class has a truth that counts.

    >>> import numpy as np
    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0]]])
    >>> true = np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])
    >>> round(mar100(joined(found, true)), 6)
    0.6
    """
    return MeanAverageRecall100("boxes", classes_in(rows)).measure(rows)


@METRICS.register("mar100")
class MeanAverageRecall100(BoxRecall):
    """`mar100`, gathered."""
