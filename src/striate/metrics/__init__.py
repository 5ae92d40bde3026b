"""Metrics, one a file: a pure function on NumPy arrays, and a class of the same name that gathers batch after batch.

What a metric is given is said, never guessed from values: scores (N, K) are probabilities for the kinds "label" and
"labels" and values in the target's own unit for "value"; targets (N, K) are one-hot, 0 or 1, or values.
A metric that is not defined is NaN.
"""

from __future__ import annotations

from striate.core.records import TargetKind
from striate.core.registry import Registry
from striate.metrics._classes import ByClass, ClassCounts, class_counts, confusion_matrix, decide, moved, possible
from striate.metrics._costs import ExpectedCost, least_cost
from striate.metrics._metric import THRESHOLD, Additive, Floats, Mean, Metric, checked, divide
from striate.metrics._ranked import Ordered, Ranked, mean_defined, of_all_pairs, of_each_class

METRICS: Registry[type[Metric]] = Registry("metric", "striate.metrics")


def metric_names(kind: TargetKind, outputs: int) -> tuple[str, ...]:
    """The metrics that say something for that kind of target and number of outputs, sorted.

    >>> metric_names("value", 1)
    ('explained_variance', 'mae', 'median_absolute_error', 'r2', 'rmse', 'spearman')
    """
    return tuple(name for name, metric in METRICS.items() if metric.applies(kind, outputs))


__all__ = [
    "METRICS",
    "THRESHOLD",
    "Additive",
    "ByClass",
    "ClassCounts",
    "ExpectedCost",
    "Floats",
    "Mean",
    "Metric",
    "Ordered",
    "Ranked",
    "checked",
    "class_counts",
    "confusion_matrix",
    "decide",
    "divide",
    "least_cost",
    "mean_defined",
    "metric_names",
    "moved",
    "of_all_pairs",
    "of_each_class",
    "possible",
]
