"""Metrics, one a file: a pure function on NumPy arrays, and a class of the same name that gathers batch after batch.

What a metric is given is said, never guessed from values: scores (N, K) are probabilities for the kinds "label" and
"labels" and values in the target's own unit for "value"; targets (N, K) are one-hot, 0 or 1, or values. For "mask" the
scores are rows of `statistics`, (N, S), which hold the truth too, and the targets have no columns, (N, 0); so for
"boxes", whose rows `striate.core.boxes.joined` makes.
A metric that is not defined is NaN.
"""

from __future__ import annotations

from striate.core.records import TargetKind
from striate.core.registry import Registry
from striate.metrics._box_errors import BoxErrors
from striate.metrics._box_figures import (
    CURVE_POINTS,
    BoxCurve,
    best_thresholds,
    box_confusion,
    box_curves,
    box_pairs,
    boxes_by_class,
    each_picture,
    errors_by_kind,
    pooled_threshold,
)
from striate.metrics._boxes import overlaps
from striate.metrics._classes import ByClass, ClassCounts, class_counts, confusion_matrix, decide, moved, possible
from striate.metrics._costs import ExpectedCost, least_cost
from striate.metrics._metric import THRESHOLD, Additive, Floats, Mean, Metric, checked, divide
from striate.metrics._pixels import FIGURES, PixelStatistics, by_class, classes_of, split_rows, statistics, width
from striate.metrics._ranked import Ordered, Ranked, mean_defined, of_all_pairs, of_each_class

METRICS: Registry[type[Metric]] = Registry("metric", "striate.metrics")


def metric_names(kind: TargetKind, outputs: int, loss: str | None = None) -> tuple[str, ...]:
    """The metrics that say something for that kind of target and number of outputs, sorted.

    Args:
        loss: the name of the task's loss; without it those that judge by one loss's aim are left out.

    >>> metric_names("value", 1)
    ('explained_variance', 'mae', 'median_absolute_error', 'r2', 'rmse', 'spearman')
    >>> set(metric_names("value", 1, "quantile")) - set(metric_names("value", 1))
    {'pinball'}
    """
    fitting = ((name, metric) for name, metric in METRICS.items() if metric.applies(kind, outputs))
    return tuple(name for name, metric in fitting if metric.of_loss in (None, loss))


__all__ = [
    "CURVE_POINTS",
    "FIGURES",
    "METRICS",
    "THRESHOLD",
    "Additive",
    "BoxCurve",
    "BoxErrors",
    "ByClass",
    "ClassCounts",
    "ExpectedCost",
    "Floats",
    "Mean",
    "Metric",
    "Ordered",
    "PixelStatistics",
    "Ranked",
    "best_thresholds",
    "box_confusion",
    "box_curves",
    "box_pairs",
    "boxes_by_class",
    "by_class",
    "checked",
    "class_counts",
    "classes_of",
    "confusion_matrix",
    "decide",
    "divide",
    "each_picture",
    "errors_by_kind",
    "least_cost",
    "mean_defined",
    "metric_names",
    "moved",
    "of_all_pairs",
    "of_each_class",
    "overlaps",
    "pooled_threshold",
    "possible",
    "split_rows",
    "statistics",
    "width",
]
