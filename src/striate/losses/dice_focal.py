"""Dice and focal loss of pixels, summed: for small regions in large pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from striate.losses import check_parts, loss
from striate.losses.dice import dice
from striate.losses.pixel_focal import pixel_focal


@loss("dice_focal", "mask")
def dice_focal(
    outputs: Tensor,
    targets: Tensor,
    *,
    dice_weight: float = 1.0,
    focal_weight: float = 1.0,
    gamma: float = 2.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """`dice_weight` times `dice` and `focal_weight` times `pixel_focal`.

    Zhu et al. 2019, "AnatomyNet", which sums both for small organs.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.
        dice_weight, focal_weight: of the parts.
        gamma, class_weights: of the focal loss.

    Returns:
        (N,); 0 for a picture that is all void.

    Raises:
        UsageError: a weight of the parts is below 0, or both are 0.
    """
    check_parts(dice_weight=dice_weight, focal_weight=focal_weight)
    focal = pixel_focal(outputs, targets, gamma=gamma, class_weights=class_weights)
    return dice_weight * dice(outputs, targets) + focal_weight * focal
