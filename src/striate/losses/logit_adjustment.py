"""Logit adjustment: cross-entropy that knows how often classes are, so that the scores need not learn it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import as_real, check_least, check_per_class, loss

LEAST = 1e-8  # the share of a class without samples, whose logarithm must be a number


@loss("logit_adjustment", "label")
def logit_adjustment(
    outputs: Tensor, targets: Tensor, *, tau: float = 1.0, shares: Sequence[float] | None = None
) -> Tensor:
    """Cross-entropy of outputs + τ log π, where π are the shares of the classes among the training samples.

    Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 10. Trained so, the outputs themselves are for
    classes that are all as frequent.

    Args:
        outputs: logits, (N, K).
        targets: shares of the classes, (N, K), or their numbers, (N,).
        tau: τ: how much of the difference is made up for; 0 is cross-entropy.
        shares: π, (K,), or numbers in the same proportion; None means all alike. The task knows them.

    Returns:
        (N,), in nats.

    >>> import torch
    >>> logit_adjustment(torch.zeros(2, 2), torch.tensor([0, 1]), shares=[0.8, 0.2]).neg().exp()
    tensor([0.8000, 0.2000])
    """
    check_least("tau", tau)
    outputs, targets = as_real(outputs, targets)
    if shares is not None:
        found = check_per_class("shares", shares, outputs)
        outputs = outputs + tau * (found / found.sum()).clamp(min=LEAST).log()
    return -(targets * outputs.log_softmax(dim=1)).sum(dim=1)
