"""CutMix: a window of another picture, and as much of its target."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import per_batch
from striate.data.augment.mixup import mixed_targets


@per_batch("cutmix", {"cutmix": 0.0})
def cutmix(
    images: Tensor, targets: Tensor, weights: Tensor, generator: np.random.Generator, cutmix: float
) -> tuple[Tensor, Tensor, Tensor]:
    """A window of each sample is taken from a partner of its batch, and so is as large a share of target and weight.

    One share λ ~ Beta(α, α), one window and one permutation a batch, as in Yun et al. 2019, "CutMix: regularization
    strategy to train strong classifiers with localizable features", equations 1 and 2; the window's centre is uniform,
    and what would lie beyond the border is cut off.

    Args:
        images: (N, C, H, W), float32.
        targets: (N, K), one-hot for classes.
        weights: (N,).
        cutmix: α; above 0.
    """
    height, width = images.shape[2:]
    side = math.sqrt(1 - float(generator.beta(cutmix, cutmix)))
    down, across = float(generator.random()) * height, float(generator.random()) * width
    top, bottom = (min(max(round(down + sign * side * height / 2), 0), height) for sign in (-1, 1))
    left, right = (min(max(round(across + sign * side * width / 2), 0), width) for sign in (-1, 1))
    partner = torch.from_numpy(generator.permutation(len(images))).to(images.device)
    result = images.clone()
    result[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return result, *mixed_targets(targets, weights, partner, share)
