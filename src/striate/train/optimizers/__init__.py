"""Optimizers, a file each: from parameter groups to a `torch.optim.Optimizer`, and wrappers around any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

from striate.core.errors import UsageError
from striate.core.options import with_options
from striate.core.registry import Registry

ParameterGroups: TypeAlias = list[dict[str, Any]]
MakeOptimizer: TypeAlias = Callable[..., torch.optim.Optimizer]
"""From groups (each with `params`, `lr`, `weight_decay`) and momentum to an optimizer; options are keyword-only."""

OPTIMIZERS: Registry[MakeOptimizer] = Registry("optimizer", "striate.train.optimizers")


def make_optimizer(
    name: str, groups: ParameterGroups, momentum: float, options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """An optimizer by its name.

    Raises:
        UnknownName: there is no such optimizer, or it has no such option.
        UsageError: it does not take the momentum, or the value of an option.
    """
    make = with_options(OPTIMIZERS.get(name), options, f"the optimizer {name}")
    try:
        return make(groups, momentum)
    except (ValueError, TypeError) as error:  # torch's own
        given = ", ".join(f"{option}={value!r}" for option, value in {"momentum": momentum, **options}.items())
        raise UsageError(f"the optimizer {name} does not take {given}: {error}", fix="set other values") from error
