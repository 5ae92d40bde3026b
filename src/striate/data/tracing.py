"""Pixels as outlines: the regions of a mask along the edges of their pixels, with their holes.

Filled again by the even-odd rule at pixel centres, all rings of all regions give the same mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from striate.core.records import VOID

Ring = NDArray[np.int64]

# The sides of a pixel in the order east, south, west, north, so that the pixel lies on the right of each: where the
# side begins, as (row, column) from the pixel's first corner, and the step to the pixel across it.
_BEGINS = ((0, 0), (0, 1), (1, 1), (1, 0))
_ACROSS = ((-1, 0), (0, 1), (1, 0), (0, -1))
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


@dataclass(frozen=True)
class Traced:
    """A region: pixels of one class that hang together by their sides.

    Args:
        place: its class.
        area: pixels.
        rings: corners (P, 2), x and y in whole pixels from the picture's upper left corner, without the first again at
            the end. The first ring is the outer one, whose area by the shoelace formula is above 0; the others are
            holes, with areas below 0. No ring touches itself, and rings touch one another in corners at most.
    """

    place: int
    area: int
    rings: tuple[Ring, ...]

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        left, top = self.rings[0].min(axis=0).tolist()
        right, bottom = self.rings[0].max(axis=0).tolist()
        return left, top, right - left, bottom - top


def trace(classes: NDArray[np.uint8], *, background: int | None = 0) -> list[Traced]:
    """The regions of a mask, by class, and in each by their first pixel, row by row.

    Args:
        classes: (H, W); `VOID` is not traced.
        background: a class that is not traced either; None where there is no such.

    >>> (square,) = trace(np.array([[0, 3, 3], [0, 3, 3]], np.uint8))
    >>> square.place, square.area, square.box, square.rings[0].tolist()
    (3, 4, (1, 0, 2, 2), [[1, 0], [3, 0], [3, 2], [1, 2]])
    """
    numbers, places = _numbered(classes, background)
    if not places:
        return []
    areas = np.bincount(numbers.ravel(), minlength=len(places) + 1)[1:]
    rings: list[list[Ring]] = [[] for _ in places]
    for number, ring in _rings(numbers):
        rings[number - 1].append(ring)
    return [
        Traced(place, int(area), tuple(sorted(own, key=shoelace, reverse=True)))
        for place, area, own in zip(places, areas, rings, strict=True)
    ]


def shoelace(ring: Ring) -> float:
    """The area that a ring encloses, in pixels; below 0 where it runs the other way round.

    >>> shoelace(np.array([[0, 0], [2, 0], [2, 3], [0, 3]]))
    6.0
    """
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _numbered(classes: NDArray[np.uint8], background: int | None) -> tuple[NDArray[np.int64], list[int]]:
    """The number of each pixel's region from 1 on, 0 where none is traced; and the class of each region."""
    numbers, places = np.zeros(classes.shape, np.int64), list[int]()
    for place in np.unique(classes).tolist():
        if place not in (VOID, background):
            found, count = ndimage.label(classes == place)  # by sides
            numbers += np.where(found > 0, found + len(places), 0)
            places += [place] * count
    return numbers, places


def _rings(numbers: NDArray[np.int64]) -> list[tuple[int, Ring]]:
    """Closed lines of corners around each region and each of its holes, with the region's number."""
    padded = np.pad(numbers, 1)
    starts: list[NDArray[np.int64]] = []
    turns: list[NDArray[np.int64]] = []
    owners: list[NDArray[np.int64]] = []
    for towards, ((down, right), (row, column)) in enumerate(zip(_BEGINS, _ACROSS, strict=True)):
        beyond = padded[1 + row : 1 + row + numbers.shape[0], 1 + column : 1 + column + numbers.shape[1]]
        rows, columns = np.nonzero((numbers > 0) & (numbers != beyond))
        starts.append(np.stack([rows + down, columns + right], axis=1))
        turns.append(np.full(len(rows), towards))
        owners.append(numbers[rows, columns])
    start, turn, owner = np.concatenate(starts), np.concatenate(turns), np.concatenate(owners)
    after = _following(start, turn, owner, numbers.shape[1] + 1)
    # A corner is where the direction changes; what lies between two corners is passed over.
    corner = np.zeros(len(start), np.bool_)
    corner[after] = turn[after] != turn
    seen, following = [False] * len(start), after.tolist()
    found: list[tuple[int, Ring]] = []
    corners = corner.tolist()
    for first in range(len(start)):
        if seen[first]:
            continue
        ring: list[int] = []
        side = first
        while not seen[side]:
            seen[side] = True
            if corners[side]:
                ring.append(side)
            side = following[side]
        found.append((int(owner[first]), start[ring][:, ::-1]))
    return found


def _following(
    start: NDArray[np.int64], turn: NDArray[np.int64], owner: NDArray[np.int64], stride: int
) -> NDArray[np.int64]:
    """The side that follows each, (S,).

    Where pixels of a region touch in a corner alone, the line crosses over to the other pixel (it turns left): they
    hang together elsewhere, so that what lies between is a hole, and no line passes a corner twice.
    """
    keys = (start[:, 0] * stride + start[:, 1]) * 4 + turn
    order = np.argsort(keys)
    known = keys[order]
    ends = start + _STEPS[turn]
    at = (ends[:, 0] * stride + ends[:, 1]) * 4
    found = np.full(len(start), -1)
    for change in (1, 0, 3):  # right, straight on, left: what is tried later wins
        wanted = at + (turn + change) % 4
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        other = order[place]
        fits = (known[place] == wanted) & (owner[other] == owner)
        found[fits] = other[fits]
    return found
