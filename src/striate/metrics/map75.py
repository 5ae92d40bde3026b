"""Average precision of boxes at an overlap of 0.75."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._box_rows import classes_in
from striate.metrics._of_boxes import BoxPrecision


def map75(rows: Floats) -> float:
    """`striate.metrics.map50.map50` with truths that are found from an overlap of 0.75 on, which asks for a tight box.

    Args:
        rows: (N, S), a picture each, see `striate.core.boxes.joined`.

    Returns:
        NaN where no class has a truth that counts.

    >>> import numpy as np
    >>> from striate.core.boxes import joined
    >>> found = np.array([[[0.0, 0, 8, 5, 0.9, 0]]])
    >>> true = np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])
    >>> round(map75(joined(found, true)), 6)
    0.0
    """
    return MeanAveragePrecision75("boxes", classes_in(rows)).measure(rows)


@METRICS.register("map75")
class MeanAveragePrecision75(BoxPrecision):
    """`map75`, gathered."""

    overlap = 0.75
