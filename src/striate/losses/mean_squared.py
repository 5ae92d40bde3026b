"""Mean squared error: the loss of numbers, ruled by the largest errors."""

from __future__ import annotations

from torch import Tensor

from striate.losses import as_real, loss


@loss("mean_squared", "value")
def mean_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean over the K values of (o − t)².

    Args:
        outputs, targets: (N, K), in standardised units.

    Returns:
        (N,)

    >>> import torch
    >>> mean_squared(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([5.])
    """
    outputs, targets = as_real(outputs, targets)
    return (outputs - targets).square().mean(dim=1)
