"""Policies: a few operations a picture, drawn from many, one policy a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.core.options import with_options
from striate.core.registry import Registry
from striate.data.augment import Draws, per_image

Policy: TypeAlias = Callable[..., Tensor]
"""From pictures (N, C, H, W) uint8 and draws (N, `DRAWS`) to altered pictures, uint8, or float32 where it mixes; its
options are keyword-only."""

DRAWS = 128
"""Uniform numbers that a policy may use for each picture."""

POLICIES: Registry[Policy] = Registry("policy", "striate.data.augment.policy")


def bound(policy: str, options: Mapping[str, Any]) -> partial[Tensor]:
    """The policy with its options set. Raises `UnknownName` where it has no such option."""
    return with_options(POLICIES.get(policy), options, f"the policy {policy}")


def whole(option: str, value: Any, low: int, high: int) -> None:
    """Raise `UsageError` unless an option is a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{option} takes a whole number from {low} to {high}, not {value!r}")


def check(policy: str, policy_options: Mapping[str, Any]) -> None:
    """Raise a `StriateError` where the policy cannot work with its options: it is tried on a picture."""
    if policy != "none":
        bound(policy, policy_options)(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), np.full((1, DRAWS), 0.5))
    elif policy_options:
        raise UsageError(
            f"the policy's options {dict(policy_options)} are given, and no policy",
            fix=f"add --set augment.policy=NAME: {', '.join(POLICIES.names())}",
        )


@per_image("policy", {"policy": "none", "policy_options": {}}, draws=DRAWS, order=15, bytes=True, check=check)
def policy(images: Tensor, draws: Draws, policy: str, policy_options: Mapping[str, Any]) -> Tensor:
    """Alter each picture by the policy of that name.

    Args:
        images: (N, C, H, W) on 0 to 255; rounded to bytes.
        draws: (N, `DRAWS`).
        policy: its name.
        policy_options: its own, by name.
    """
    if images.is_floating_point():
        images = images.round().clamp_(0, 255).to(torch.uint8)
    return bound(policy, policy_options)(images, draws)
