"""Balanced softmax: the softmax of classes that are not as frequent in training as where they will be met."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import loss
from striate.losses.logit_adjustment import logit_adjustment


@loss("balanced_softmax", "label")
def balanced_softmax(outputs: Tensor, targets: Tensor, *, shares: Sequence[float] | None = None) -> Tensor:
    """−Σ_k t_k log(n_k exp(o_k) / Σ_j n_j exp(o_j)), where n are the counts of the classes.

    Ren et al. 2020, "Balanced meta-softmax for long-tailed visual recognition", eq. 4. It is the logit adjustment of
    τ = 1.

    Args:
        outputs: logits, (N, K).
        targets: shares of the classes, (N, K), or their numbers, (N,).
        shares: n, (K,), counts or shares; None means all alike. The task knows them.

    Returns:
        (N,), in nats.
    """
    return logit_adjustment(outputs, targets, tau=1.0, shares=shares)
