"""Schedules, a file each: the factor on the peak rate at a step. A function of the step alone, so nothing to save."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from striate.core.registry import Registry

Schedule: TypeAlias = Callable[..., float]
"""From (step, number of steps, share of warm-up) to a factor in [0, 1]; options are keyword-only."""

SCHEDULES: Registry[Schedule] = Registry("schedule", "striate.train.schedules")


def risen(step: int, steps: int, warmup: float) -> tuple[float | None, float]:
    """The factor of a linear warm-up, None once it is over, and the share of what comes after it, in [0, 1).

    >>> risen(0, 100, 0.1), risen(55, 100, 0.1)
    ((0.1, 0.0), (None, 0.5))
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising, 0.0
    return None, (step - rising) / max(1, steps - rising)
