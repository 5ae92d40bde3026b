"""Lovász-softmax and cross-entropy of pixels, summed: intersection over union, from pixels that are sure."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import check_parts, loss
from striate.losses.lovasz import lovasz
from striate.losses.pixel_cross_entropy import pixel_cross_entropy


@loss("lovasz_cross_entropy", "mask")
def lovasz_cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    lovasz_weight: float = 1.0,
    cross_entropy_weight: float = 1.0,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """`lovasz_weight` times `lovasz` and `cross_entropy_weight` times `pixel_cross_entropy`.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.
        lovasz_weight, cross_entropy_weight: of the parts.
        label_smoothing, class_weights: of the cross-entropy.

    Returns:
        (N,); 0 for a picture that is all void.

    Raises:
        UsageError: a weight of the parts is below 0, or both are 0.
    """
    check_parts(lovasz_weight=lovasz_weight, cross_entropy_weight=cross_entropy_weight)
    entropy = pixel_cross_entropy(outputs, targets, label_smoothing=label_smoothing, class_weights=class_weights)
    return lovasz_weight * lovasz(outputs, targets) + cross_entropy_weight * entropy
