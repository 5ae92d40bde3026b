"""AugMix: the picture mixed with chains of operations on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import UsageError
from striate.data.augment import Draws
from striate.data.augment.policy import POLICIES, whole
from striate.data.augment.policy._operations import Range, operated

DEPTH = 3
WEAKEST = 0.1
EACH = 2 + 3 * DEPTH
"""Draws of a chain: its weight, its depth, and of each operation which, how strong, to which side."""


@POLICIES.register("augmix")
def augmix(
    images: Tensor, draws: Draws, *, severity: int = 3, width: int = 3, depth: int = 0, alpha: float = 1.0
) -> Tensor:
    """Hendrycks et al. 2020, "AugMix: a simple data processing method to improve robustness and uncertainty",
    algorithm 1: the mixing alone. The paper's Jensen-Shannon loss, on three views of each picture, is not there.

    The operations are those that no corruption of ImageNet-C is made of.

    Args:
        images: (N, C, H, W), uint8.
        draws: (N, K).
        severity: the strongest, from 1 to 10; each strength is uniform from 0.1 to it.
        width: chains that are mixed, their weights from a Dirichlet distribution.
        depth: operations of a chain; 0 draws 1 to 3.
        alpha: of that distribution, and of the Beta distribution of what the mixture counts beside the picture.

    Returns:
        float32.
    """
    whole("severity of augmix", severity, 1, 10)
    whole("width of augmix", width, 1, 8)
    whole("depth of augmix", depth, 0, DEPTH)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0.01 <= alpha <= 100:
        raise UsageError(f"alpha of augmix takes a number from 0.01 to 100, not {alpha!r}")
    chains = draws[:, 1 : 1 + width * EACH].reshape(len(images), width, EACH)
    # A Dirichlet draw is so many Gamma draws by their sum; below 1e-30 all of them may vanish together.
    parts = np.maximum(scipy.special.gammaincinv(alpha, chains[:, :, 0]), 1e-30)
    share = scipy.special.betaincinv(alpha, alpha, draws[:, 0])
    weights = share[:, None] * parts / parts.sum(1, keepdims=True)
    mixed = images * _spread(1 - share, images)
    for number in range(width):
        chain = _chain(images, chains[:, number, 1:], severity, depth)
        mixed.addcmul_(chain.float(), _spread(weights[:, number], images))
    return mixed


def _chain(images: Tensor, draws: Draws, severity: int, depth: int) -> Tensor:
    depths = np.full(len(draws), depth) if depth else 1 + np.floor(DEPTH * draws[:, 0])
    limits = ranges(*images.shape[2:])
    for step in range(int(depths.max(initial=0))):
        which, level, side = draws[:, 1 + 3 * step : 4 + 3 * step].T
        level = (WEAKEST + (severity - WEAKEST) * level) / 10
        images = operated(images, np.where(step < depths, which, -1.0), level, side, limits)
    return images


def _spread(values: NDArray[Any], images: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(images.device)[:, None, None, None]


def ranges(height: int, width: int) -> dict[str, Range]:
    """The paper's nine operations."""
    return {
        "autocontrast": Range(0, 0),
        "equalize": Range(0, 0),
        "posterize": Range(4, 0),
        "rotate": Range(0, 30, signed=True),
        "solarize": Range(256, 0),
        "shear_x": Range(0, 0.3, signed=True),
        "shear_y": Range(0, 0.3, signed=True),
        "translate_x": Range(0, width / 3, signed=True),
        "translate_y": Range(0, height / 3, signed=True),
    }
