"""Average precision of boxes at an overlap of 0.5."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._box_rows import classes_in
from striate.metrics._of_boxes import BoxPrecision


def map50(rows: Floats) -> float:
    """The mean over classes of average precision, where a detection finds a truth from an overlap of 0.5 on.

    Of each class the precision is read off its curve at 101 recalls, the most that is reached there or beyond, as COCO
    has it (Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its `cocoeval.py`); at most 100 detections
    of a class in a picture count. A class without a truth that counts is left out.

    Args:
        rows: (N, S), a picture each, see `striate.core.boxes.joined`.

    Returns:
        NaN where no class has a truth that counts.

    >>> import numpy as np
    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 6, 0.9, 0]]])
    >>> true = np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])
    >>> round(map50(joined(found, true)), 6)
    1.0
    """
    return MeanAveragePrecision50("boxes", classes_in(rows)).measure(rows)


@METRICS.register("map50")
class MeanAveragePrecision50(BoxPrecision):
    """`map50`, gathered."""

    overlap = 0.5
