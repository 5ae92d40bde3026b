"""What the gradient says beside the loss: that weights be few, or stay near those that they began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def penalise(groups: Sequence[Mapping[str, object]], l1: float) -> None:
    """Add the gradient of λ Σ|w| (Tibshirani 1996), 0 where a weight is 0; norms' scales and biases are left out.

    Args:
        groups: an optimizer's, with `params` and `decayed`.
        l1: λ.
    """
    for group in groups:
        if group["decayed"]:
            for one in _with_gradient(group):
                assert one.grad is not None
                one.grad.add_(one.sign(), alpha=l1)


@torch.no_grad()
def draw_back(network: nn.Module, anchors: Mapping[str, Tensor], strength: float) -> None:
    """Add the gradient of α / 2 · Σ (w − w₀)², the distance from the weights of the start.

    Li et al. 2018, "Explicit inductive bias for transfer learning with convolutional networks", eq. 2 (L2-SP).

    Args:
        anchors: w₀ by the names of parameters.
        strength: α.
    """
    for name, start in anchors.items():
        one = network.get_parameter(name)
        if one.grad is not None:
            one.grad.add_(one - start, alpha=strength)


def _with_gradient(group: Mapping[str, object]) -> list[nn.Parameter]:
    parameters = group["params"]
    assert isinstance(parameters, list)
    return [one for one in parameters if one.grad is not None]
