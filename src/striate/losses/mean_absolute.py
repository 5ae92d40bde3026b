"""Mean absolute error: the loss of numbers that aims at the median."""

from __future__ import annotations

from torch import Tensor

from striate.losses import as_real, loss


@loss("mean_absolute", "value")
def mean_absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean over the K values of |o − t|.

    Args:
        outputs, targets: (N, K), in standardised units.

    Returns:
        (N,)

    >>> import torch
    >>> mean_absolute(torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2))
    tensor([2.])
    """
    outputs, targets = as_real(outputs, targets)
    return (outputs - targets).abs().mean(dim=1)
