"""Gradients kept within bounds: by their norm, by value, and by the norm of the weights that they change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def clip(
    parameters: Sequence[nn.Parameter],
    norm: Tensor,
    *,
    most: float,
    value: float,
    adaptive: float,
    head: Sequence[nn.Parameter] = (),
) -> None:
    """Bring gradients within bounds, in place; a bound of 0 is off.

    Args:
        parameters: with their gradients.
        norm: of all gradients together.
        most: of that norm, to which all are scaled alike (Pascanu et al. 2013, algorithm 1).
        value: of each number's size, at which it is cut.
        adaptive: of each unit's gradient, as a share of the norm of its weights (Brock et al. 2021, "High-performance
            large-scale image recognition without normalization", eq. 3).
        head: what `adaptive` leaves alone, as the paper has it.
    """
    if adaptive > 0:
        spared = {id(one) for one in head}
        for one in parameters:
            if one.grad is not None and id(one) not in spared:
                share = adaptive * _unit_norms(one).clamp(min=1e-3) / _unit_norms(one.grad).clamp(min=1e-6)
                one.grad.mul_(share.clamp(max=1))
    if value > 0:
        torch.nn.utils.clip_grad_value_(parameters, value)
    if most > 0:
        if adaptive > 0 or value > 0:  # it is less by now
            norm = torch.nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
        torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)


def _unit_norms(tensor: Tensor) -> Tensor:
    """The norm of each unit's numbers, in a shape that broadcasts: of the filter of each output, of a vector whole."""
    axes = tuple(range(1, tensor.dim())) if tensor.dim() > 1 else None
    found: Tensor = torch.linalg.vector_norm(tensor, dim=axes, keepdim=axes is not None)
    return found
