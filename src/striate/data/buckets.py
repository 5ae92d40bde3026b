"""Pictures that keep their own sizes: the bucket each falls into, and batches of one bucket each.

A bucket is a height and a width. With a step of 1 it is the picture's own size, and nothing is cut; with a larger one
sides are cut to a multiple of it, so that pictures have company in a batch. Cutting is the usual, since what is left is
all picture: padding would draw a frame that global pooling counts. Imports no torch, so that worker processes start
quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Size: TypeAlias = tuple[int, int]
"""(H, W) in pixels."""

Positions: TypeAlias = NDArray[np.int64]


class Placed(NamedTuple):
    """What becomes of a picture's size.

    Args:
        scaled: (H, W) that it is resampled to; its own, unless a side is above the bound.
        bucket: (H, W) that it is then cut or padded to.
    """

    scaled: Size
    bucket: Size


@dataclass(frozen=True)
class Bounds:
    """How pictures of any size are brought to buckets.

    Args:
        height, width: the largest that there are; larger pictures are scaled down, keeping their aspect.
        step: sides are brought to a multiple of it; 1 leaves them as they are.
        least: the shortest side; shorter ones are padded to it, which keeps the scale of what is seen.
        pads: whether sides are padded up to the multiple, and not cut down to it.

    >>> Bounds(64, 64, step=8).place(40, 61)
    Placed(scaled=(40, 61), bucket=(40, 56))
    >>> Bounds(64, 64, step=8, pads=True).place(40, 61)
    Placed(scaled=(40, 61), bucket=(40, 64))
    >>> Bounds(64, 64).place(300, 100), Bounds(64, 64, least=12).place(9, 30)
    (Placed(scaled=(64, 21), bucket=(64, 21)), Placed(scaled=(9, 30), bucket=(12, 30)))
    """

    height: int
    width: int
    step: int = 1
    least: int = 1
    pads: bool = False

    def place(self, height: int, width: int) -> Placed:
        """The bucket of a picture."""
        share = min(1.0, self.height / height, self.width / width)
        scaled = height, width
        if share < 1:
            scaled = _scaled(height, share, self.height), _scaled(width, share, self.width)
        return Placed(scaled, (self._side(scaled[0]), self._side(scaled[1])))

    @property
    def lowest(self) -> int:
        """The shortest side of a bucket: the least, as a multiple of the step."""
        return -(-self.least // self.step) * self.step

    def _side(self, side: int) -> int:
        return max(self.lowest, (-(-side // self.step) if self.pads else side // self.step) * self.step)


def _scaled(side: int, share: float, most: int) -> int:
    return max(1, min(most, round(side * share)))


def fitted(pixels: NDArray[Any], size: Size, fill: NDArray[Any] | float) -> NDArray[Any]:
    """Pixels (H, W, C) cut to a size around their centre, and padded to it where they are smaller.

    Args:
        fill: of each channel, or of all.

    >>> fitted(np.arange(6).reshape(3, 2, 1), (1, 4), 9)[..., 0].tolist()
    [[9, 2, 3, 9]]
    """
    height, width = pixels.shape[:2]
    rows, columns = min(height, size[0]), min(width, size[1])
    top, left = (height - rows) // 2, (width - columns) // 2
    inner = pixels[top : top + rows, left : left + columns]
    if (rows, columns) == size:
        return inner
    canvas = np.empty((*size, pixels.shape[2]), pixels.dtype)
    canvas[:] = np.round(fill) if pixels.dtype == np.uint8 else fill
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    canvas[top : top + rows, left : left + columns] = inner
    return canvas


def numbered(sizes: NDArray[np.int64]) -> Positions:
    """The number of each picture's size among all, the smallest first: (N,) of (N, 2)."""
    return np.unique(sizes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def in_accord(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sizes in which no picture is alone, unless it is the only one.

    A batch of one has no statistics that a norm of vectors could take. So a picture that is alone in its size is
    brought to the nearest that others have, by the sum of both sides' differences, of equal ones the smaller; and two
    that are alone to the smaller of each side. The smallest come first.

    Args:
        sizes: (N, 2).

    >>> in_accord(np.array([[8, 8], [8, 8], [8, 9], [20, 24], [22, 20]])).tolist()
    [[8, 8], [8, 8], [8, 8], [20, 20], [20, 20]]
    """
    result = np.array(sizes, np.int64)
    if len(result) < 2:
        return result
    while True:
        known, codes, counts = np.unique(result, axis=0, return_inverse=True, return_counts=True)
        lonely = np.flatnonzero(counts == 1)
        if not len(lonely) or len(known) == 1:
            return result
        place = np.zeros(len(known), np.int64)
        place[codes.reshape(-1)] = np.arange(len(result))  # of those that are alone
        gone = np.zeros(len(known), np.bool_)
        for one in lonely[np.argsort(known[lonely].prod(1), kind="stable")]:
            if gone[one]:
                continue
            gone[one] = True
            if gone.all():
                break
            far = np.where(gone, np.iinfo(np.int64).max, np.abs(known - known[one]).sum(1))
            other = int(far.argmin())
            if counts[other] > 1:
                result[place[one]] = known[other]
            else:  # the two go on together, in the next round if need be
                result[place[[one, other]]] = np.minimum(known[one], known[other])
                gone[other] = True


def batches(order: Positions, codes: Positions, batch_size: int) -> list[Positions]:
    """A shuffled order cut into batches of one bucket each, every sample once.

    A bucket's samples come in the order's sequence, in as few batches as hold them, as equal as can be: no batch is
    left with one where others have many. Batches follow one another as their middle samples do in the order, so they
    are shuffled as it is, and of a single bucket that fills all of them they are the cuts of the order itself.

    Args:
        order: (N,), positions.
        codes: by position, the bucket.
        batch_size: samples a batch, at most; of 2 there may be 3, as none has one where that size has others.

    >>> [batch.tolist() for batch in batches(np.array([3, 0, 4, 1, 2]), np.array([0, 0, 0, 1, 1]), 2)]
    [[3, 4], [0, 1, 2]]
    """
    known = codes[order]
    cut: list[tuple[int, Positions]] = []
    for code in np.unique(known):
        places = np.flatnonzero(known == code)
        for part in np.array_split(places, int(_parts(len(places), batch_size))):
            cut.append((int(part[len(part) // 2]), order[part]))
    return [batch for _, batch in sorted(cut, key=lambda one: one[0])]


def count_batches(codes: Positions, batch_size: int) -> int:
    """How many batches `batches` makes of all positions."""
    return int(_parts(np.bincount(codes), batch_size).sum())


def _parts(counts: Any, batch_size: int) -> Any:
    """Into how many batches so many samples of a bucket go."""
    parts = -(-counts // batch_size)
    return parts if batch_size == 1 else np.minimum(parts, np.maximum(1, counts // 2))


def in_turn(places: Positions, sizes: NDArray[np.int64], at_once: int) -> list[Positions]:
    """Positions in batches of one size each, sizes in rising order; those of one size in the order given.

    Args:
        places: (N,), positions to take.
        sizes: by position, (H, W).

    >>> sizes = np.array([[4, 4], [2, 2], [4, 4], [4, 4]])
    >>> [batch.tolist() for batch in in_turn(np.arange(4), sizes, 2)]
    [[1], [0, 2], [3]]
    """
    codes = numbered(sizes[places]) if len(places) else places
    found = [places[codes == code] for code in range(int(codes.max(initial=-1)) + 1)]
    return [one[first : first + at_once] for one in found for first in range(0, len(one), at_once)]


def middle(sizes: NDArray[np.int64]) -> Size:
    """The size of the picture of median area, that stands for all where one is measured."""
    order = np.lexsort((sizes[:, 1], sizes[:, 0], sizes.prod(1)))
    height, width = sizes[order[(len(sizes) - 1) // 2]]
    return int(height), int(width)


@dataclass(frozen=True)
class Census:
    """Buckets in figures.

    Args:
        sizes: distinct sizes of pictures.
        buckets: distinct sizes that they are brought to.
        scaled: pictures that are scaled down, as they are larger than the bound.
        padded: pictures that are padded, as a side is shorter than the least.
        fill: samples in a batch, as a share of the batch size, in the mean.
    """

    sizes: int
    buckets: int
    scaled: int
    padded: int
    fill: float


def census(by_size: Mapping[str, int], bounds: Bounds, batch_size: int, share: float = 1.0) -> Census:
    """What becomes of pictures, from how many there are of each size.

    Args:
        by_size: as the audit counts them, such as {"480x640": 12}.
        share: of them that are trained on, of each bucket alike.

    >>> census({"8x8": 30, "8x9": 2, "40x20": 4}, Bounds(20, 20, step=4, least=8), 16)
    Census(sizes=3, buckets=2, scaled=4, padded=0, fill=0.75)
    """
    counts: dict[Size, int] = {}
    scaled = padded = 0
    for size, count in by_size.items():
        height, width = sides(size)
        placed = bounds.place(height, width)
        counts[placed.bucket] = counts.get(placed.bucket, 0) + count
        scaled += count * (placed.scaled != (height, width))
        padded += count * (min(placed.scaled) < bounds.lowest)
    trained = [max(1, round(share * count)) for count in counts.values()]
    made = sum(int(_parts(count, batch_size)) for count in trained)
    fill = sum(trained) / max(1, made * batch_size)
    return Census(len(by_size), len(counts), round(share * scaled), round(share * padded), fill)


def sides(size: str) -> Size:
    """(H, W) of a size as the audit writes it.

    >>> sides("480x640")
    (480, 640)
    """
    height, width = size.split("x")
    return int(height), int(width)
