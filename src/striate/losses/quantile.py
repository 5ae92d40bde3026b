"""Quantile loss: the loss of numbers that aims at a quantile."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.losses import as_real, loss


@loss("quantile", "value")
def quantile(outputs: Tensor, targets: Tensor, *, share: float = 0.5) -> Tensor:
    """The mean over the K values of max(q (t − o), (q − 1) (t − o)).

    Koenker and Bassett 1978, "Regression quantiles", section 3: it is least in the mean where a share q of the targets
    lies below the outputs.

    Args:
        outputs, targets: (N, K), in standardised units.
        share: q, between 0 and 1; ½ is half the mean absolute error.

    Returns:
        (N,)

    >>> quantile(torch.tensor([[0.0], [2.0]]), torch.ones(2, 1), share=0.9)
    tensor([0.9000, 0.1000])
    """
    if not 0 < share < 1:
        raise UsageError(f"share takes a number between 0 and 1, not {share!r}")
    outputs, targets = as_real(outputs, targets)
    short = targets - outputs
    return torch.maximum(share * short, (share - 1) * short).mean(dim=1)
