"""Cross-entropy: the loss of one class out of several."""

from __future__ import annotations

from torch import Tensor

from striate.losses import as_real, check_share, loss


@loss("cross_entropy", "label")
def cross_entropy(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """−Σ_k t_k log softmax(outputs)_k, for hard (one-hot) and soft targets alike.

    Args:
        outputs: logits, (N, K).
        targets: shares of the classes, (N, K), each row summing to 1.
        label_smoothing: the share ε of each target that is spread evenly over all K classes:
            t ← (1 − ε) t + ε / K (Szegedy et al., "Rethinking the Inception architecture", 2016, eq. 7).

    Returns:
        (N,), in nats.

    >>> import torch
    >>> cross_entropy(torch.zeros(1, 4), torch.eye(4)[:1]).exp().round(decimals=4)
    tensor([4.])
    """
    check_share("label_smoothing", label_smoothing)
    outputs, targets = as_real(outputs, targets)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / outputs.shape[1]
    return -(targets * outputs.log_softmax(dim=1)).sum(dim=1)
