"""Optimizers, a file each: from parameter groups to a `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from striate.core.registry import Registry

ParameterGroups: TypeAlias = list[dict[str, Any]]
MakeOptimizer: TypeAlias = Callable[[ParameterGroups, float], torch.optim.Optimizer]
"""From groups (each with `params`, `lr`, `weight_decay`) and momentum to an optimizer."""

OPTIMIZERS: Registry[MakeOptimizer] = Registry("optimizer", "striate.train.optimizers")
