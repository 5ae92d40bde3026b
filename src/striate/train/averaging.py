"""Averages of weights: moving (Polyak and Juditsky 1992; decay as in Tarvainen and Valpola 2017), and equal."""

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


class EqualAverage:
    """The mean of a network's weights at the ends of epochs, as a network.

    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", algorithm 1.
    Buffers are those of the last epoch: norms need statistics of the mean weights, see `striate.train.statistics`.

    Args:
        network: whose tensors stay the same from here on, whatever their values become.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._averaged = list(zip(self.network.parameters(), network.parameters(), strict=True))
        self._copied = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, before: int) -> None:
        """Take one more epoch in.

        Args:
            before: epochs in the mean so far.
        """
        torch._foreach_lerp_([old for old, _ in self._averaged], [new for _, new in self._averaged], 1 / (before + 1))
        for old, new in self._copied:
            old.copy_(new)
