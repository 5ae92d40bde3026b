"""Huber's loss: the loss of numbers where single ones may be far off."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.losses import as_real, loss


@loss("huber", "value")
def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """The mean over the K values of e²/2 for |e| ≤ δ, and δ (|e| − δ/2) beyond (Huber 1964).

    Args:
        outputs, targets: (N, K), in standardised units.
        delta: where it turns from quadratic to linear, in standard deviations of the training targets.

    Returns:
        (N,)

    >>> import torch
    >>> huber(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1))
    tensor([0.1250, 2.5000])
    """
    if not delta > 0:
        raise UsageError(f"delta takes a number above 0, not {delta!r}")
    outputs, targets = as_real(outputs, targets)
    size = (outputs - targets).abs()
    return torch.where(size <= delta, size.square() / 2, delta * (size - delta / 2)).mean(dim=1)
