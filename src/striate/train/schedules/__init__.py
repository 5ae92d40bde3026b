"""Schedules, a file each: the factor on the peak rate at a step. A function of the step alone, so nothing to save."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from striate.core.registry import Registry

Schedule: TypeAlias = Callable[[int, int, float], float]
"""From (step, number of steps, share of warm-up) to a factor in [0, 1]."""

SCHEDULES: Registry[Schedule] = Registry("schedule", "striate.train.schedules")
