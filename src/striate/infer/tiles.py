"""Networks of outputs for each position on whole pictures: of any size, and of large ones tile by tile."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.data.prepare import Preprocessing


def on_whole(network: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """A network as predictions run it: on whole pictures of any size where it was trained on patches."""
    if not preprocessing.patches:
        return network
    return Whole(network, preprocessing.step, preprocessing.tile, preprocessing.overlap)


class Whole(nn.Module):
    """A network that takes pictures of any size.

    Sides that are no multiple of what the network needs are padded with the picture's reflection, which is cut off
    again. A picture with a side above the tile's is computed in tiles that overlap, and where they do, what each gives
    counts the less the nearer its end is.

    Args:
        network: gives (N, K, H, W) for (N, C, H, W), for sides that are multiples of `step`.
        step: in pixels.
        tile: the largest side that is computed at once, a multiple of the step.
        overlap: pixels that neighbouring tiles share at least.
    """

    def __init__(self, network: nn.Module, step: int, tile: int, overlap: int) -> None:
        super().__init__()
        self.network = network
        self.step = step
        self.tile = tile
        self.overlap = overlap

    def forward(self, images: Tensor) -> Tensor:
        """Outputs (N, K, H, W) of pictures (N, C, H, W)."""
        size = images.shape[2], images.shape[3]
        parts = [starts(side, self.tile, self.overlap) for side in size]
        if len(parts[0]) == len(parts[1]) == 1:
            return self._padded(images)
        sides = [min(side, self.tile) for side in size]
        weights = [
            torch.from_numpy(shares(side, length, begin, self.overlap)).to(images.device)
            for side, length, begin in zip(size, sides, parts, strict=True)
        ]
        outputs: Tensor | None = None
        for (row, top), (column, left) in product(enumerate(parts[0]), enumerate(parts[1])):
            place = (..., slice(top, top + sides[0]), slice(left, left + sides[1]))
            found = self._padded(images[place]).float()
            if outputs is None:
                outputs = found.new_zeros((*found.shape[:2], *size))
            outputs[place] += found * (weights[0][row][:, None] * weights[1][column])
        assert outputs is not None
        return outputs

    def _padded(self, images: Tensor) -> Tensor:
        """Outputs of pictures that are computed at once."""
        size = images.shape[2:]
        places = [reflected(side, -(-side // self.step) * self.step) for side in size]
        for axis, place in enumerate(places, 2):
            if len(place) != images.shape[axis]:
                images = images.index_select(axis, torch.from_numpy(place).to(images.device))
        found: Tensor = self.network(images)
        if found.dim() != 4 or found.shape[2:] != images.shape[2:]:
            raise NetworkError(
                f"the network gives {tuple(found.shape)} for pictures of {tuple(images.shape[2:])} px, no outputs for "
                "each pixel",
                fix="choose a network that gives them, such as unet",
            )
        height, width = (min(side, len(place)) for side, place in zip(size, places, strict=True))
        return found[..., :height, :width]


def reflected(side: int, wanted: int) -> NDArray[np.int64]:
    """The places, in a row of `side` pixels, of a longer one that goes on with its reflection.

    >>> reflected(3, 8).tolist()
    [0, 1, 2, 1, 0, 1, 2, 1]
    """
    period = max(1, 2 * (side - 1))
    place = np.arange(wanted) % period
    return np.minimum(place, period - place)


def starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of a side begin: evenly spread, the fewest that share `overlap` pixels at least.

    >>> starts(100, 64, 16), starts(200, 64, 16), starts(64, 64, 16)
    ([0, 36], [0, 45, 90, 136], [0])
    """
    if side <= tile:
        return [0]
    count = 1 + -(-(side - tile) // (tile - overlap))
    return [number * (side - tile) // (count - 1) for number in range(count)]


def shares(side: int, tile: int, begins: list[int], overlap: int) -> NDArray[np.float32]:
    """How much each tile counts at each of its pixels, (tiles, length); what counts for a pixel adds up to one.

    Within `overlap` of an end that is not the picture's, a tile counts the less the nearer the end is.

    >>> shares(6, 4, [0, 2], 2).tolist()
    [[1.0, 1.0, 0.75, 0.25], [0.25, 0.75, 1.0, 1.0]]
    """
    found, total = np.ones((len(begins), tile)), np.zeros(side)
    rising = np.minimum(1.0, (np.arange(tile) + 0.5) / max(1, overlap))
    for own, begin in zip(found, begins, strict=True):
        own *= rising if begin else 1.0
        own *= rising[::-1] if begin + tile < side else 1.0
        total[begin : begin + tile] += own
    for own, begin in zip(found, begins, strict=True):
        own /= total[begin : begin + tile]
    return found.astype(np.float32)
