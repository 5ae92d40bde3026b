"""The exponential moving average of weights (Polyak and Juditsky 1992; decay as in Tarvainen and Valpola 2017)."""

from __future__ import annotations

import torch
from torch import nn


def ema_decay(step: int, horizon: float) -> float:
    """The decay at a step: short memory first, then an average over about `horizon` steps.

    >>> ema_decay(0, 100), round(ema_decay(10_000, 100), 2)
    (0.1, 0.99)
    """
    return min(1 - 1 / max(horizon, 1.0), (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average towards the network: floating tensors by 1 − decay, counters copied."""
    moving, new = [], []
    for old, current in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            moving.append(old)
            new.append(current)
        else:
            old.copy_(current)
    torch._foreach_lerp_(moving, new, 1 - decay)
