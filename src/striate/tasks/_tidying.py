"""Predicted masks tidied: small regions removed, the largest one of a class kept, holes filled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_AROUND = np.ones((3, 3), np.bool_)  # pixels that touch by a corner are one region


@dataclass(frozen=True)
class Tidying:
    """What is done to each predicted mask, in this order.

    Args:
        least: (class, pixels): regions of the class that have fewer are removed.
        largest: the classes of which the largest region alone is kept.
        filled: the classes whose holes are filled: background (class 0) that they enclose becomes theirs.
    """

    least: tuple[tuple[int, int], ...] = ()
    largest: tuple[int, ...] = ()
    filled: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Tidying:
        """From what `to_dict` gave, as JSON has it."""
        least = tuple((int(one), int(pixels)) for one, pixels in content["least"])
        return cls(least, tuple(map(int, content["largest"])), tuple(map(int, content["filled"])))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def with_all_of(self, other: Tidying) -> Tidying:
        """What both do; of two least numbers of pixels for a class the larger.

        >>> Tidying(((1, 5),), (2,)).with_all_of(Tidying(((1, 9),), (), (2,)))
        Tidying(least=((1, 9),), largest=(2,), filled=(2,))
        """
        least = dict(self.least)
        for one, pixels in other.least:
            least[one] = max(pixels, least.get(one, 0))
        return Tidying(
            tuple(sorted(least.items())), _both(self.largest, other.largest), _both(self.filled, other.filled)
        )


def _both(some: Iterable[int], others: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({*some, *others}))


def tidied(classes: NDArray[np.uint8], how: Tidying) -> NDArray[np.uint8]:
    """A mask after tidying; what is removed takes the class of most pixels around it, the first of equals.

    Args:
        classes: (H, W), places of classes; what is given is not changed.

    Returns:
        (H, W); the same where nothing is to be done, or nothing would stay.

    >>> mask = np.array([[1, 1, 0, 1, 0, 2], [1, 1, 0, 0, 0, 2]], np.uint8)
    >>> tidied(mask, Tidying(largest=(1,)))
    array([[1, 1, 0, 0, 0, 2],
           [1, 1, 0, 0, 0, 2]], dtype=uint8)
    """
    gone = np.zeros(classes.shape, np.bool_)
    for one, pixels in how.least:
        numbers, sizes = _regions(classes == one)
        gone |= (sizes < pixels)[numbers] & (numbers > 0)
    for one in how.largest:
        numbers, sizes = _regions((classes == one) & ~gone)
        if len(sizes) > 2:
            gone |= (numbers > 0) & (numbers != 1 + int(np.argmax(sizes[1:])))
    found = classes
    if gone.any() and not gone.all():
        found = _surrounded(classes, gone)
    for one in how.filled:
        holes = ndimage.binary_fill_holes(found == one) & (found == 0)
        found = np.where(holes, np.uint8(one), found)
    return found


def _surrounded(classes: NDArray[np.uint8], gone: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The mask with each region of what is gone, of whatever classes, in the class of most pixels around it."""
    numbers, count = ndimage.label(gone, _AROUND)
    votes = np.zeros((count + 1, int(classes.max()) + 1), np.int64)
    rows, columns = np.nonzero(ndimage.binary_dilation(gone, _AROUND) & ~gone)
    padded = np.pad(numbers, 1)
    beside = np.stack([padded[rows + down, columns + right] for down in range(3) for right in range(3)])
    beside.sort(axis=0)  # a pixel votes once in each region that it touches
    first = np.concatenate([np.ones((1, len(rows)), np.bool_), np.diff(beside, axis=0) > 0])
    np.add.at(votes, (beside[first], np.broadcast_to(classes[rows, columns], beside.shape)[first]), 1)
    return np.where(gone, votes.argmax(axis=1).astype(np.uint8)[numbers], classes)


def _regions(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The number of each pixel's region, (H, W), 0 outside, and the pixels of each number."""
    numbers, count = ndimage.label(inside, _AROUND)
    return numbers, np.bincount(numbers.ravel(), minlength=count + 1)


def region_sizes(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many pixels each region of a mask has, (R,).

    >>> region_sizes(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], bool))
    array([3, 2])
    """
    return _regions(inside)[1][1:]
