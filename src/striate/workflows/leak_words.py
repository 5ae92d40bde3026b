"""By which metric a leak is told, and in which words."""

from __future__ import annotations

from typing import Any

from striate.evaluate.leaks import Worth
from striate.metrics import Metric
from striate.tasks import Task

_LETTERS = 4
"""Up to so many, a metric's name is spoken letter by letter."""


def headline(task: Task, wanted: str) -> tuple[str, Metric]:
    """The metric that a leak is told by: the one that chooses the weights, or the task's own where that takes more than
    a decision or a value, which heads of least squares do not give.

    Args:
        wanted: the metric that chooses the weights.
    """
    known = task.measures()
    metric = known[wanted]
    decided = metric.of_decisions and task.settings.costs is None
    valued = task.kind == "value" and metric.of_loss is None and not metric.costly
    name = wanted if decided or valued else task.headline
    return name, known[name]


def figures(name: str, one: Worth) -> dict[str, Any]:
    """Plain values, as the report reads them."""
    interval = None if one.low is None else [one.low, one.high]
    return {
        "metric": name,
        "with": one.with_leak,
        "without": one.without,
        "worth": one.worth,
        "interval": interval,
        "told": one.told,
        "large": one.large,
        "why": one.why,
    }


def sentence(features: str, who: str, name: str, one: Worth) -> str:
    """What was found, for a reader who reads no further.

    Args:
        features: that the heads were fitted to, in words.
        who: what has the leak, and would have said a score.

    >>> sentence("patches", "chance would have said", "macro_f1", Worth(0.93, 0.88, 0.05, 0.02, 0.08))
    'By heads on patches, chance would have said macro F1 0.93 where 0.88 is honest: 0.05 (0.02 to 0.08) of leak.'
    >>> sentence("patches", "chance would have said", "mae", Worth(3.1, 3.0, -0.1, -0.3, 0.2))
    'By heads on patches, chance would have said MAE 3.1 where 3 is honest: no difference can be told (-0.3 to 0.2).'
    """
    who = f"By heads on {features}, {who}"
    if one.with_leak is None or one.without is None or one.worth is None:
        return f"{who} nothing that can be told by {_spoken(name)}: {one.why}."
    said = f"{who} {_spoken(name)} {_short(one.with_leak)} where {_short(one.without)} is honest"
    if one.low is None or one.high is None:
        return f"{said}; how far that is chance cannot be told: {one.why}."
    between = f"({_short(one.low)} to {_short(one.high)})"
    if not one.told:
        return f"{said}: no difference can be told {between}."
    if one.worth < 0:
        return f"{said}: it looks worse by {_short(-one.worth)}, not better {between}."
    return f"{said}: {_short(one.worth)} {between} of leak."


def cut(looked_at: int, samples: int) -> str:
    """That not all samples were looked at; nothing where they were."""
    return "" if looked_at >= samples else f" Of {samples:,} samples {looked_at:,} were looked at, as more take longer."


def _spoken(name: str) -> str:
    upper = name.upper() if len(name) <= _LETTERS else name
    return upper.replace("_f1", " F1").replace("_", " ")


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.4g}"
