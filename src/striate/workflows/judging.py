"""What judging takes beside the forward passes: intervals, calibration and curves of a large test take a while."""

from __future__ import annotations

import time

import numpy as np

from striate.core.seeds import generator
from striate.evaluate import score
from striate.evaluate.intervals import RESAMPLES
from striate.tasks import Task

_TRIED = (4, 12)  # resamples, from whose times that of all follows
_BESIDE = 1.8  # calibration and curves, as a factor: at 10,000 samples of 100 classes they took 0.8 of the intervals


def judging_seconds(task: Task, samples: int) -> float:
    """Seconds in which so many samples are judged on this machine, by made scores of the same shape.

    >>> from striate.tasks import make_task
    >>> 0 < judging_seconds(make_task("classify", ("cat", "dog"), [], loss="cross_entropy"), 200) < 60
    True
    """
    if not samples:
        return 0.0
    random = generator(0, "judging")
    scores = random.random((samples, task.outputs))
    targets = np.zeros((samples, task.outputs))
    if task.kind == "label":
        scores /= scores.sum(axis=1, keepdims=True)
        targets[np.arange(samples), random.integers(task.outputs, size=samples)] = 1.0
    else:
        targets[:] = random.integers(2, size=targets.shape)
    took = []
    for resamples in _TRIED:
        started = time.perf_counter()
        score(task, scores, targets, resamples=resamples)
        took.append(time.perf_counter() - started)
    each = max(0.0, took[1] - took[0]) / (_TRIED[1] - _TRIED[0])
    return (took[0] + each * (RESAMPLES - _TRIED[0])) * (1.0 if task.kind == "value" else _BESIDE)
