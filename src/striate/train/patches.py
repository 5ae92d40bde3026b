"""Features of pictures without a network: filters taken from the pictures themselves, rectified and pooled."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.core.seeds import generator

FILTERS, SIDE, PATCH, POOLED = 96, 32, 6, 2
"""Filters, the longer side that pictures are brought to, the side of a patch, and the grid of the means."""
LOOKED_AT, MOST = 200, 20_000
"""Pictures that patches are taken from, and patches that whiten."""
FLAT, WHITENING, THRESHOLD = 100 / 255**2, 0.1, 0.5


class Patches:
    """Coates, Ng and Lee 2011, "An analysis of single-layer networks in unsupervised feature learning": patches of the
    pictures, normalised and whitened, are the filters; what passes a threshold to either side is pooled over quarters,
    and so are the pixels. (Random patches in place of means of clusters: Coates and Ng 2011, section 4.)

    Args:
        images: (N, C, H, W) on 0 to 255, to take patches from.
        seed: names which.
    """

    def __init__(self, images: Tensor, seed: int) -> None:
        images = _small(images)
        shorter = min(images.shape[2:])
        self._side = min(max(3, shorter // 4), PATCH, shorter)
        found = functional.unfold(images, self._side).transpose(1, 2).flatten(0, 1)
        order = generator(seed, "patches").permutation(len(found))[:MOST]
        found = found[torch.from_numpy(order)]
        found = (found - found.mean(1, keepdim=True)) / (found.var(1, keepdim=True, correction=0) + FLAT).sqrt()
        centre = found.mean(0)
        values, vectors = torch.linalg.eigh((found - centre).T @ (found - centre) / len(found))
        whiten = vectors @ torch.diag((values.clamp(min=0) + WHITENING).rsqrt()) @ vectors.T
        chosen = (found[:FILTERS] - centre) @ whiten
        self._filters = chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-6) @ whiten
        self._offsets = self._filters @ centre

    def __call__(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W) on 0 to 255."""
        images = _small(images)
        channels, side = images.shape[1], self._side
        ones = torch.full((1, channels, side, side), 1 / (channels * side**2))
        mean = functional.conv2d(images, ones)
        deviation = (functional.conv2d(images * images, ones) - mean * mean).clamp_(min=0).add_(FLAT).sqrt_()
        found = functional.conv2d(images, self._filters.view(-1, channels, side, side))
        found = (found - mean * self._filters.sum(1)[:, None, None]) / deviation - self._offsets[:, None, None]
        rectified = torch.cat(
            [
                (found - THRESHOLD).relu_(),
                (-found - THRESHOLD).relu_(),
            ],
            1,
        )
        pooled = [functional.adaptive_avg_pool2d(one, POOLED).flatten(1) for one in (rectified, images)]
        return torch.cat(pooled, 1)


def _small(images: Tensor) -> Tensor:
    """On 0 to 1, at most 32 px long."""
    images = images.float() / 255
    longer = max(images.shape[2:])
    if longer <= SIDE:
        return images
    size = [max(1, round(length * SIDE / longer)) for length in images.shape[2:]]
    return functional.interpolate(images, size, mode="bilinear", antialias=True)


def looked_at(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The places of pictures to take patches from, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(np.int64))
