"""MixUp: training on the lines between samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import per_batch


@per_batch("mixup", {"mixup": 0.0})
def mixup(
    images: Tensor, targets: Tensor, weights: Tensor, generator: np.random.Generator, mixup: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Each sample becomes λ times itself and 1 − λ times a partner of its batch, in pixels, target and weight.

    Where weights differ, targets are mixed by them too: for a loss that is linear in the target, as cross-entropy is,
    the mixed sample then costs λ·w·loss(target) + (1 − λ)·w'·loss(target').

    One λ ~ Beta(α, α) and one permutation a batch, as in Zhang, Cissé, Dauphin and Lopez-Paz, "mixup: Beyond
    Empirical Risk Minimization", ICLR 2018, algorithm of figure 1a.

    Args:
        images: (N, C, H, W), float32.
        targets: (N, K), one-hot for classes.
        weights: (N,).
        mixup: α; above 0.
    """
    share = float(generator.beta(mixup, mixup))
    partner = torch.from_numpy(generator.permutation(len(images))).to(images.device)

    mixed = (images * share).add_(images[partner], alpha=1 - share)
    return mixed, *mixed_targets(targets, weights, partner, share)


def mixed_targets(targets: Tensor, weights: Tensor, partner: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Targets and weights of samples that are `share` themselves and for the rest their partners."""

    def mixed(values: Tensor) -> Tensor:
        return (values * share).add_(values[partner], alpha=1 - share)

    if bool((weights == weights[0]).all()):
        return mixed(targets), weights
    counted = mixed(weights)
    shared = mixed(targets * weights[:, None]) / counted.clamp(min=torch.finfo(counted.dtype).tiny)[:, None]
    return shared, counted
