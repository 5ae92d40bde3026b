"""Poisson loss: the loss of counts, whose spread grows with their mean."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.losses import as_real, loss

STEEP = 30.0  # log rates above which it goes on as a straight line, so that it stays a number


@loss("poisson", "value", link="log")
def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean over the K values of e^o − t o − (t − t log t): half the deviance of a rate e^o; 0 where it is t.

    McCullagh and Nelder 1989, "Generalized linear models", section 2.3.

    Args:
        outputs: logarithms of rates, (N, K).
        targets: counts of at least 0, (N, K), in their own unit.

    Returns:
        (N,)

    >>> poisson(torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [0.0]]))
    tensor([0., 1.])
    """
    outputs, targets = as_real(outputs, targets)
    low = outputs.clamp(max=STEEP)
    rates = low.exp() * (1 + outputs - low)
    least = targets - torch.xlogy(targets, targets)
    return (rates - targets * outputs - least).mean(dim=1)
