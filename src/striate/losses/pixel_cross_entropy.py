"""Cross-entropy of pixels: the loss of a class for each."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import as_maps, check_per_class, check_share, loss


@loss("pixel_cross_entropy", "mask")
def pixel_cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """The mean over a picture's pixels, but for void ones, of −w_t Σ_k t_k log softmax(outputs)_k.

    The sum of weights divides nothing: a picture of a class that weighs little has a small loss, whatever is beside it.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.
        label_smoothing: the share ε of each target that is spread evenly over all K classes.
        class_weights: w, (K,): how much a pixel of each class counts; None for all alike.

    Returns:
        (N,), in nats; 0 for a picture that is all void.

    >>> import torch
    >>> pixel_cross_entropy(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 1], [2, 255]]])).exp().round(decimals=4)
    tensor([4.])
    """
    check_share("label_smoothing", label_smoothing)
    maps = as_maps(outputs, targets)
    logs = maps.outputs.log_softmax(dim=1)
    losses = -maps.of_truth(logs)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * logs.mean(dim=1)
    if class_weights is not None:
        losses = losses * maps.weights(check_per_class("class_weights", class_weights, maps.outputs))
    return maps.mean(losses)
