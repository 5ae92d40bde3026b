"""The exponential moving average of weights (Polyak and Juditsky 1992; decay as in Tarvainen and Valpola 2017)."""

from __future__ import annotations

import copy

import torch
from torch import nn


def ema_decay(step: int, horizon: float) -> float:
    """The decay at a step: short memory first, then an average over about `horizon` steps.

    >>> ema_decay(0, 100), round(ema_decay(10_000, 100), 2)
    (0.1, 0.99)
    """
    return min(1 - 1 / max(horizon, 1.0), (1 + step) / (10 + step))


class Average:
    """The moving average of a network's weights and statistics, as a network.

    Args:
        network: whose tensors stay the same from here on, whatever their values become.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counted = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move towards the network: floating tensors by 1 − decay, counters copied."""
        torch._foreach_lerp_([old for old, _ in self._moving], [new for _, new in self._moving], 1 - decay)
        if self._counted:
            torch._foreach_copy_([old for old, _ in self._counted], [new for _, new in self._counted])
