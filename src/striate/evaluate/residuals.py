"""Where predicted values are off: quantiles of the residuals, the error by range of the target, and points to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.metrics import Floats, checked
from striate.tasks import Task

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RANGES = 5
DRAWN = 300
"""Points that are kept to be drawn."""


def residuals(task: Task, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, Any]:
    """How far predictions are from the truth, value by value, as `metrics.json` holds it.

    Args:
        scores, targets: (N, K), in the values' own units.

    Returns:
        by name, plain values: `bias`, the mean of prediction less truth; `quantiles` of that, {"0.05": …};
        `by_range`, see `by_range`; `points`, [prediction, prediction less truth], evenly spread over the predictions.
    """
    scores, targets = checked(scores, targets)
    return {
        name: _of(score, target) for name, score, target in zip(task.target_names, scores.T, targets.T, strict=True)
    }


def by_range(scores: Floats, targets: Floats) -> list[dict[str, Any]]:
    """The error in each fifth of the true values, (N,) each; equal values are in one range, so there may be fewer.

    Returns:
        of each range: `from` and `to`, the least and largest true value; `count`; `mae`; `bias`, the mean of prediction
        less truth, which is above 0 at the low end and below it at the high one where predictions keep to the middle.

    >>> [(one["from"], one["to"], one["mae"]) for one in by_range(np.zeros(5), np.arange(5.0))]
    [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (3.0, 3.0, 3.0), (4.0, 4.0, 4.0)]
    """
    if not len(targets):
        return []
    inner = np.quantile(targets, np.arange(1, RANGES) / RANGES, method="inverted_cdf")
    places = np.searchsorted(np.unique(inner), targets, side="left")
    errors = scores - targets
    return [
        {
            "from": float(targets[inside].min()),
            "to": float(targets[inside].max()),
            "count": int(inside.sum()),
            "mae": float(np.abs(errors[inside]).mean()),
            "bias": float(errors[inside].mean()),
        }
        for inside in (places == place for place in np.unique(places))
    ]


def _of(scores: Floats, targets: Floats) -> dict[str, Any]:
    errors = scores - targets
    order = np.argsort(scores, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, min(DRAWN, len(order))).round().astype(int))]
    return {
        "bias": float(errors.mean()),
        "quantiles": {str(share): float(np.quantile(errors, share)) for share in QUANTILES},
        "by_range": by_range(scores, targets),
        "points": [[float(f"{one:.5g}") for one in pair] for pair in zip(scores[kept], errors[kept], strict=True)],
    }
