"""Anchors: boxes of fixed sizes and aspects at every position of every level (Ren et al. 2015, section 3.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator

from striate.core.errors import NetworkError


class Anchors:
    """The anchors of a detector, by torchvision's generator.

    Strides are those of the levels, not what a size divided by a grid gives: a grid is rounded up.

    Args:
        sizes: of the anchors at each level, in pixels of the input.
        aspects: height over width, the same at each level.
        strides: of the levels, in pixels.

    Raises:
        NetworkError: there are not as many lists of sizes as levels, equally long, or a number is not above 0.

    >>> Anchors([[8.0]], [1.0], [4]).on([(1, 2)], torch.device("cpu")).tolist()
    [[-4.0, -4.0, 4.0, 4.0], [0.0, -4.0, 8.0, 4.0]]
    """

    def __init__(self, sizes: Sequence[Sequence[float]], aspects: Sequence[float], strides: Sequence[int]) -> None:
        if len(sizes) != len(strides) or len({len(one) for one in sizes}) != 1 or not (sizes[0] and aspects):
            raise NetworkError(
                f"sizes of anchors must be {len(strides)} lists, one for each of the strides, all equally long",
                fix="leave them out, or give [[32], [64], …]",
            )
        if min(*(size for one in sizes for size in one), *aspects, 1) <= 0:
            raise NetworkError("sizes and aspects of anchors must be above 0", fix="leave them out")
        self.each = len(sizes[0]) * len(aspects)
        self.strides = list(strides)
        self._generator = AnchorGenerator(tuple(tuple(one) for one in sizes), (tuple(aspects),) * len(sizes))

    def on(self, grids: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
        """The anchors at every position of the levels' grids, (positions · `each`, 4)."""
        self._generator.set_cell_anchors(torch.float32, device)
        steps = [[torch.tensor(stride, device=device)] * 2 for stride in self.strides]
        return torch.cat(self._generator.grid_anchors([list(grid) for grid in grids], steps))
