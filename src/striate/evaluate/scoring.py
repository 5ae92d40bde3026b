"""The score of a model on a split, as `metrics.json` holds it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.evaluate.intervals import RESAMPLES, bootstrap, centred, percentile_interval, units_of
from striate.metrics import checked
from striate.tasks import Task


def score(
    task: Task,
    scores: NDArray[Any],
    targets: NDArray[Any],
    groups: Sequence[str | None] | None = None,
    *,
    decided: NDArray[Any] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Judge scores against targets.

    Args:
        task: what was asked.
        scores: (N, K), as `task.scores` gives them.
        targets: (N, K), as `task.encode` gives them.
        groups: what each sample belongs with, such as a patient, or None; None as a whole where none has any.
        decided: (N, K), of which the largest, or those from a half on, are what was decided for, where each sample has
            its own way of deciding; as the task does unless given.
        seed: of the resamples; the same seed gives the same intervals.
        resamples: how many samples of samples the intervals come from.

    Returns:
        plain values: every metric by its name, None where it is not defined; `NAME_interval` [low, high] (95 %,
        percentile bootstrap over groups, or over samples without), or None; `samples`, and `groups` where samples are
        grouped: how many units were drawn; `per_class`, a row for each class or value;
        `confusion`, rows true and columns predicted, where a sample has one class; and `undefined`, by "class NAME",
        "label NAME", "value NAME", a metric's or an interval's name, the sentence that says what could not be judged.

    Raises:
        DataError: there are no samples.
    """
    if not len(scores):
        raise DataError("there are no samples to score", fix="give data with targets")
    scores, targets = checked(scores, targets, task.kind)
    judge = task if decided is None else task.undecided()
    judged = scores if decided is None else checked(decided, targets, task.kind)[0]
    undefined = judge.undefined(judged, targets)
    result: dict[str, Any] = {"samples": len(scores)}
    grouped = groups is not None and any(group is not None for group in groups)
    units = units_of(groups) if grouped and groups is not None else None
    drawn = len(scores) if units is None else int(units.max()) + 1
    if grouped:
        result["groups"] = drawn
    metrics = task.measures()
    seen = {True: judge.judged(judged), False: scores}  # what a metric of decisions sees, and what any other does
    values: dict[str, NDArray[Any]] = {}
    for deciding, rows in seen.items():
        group = {name: metric for name, metric in metrics.items() if metric.of_decisions == deciding}
        values |= bootstrap(group, rows, targets, seed=seed, units=units, resamples=resamples)
    for name, metric in metrics.items():
        value = metric.measure(seen[metric.of_decisions], targets)
        drawings = centred(values[name], value) if metric.rises_by_chance else values[name]
        interval = percentile_interval(drawings, drawn, "group" if grouped else "sample")
        if math.isnan(value):
            result[name], result[f"{name}_interval"] = None, None
            undefined[name] = "it is not defined on these samples"
            continue
        result[name] = value
        result[f"{name}_interval"] = None if interval.low is None else [interval.low, interval.high]
        if interval.why:
            undefined[f"{name}_interval"] = interval.why
        elif len(drawings) < resamples:
            undefined[f"{name}_interval"] = f"it is from {len(drawings)} resamples, as more would take too long"
    result["per_class"] = judge.per_class(judged, targets)
    confusion = judge.confusion(judged, targets)
    if confusion is not None:
        result["confusion"] = confusion
    result["undefined"] = undefined
    return result
