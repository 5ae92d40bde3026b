"""Lion: steps of the sign of the momentum (Chen et al. 2023, algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from striate.core.errors import UsageError
from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("lion")
def lion(groups: ParameterGroups, momentum: float, *, beta2: float = 0.99) -> torch.optim.Optimizer:
    """Weight decay is decoupled. Its steps are larger than AdamW's, so the rate should be a third to a tenth of that.

    Args:
        beta2: decay of the momentum that is kept; `momentum` is the one of the step.
    """
    return Lion(groups, (momentum, beta2))


class Lion(torch.optim.Optimizer):
    """See `lion`.

    Args:
        groups: parameters, or groups of them with `lr` and `weight_decay`.
        betas: the weight of the momentum in a step, and its decay.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    >>> optimizer = Lion([{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], (0.9, 0.99))
    >>> weight.grad = torch.tensor([5.0, -0.01])
    >>> optimizer.step()
    >>> weight.tolist()
    [0.8999999761581421, -0.8999999761581421]
    """

    def __init__(self, groups: Any, betas: tuple[float, float]) -> None:
        if not all(0 <= beta < 1 for beta in betas):
            raise UsageError(f"the decays of Lion take numbers from 0 to below 1, not {betas}")
        super().__init__(groups, {"lr": 1e-4, "weight_decay": 0.0, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [one for one in group["params"] if one.grad is not None]
            if not parameters:
                continue
            for one in parameters:
                if not self.state[one]:
                    self.state[one]["exp_avg"] = torch.zeros_like(one)
            gradients = [one.grad for one in parameters]
            averages = [self.state[one]["exp_avg"] for one in parameters]
            first, second = group["betas"]
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            steps = torch._foreach_lerp(averages, gradients, 1 - first)
            torch._foreach_sign_(steps)
            torch._foreach_add_(parameters, steps, alpha=-group["lr"])
            torch._foreach_lerp_(averages, gradients, 1 - second)
