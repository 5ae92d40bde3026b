"""Average precision of boxes of medium things."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._box_rows import classes_in
from striate.metrics._of_boxes import BoxPrecision


def map_medium(rows: Floats) -> float:
    """`striate.metrics.map.map` of things of 32² to 96² pixels of the picture.

    The area is that of the thing where the data says it, else that of its box. Truths of other sizes need not be found,
    and detections of other sizes that find nothing do not count (COCO's `cocoeval.py`).

    Args:
        rows: (N, S), a picture each, see `striate.core.boxes.joined`.

    Returns:
        NaN where no class has a truth that counts.

    >>> import numpy as np
    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 64, 48, 0.9, 0]]])
    >>> true = np.array([[[0.0, 0, 64, 64, 0, 0, 0]]])
    >>> round(map_medium(joined(found, true)), 6)
    0.6
    """
    return MeanAveragePrecisionMedium("boxes", classes_in(rows)).measure(rows)


@METRICS.register("map_medium")
class MeanAveragePrecisionMedium(BoxPrecision):
    """`map_medium`, gathered."""

    area = "medium"
