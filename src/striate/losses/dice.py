"""Dice loss: overlap of regions, so that a small one counts as much as a large one."""

from __future__ import annotations

from torch import Tensor

from striate.losses import loss
from striate.losses.tversky import tversky


@loss("dice", "mask")
def dice(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 − 2 Σ p t / (Σ p + Σ t) of each class, the mean over the classes that a picture has; p = softmax(outputs).

    Sums are over the pixels of a picture that are not void (Milletari, Navab and Ahmadi 2016, "V-Net", section 3,
    without squares in the denominator). It balances classes already, so that it takes no weights of them.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.

    Returns:
        (N,), 0 to 1; 0 for a picture that is all void.

    >>> import torch
    >>> dice(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # each class: 2 · ½ / (1 + 1)
    tensor([0.5000])
    """
    return tversky(outputs, targets, alpha=0.5, beta=0.5)
