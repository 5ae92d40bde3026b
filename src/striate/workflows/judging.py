"""What judging takes beside the forward passes: intervals, calibration and curves of a large test take a while."""

from __future__ import annotations

import time

from striate.core.seeds import generator
from striate.evaluate.intervals import RESAMPLES, affordable, resample_counts
from striate.metrics import Floats, Metric
from striate.tasks import Task

_TRIED = 20  # resamples, from whose time that of all follows
_BESIDE = 1.8  # calibration and curves, as a factor: at 10,000 samples of 100 classes they took 0.8 of the intervals


def judging_seconds(task: Task, samples: int) -> float:
    """Seconds in which so many samples are judged on this machine, by made scores of the same shape.

    >>> from striate.tasks import make_task
    >>> 0 < judging_seconds(make_task("classify", ("cat", "dog"), [], loss="cross_entropy"), 200) < 60
    True
    """
    if not samples:
        return 0.0
    scores, targets = task.made(samples, generator(0, "judging"))
    started = time.perf_counter()
    counts = resample_counts(samples, 0, 0, _TRIED)
    seconds = (time.perf_counter() - started) / _TRIED * RESAMPLES
    for metric in task.measures().values():
        few, all_ = (_seconds(metric, scores, targets, counts[:tried]) for tried in (_TRIED // 5, _TRIED))
        each = max(0.0, all_ - few) / (_TRIED - _TRIED // 5)
        seconds += few + each * affordable(metric, scores.size)
    return seconds * (1.0 if task.kind in ("value", "mask") else _BESIDE)


def _seconds(metric: Metric, scores: Floats, targets: Floats, counts: Floats) -> float:
    started = time.perf_counter()
    metric.resample(scores, targets, counts)
    return time.perf_counter() - started
