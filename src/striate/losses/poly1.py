"""Poly-1: cross-entropy with the weight of its first term, 1 − p, set."""

from __future__ import annotations

import math

from torch import Tensor

from striate.core.errors import UsageError
from striate.losses import as_real, check_share, loss


@loss("poly1", "label")
def poly1(outputs: Tensor, targets: Tensor, *, epsilon: float = 1.0, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy + ε Σ_k t_k (1 − p_k), where p = softmax(outputs).

    Leng et al. 2022, "PolyLoss: a polynomial expansion perspective of classification loss functions", eq. 6.

    Args:
        outputs: logits, (N, K).
        targets: shares of the classes, (N, K), or their numbers, (N,).
        epsilon: ε, above −1; 0 is cross-entropy.
        label_smoothing: as for `cross_entropy`.

    Returns:
        (N,)

    >>> import torch
    >>> poly1(torch.zeros(1, 2), torch.tensor([0]), epsilon=2.0)  # log 2, and twice a half
    tensor([1.6931])
    """
    if not (math.isfinite(epsilon) and epsilon > -1):
        raise UsageError(f"epsilon takes a number above -1, not {epsilon!r}")
    check_share("label_smoothing", label_smoothing)
    outputs, targets = as_real(outputs, targets)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / outputs.shape[1]
    logs = outputs.log_softmax(dim=1)
    return -(targets * logs).sum(dim=1) - epsilon * (targets * logs.expm1()).sum(dim=1)
