"""Focal loss of pixels: cross-entropy that looks away from what is known well already."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import as_maps, check_least, check_per_class, loss
from striate.losses.focal import unknown


@loss("pixel_focal", "mask")
def pixel_focal(
    outputs: Tensor, targets: Tensor, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None
) -> Tensor:
    """The mean over a picture's pixels, but for void ones, of −w_t (1 − p_t)^γ log p_t, where p = softmax(outputs).

    Lin et al. 2017, "Focal loss for dense object detection", eq. 5.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.
        gamma: γ: how far it looks away; 0 is cross-entropy.
        class_weights: w, (K,): how much a pixel of each class counts; None for all alike.

    Returns:
        (N,), in nats; 0 for a picture that is all void.

    >>> import torch
    >>> pixel_focal(torch.zeros(1, 2, 1, 1), torch.tensor([[[0]]])) / 0.25  # p is a half: log 2 is left
    tensor([0.6931])
    """
    check_least("gamma", gamma)
    maps = as_maps(outputs, targets)
    logs = maps.of_truth(maps.outputs.log_softmax(dim=1))
    losses = -unknown(logs, gamma) * logs
    if class_weights is not None:
        losses = losses * maps.weights(check_per_class("class_weights", class_weights, maps.outputs))
    return maps.mean(losses)
