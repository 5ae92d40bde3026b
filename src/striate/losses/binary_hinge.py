"""The binary hinge: the loss of any number of labels, each of which must lie beyond a margin on its side."""

from __future__ import annotations

from torch import Tensor

from striate.losses import as_real, check_least, loss


@loss("binary_hinge", "labels")
def binary_hinge(outputs: Tensor, targets: Tensor, *, margin: float = 1.0) -> Tensor:
    """The mean over labels of t max(0, margin − o) + (1 − t) max(0, margin + o) (Cortes and Vapnik 1995, eq. 17).

    Args:
        outputs: scores, (N, K); above 0 a label is held present.
        targets: 1 where the label is present, 0 where not, or a share between, (N, K).
        margin: how far from 0 a score must be.

    Returns:
        (N,)

    >>> import torch
    >>> binary_hinge(torch.tensor([[2.0, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.7500])
    """
    check_least("margin", margin)
    outputs, targets = as_real(outputs, targets)
    short = targets * (margin - outputs).clamp(min=0) + (1 - targets) * (margin + outputs).clamp(min=0)
    return short.mean(dim=1)
