"""Mean intersection over union (Jaccard index) of classes of pixels."""

from __future__ import annotations

from striate.metrics import METRICS, Floats
from striate.metrics._pixels import OfClassPixels, class_iou, classes_of, over_classes


def mean_iou(rows: Floats) -> float:
    """The mean over classes of hits / (predicted + true − hits), in pixels of all pictures together.

    A class that neither the truth nor the prediction has is left out; one that is predicted and nowhere true counts 0.

    Args:
        rows: (N, S), a picture each, see `striate.metrics.statistics`.

    Returns:
        NaN where no pixel has a class.

    >>> import numpy as np
    >>> from striate.metrics import statistics
    >>> mean_iou(statistics(np.array([[0, 1, 1]], np.uint8), np.array([[0, 0, 1]], np.uint8), 2)[None])
    0.5
    """
    return MeanIoU("mask", classes_of(rows)).measure(rows)


@METRICS.register("mean_iou")
class MeanIoU(OfClassPixels):
    """`mean_iou`, gathered."""

    def value(self, sums: Floats) -> Floats:
        """From pixels of each class, (R,)."""
        return over_classes(class_iou(self.split(sums)))
