"""Muon: momentum whose matrix is made orthogonal, for filters; AdamW for all else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.train.optimizers import OPTIMIZERS, ParameterGroups

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the quintic iteration, whose slope at 0 is the steepest that still ends near 1 (Jordan 2024, "Muon")."""
MATCH = 0.2
"""The root mean square of AdamW's steps, at which Muon's are kept, so that both may have one rate (Liu et al. 2025,
"Muon is scalable for LLM training", section 2.2)."""


@OPTIMIZERS.register("muon")
def muon(
    groups: ParameterGroups,
    momentum: float,
    *,
    nesterov: bool = True,
    iterations: int = 5,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Filters of convolutions step along the nearest semi-orthogonal matrix to their momentum; vectors, and the weights
    of dense layers, as AdamW has them. Weight decay is decoupled. The rate is one for AdamW.

    Args:
        nesterov: whether the gradient is weighed in once more.
        iterations: of Newton and Schulz towards the orthogonal matrix.
        beta2, eps: of AdamW; its first decay is `momentum` too.
    """
    return Muon(groups, momentum, nesterov, iterations, beta2, eps)


class Muon(torch.optim.Optimizer):
    """See `muon`.

    Args:
        groups: parameters, or groups of them with `lr` and `weight_decay`.
    """

    def __init__(
        self,
        groups: Any,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        if not (0 <= momentum < 1 and 0 <= beta2 < 1):
            raise UsageError(f"the decays of Muon take numbers from 0 to below 1, not {momentum} and {beta2}")
        if iterations < 1:
            raise UsageError(f"Muon takes one iteration at least, not {iterations}")
        super().__init__(groups, {"lr": 1e-3, "weight_decay": 0.0})
        self.momentum, self.nesterov, self.iterations, self.beta2, self.eps = momentum, nesterov, iterations, beta2, eps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            found = [one for one in group["params"] if one.grad is not None]
            for one in found:
                one.mul_(1 - group["lr"] * group["weight_decay"])
                step = self._filter_step(one) if one.dim() > 2 else self._adam_step(one)
                one.add_(step, alpha=-group["lr"])

    def _filter_step(self, parameter: Tensor) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - self.momentum)
        wanted = gradient.lerp(average, self.momentum) if self.nesterov else average
        matrix = wanted.reshape(len(wanted), -1)
        return orthogonal(matrix, self.iterations).mul_(MATCH * max(matrix.shape) ** 0.5).view_as(parameter)

    def _adam_step(self, parameter: Tensor) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = torch.zeros(())
        state["step"] += 1
        count = float(state["step"])
        average: Tensor = state["exp_avg"].lerp_(gradient, 1 - self.momentum) / (1 - self.momentum**count)
        square: Tensor = state["exp_avg_sq"].lerp_(gradient.square(), 1 - self.beta2) / (1 - self.beta2**count)
        return average / square.sqrt_().add_(self.eps)


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """About the nearest semi-orthogonal matrix, by Newton's and Schulz's iteration: singular values near 1.

    Jordan 2024, "Muon: an optimizer for hidden layers in neural networks": they end between 0.7 and 1.2, which serves
    as well as 1.

    Args:
        matrix: (rows, columns); computed in float32 on processors, in bfloat16 on GPUs.

    >>> turned = orthogonal(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    >>> bool(((turned.diagonal() > 0.6) & (turned.diagonal() < 1.3)).all())
    True
    """
    first, second, third = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    found: Tensor = matrix.T if tall else matrix
    if matrix.is_cuda:
        found = found.to(torch.bfloat16)
    found = found / found.norm().clamp(min=1e-7)
    for _ in range(iterations):
        square = found @ found.T
        found = first * found + (second * square + third * square @ square) @ found
    return (found.T if tall else found).to(matrix.dtype)
