"""The hinge: the loss of one class out of several whose score must lead by a margin, and no more."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.losses import as_real, check_least, loss


@loss("hinge", "label")
def hinge(outputs: Tensor, targets: Tensor, *, margin: float = 1.0) -> Tensor:
    """Σ_k t_k max(0, margin − o_k + max_{j ≠ k} o_j): how far each class falls short of the margin to its best rival.

    Crammer and Singer 2001, "On the algorithmic implementation of multiclass kernel-based vector machines", section 3.
    It cares for the order of the scores alone: the probabilities that are shown are not calibrated.

    Args:
        outputs: scores, (N, K).
        targets: shares of the classes, (N, K), or their numbers, (N,).
        margin: by how much the true class must lead.

    Returns:
        (N,)

    >>> hinge(torch.tensor([[2.0, 0.5, 0.0], [0.0, 0.5, 0.0]]), torch.tensor([0, 0]))
    tensor([0.0000, 1.5000])
    """
    check_least("margin", margin)
    outputs, targets = as_real(outputs, targets)
    if outputs.shape[1] < 2:
        raise ValueError("the hinge needs two classes at least")
    best, second = outputs.topk(2, dim=1).values.unbind(1)
    rival = torch.where(outputs == best[:, None], second[:, None], best[:, None])
    return (targets * (margin - outputs + rival).clamp(min=0)).sum(dim=1)
