"""Focal loss: cross-entropy that looks away from what is known well already."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import as_real, check_least, check_per_class, loss


@loss("focal", "label")
def focal(outputs: Tensor, targets: Tensor, *, gamma: float = 2.0, alpha: Sequence[float] | None = None) -> Tensor:
    """−Σ_k t_k α_k (1 − p_k)^γ log p_k, where p = softmax(outputs).

    Lin et al. 2017, "Focal loss for dense object detection", eq. 5.

    Args:
        outputs: logits, (N, K).
        targets: shares of the classes, (N, K), or their numbers, (N,).
        gamma: γ: how far it looks away; 0 is cross-entropy.
        alpha: α, a weight a class, (K,), at least 0; None weighs all the same. The task's weights of classes have a
            mean of 1 over the samples, which these need not have.

    Returns:
        (N,), in nats.

    >>> import torch
    >>> focal(torch.zeros(1, 2), torch.tensor([0])) / 0.25  # p is a half: log 2 is left
    tensor([0.6931])
    """
    check_least("gamma", gamma)
    outputs, targets = as_real(outputs, targets)
    if alpha is not None:
        targets = targets * check_per_class("alpha", alpha, outputs)
    logs = outputs.log_softmax(dim=1)
    return -(targets * unknown(logs, gamma) * logs).sum(dim=1)


def unknown(logs: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ from log p, exact near p = 1, and with a gradient of 0 rather than none where p is 1."""
    return (-logs.expm1()).clamp(min=1e-12) ** gamma
