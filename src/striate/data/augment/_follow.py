"""Boxes that follow their pictures: along the plane by which pixels were moved, and what is left of them by one rule.

An augmentation that moves what is seen says where each place of its result was taken from, as a plane: matrices
(N, 3, 3) from (across, down, 1) in the result to the same in the source, both from −1 to 1, from border to border. The
pixels are sampled by them and boxes are moved by them, so that the two cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.boxes import COUNTS, DIFFICULT, LABEL, NONE, PLAIN

Plane: TypeAlias = NDArray[np.float64]
Size: TypeAlias = tuple[int, int]

LEAST = 0.3
"""Share of a thing's box that must be left in the picture for it to be looked for: less of a thing cannot be told from
its surroundings, and to ask for more would not teach of things that are seen quite well. SSD asks for the centre in
its place (Liu et al. 2016, section 2.2), which a quarter of a thing can hold."""
SMALLEST = 1.0
"""Pixels: a box with a shorter side is dropped, as nothing of it is seen but a shade of its border."""
NEAR = 0.01
"""Pixels by which a place may lie beyond the border by rounding alone."""
TINY = 1e-6


def flat(count: int, across: float | Plane, down: float | Plane) -> Plane:
    """Planes that only stretch, (N, 3, 3): by so much of the half sides, a number or (N,)."""
    plane = np.zeros((count, 3, 3))
    plane[:, 0, 0], plane[:, 1, 1], plane[:, 2, 2] = across, down, 1
    return plane


def part(high: Plane, wide: Plane, down: Plane, right: Plane) -> Plane:
    """Planes of windows, (N, 3, 3), each at the scale that brings it to the size of the result.

    Args:
        high, wide: sides as shares of the picture's, (N,), at most 1.
        down, right: where they lie, from 0 at the top or left to 1 at the other end, (N,).
    """
    plane = flat(len(high), wide, high)
    plane[:, 0, 2] = (2 * right - 1) * (1 - wide)
    plane[:, 1, 2] = (2 * down - 1) * (1 - high)
    return plane


def window(top: int | NDArray[np.int64], left: int | NDArray[np.int64], before: Size, after: Size) -> Plane:
    """Planes of windows of a size that begin at whole pixels, (N,) or one for all, below 0 beyond the border;
    (N or 1, 3, 3)."""
    plane = flat(np.size(top), after[1] / before[1], after[0] / before[0])
    plane[:, 0, 2] = (after[1] + 2 * left) / before[1] - 1
    plane[:, 1, 2] = (after[0] + 2 * top) / before[0] - 1
    return plane


@dataclass(frozen=True)
class Boxes:
    """Boxes of pictures, and how much of each is left.

    Args:
        rows: (N, M, 7), as `striate.core.boxes.TRUTH` has them.
        shares: (N, M): of each box's area, what is still in its picture.
    """

    rows: Tensor
    shares: Tensor

    @classmethod
    def of(cls, rows: Tensor, size: Size, top: int = 0, left: int = 0) -> Boxes:
        """Boxes of pictures of a size, cut to them: what lies beyond was never seen.

        Args:
            rows: (N, M, 7), in pixels of a part of the pictures.
            top, left: where that begins.
        """
        found = cls(rows, torch.ones_like(rows[..., 0])).moved(left, top)
        for axis, side in enumerate((size[1], size[0])):
            found.rows[..., axis:LABEL:2].clamp_(0, side)
        return found

    def moved(self, across: float, down: float) -> Boxes:
        """The same by so many pixels further on."""
        rows = self.rows.clone()
        rows[..., 0:LABEL:2] += across
        rows[..., 1:LABEL:2] += down
        return replace(self, rows=rows)

    def at(self, places: Tensor) -> Boxes:
        """Those of the pictures at these places."""
        return Boxes(self.rows[places], self.shares[places])

    def followed(self, plane: Plane, before: Size, after: Size) -> Boxes:
        """The same after their pictures were sampled along a plane, each the box around what is seen of it.

        Where the plane keeps upright things upright that is exact. A box that was turned lies aslant, and the upright
        box around it is larger than the thing, unless that fills its corners.

        Args:
            plane: (N, 3, 3).
            before, after: height and width of the pictures.
        """
        back = _unit(before) @ plane @ np.linalg.inv(_unit(after))  # pixels of the result to those of the source
        border = np.array([[0, 0, 1], [after[1], 0, 1], [after[1], after[0], 1], [0, after[0], 1]], np.float64)
        seen = np.einsum("nij,kj->nki", back, border)
        seen = seen[..., :2] / seen[..., 2:]
        whole, ahead = (
            torch.from_numpy(one.astype(np.float32)).to(self.rows.device) for one in (seen, np.linalg.inv(back))
        )
        first = self.rows[..., None, 0:2]  # (N, M, 1, 2)
        sides = (self.rows[..., None, 2:LABEL] - first).clamp(min=TINY)
        cut = _in_unit((whole[:, None] - first) / sides)  # of each box what is seen, in its own sides
        edges, any_seen = _around(first + cut * sides, ahead, after)
        rows = torch.cat([edges, self.rows[..., LABEL:]], dim=-1)
        return Boxes(rows, self.shares * _area(cut) * any_seen)

    def kept(self) -> Tensor:
        """Rows (N, M, 7) of which those hold nothing whose things are gone, the others first.

        What too little is left of need not be found, but is no background either: it is `DIFFICULT` from here on.
        """
        rows = self.rows.clone()
        sides = (rows[..., 2:LABEL] - rows[..., 0:2]).amin(-1)
        stay = (rows[..., LABEL] != NONE) & (sides >= SMALLEST - 1e-4)
        less = (rows[..., COUNTS] == PLAIN) & (self.shares < LEAST - 1e-4)
        rows[..., COUNTS] = rows[..., COUNTS].masked_fill(less, DIFFICULT)
        nothing = torch.zeros_like(rows[:1, :1, :])
        nothing[..., LABEL] = NONE
        order = torch.argsort(stay.logical_not().byte(), dim=1, stable=True)
        found = torch.where(stay[..., None], rows, nothing)
        return found.gather(1, order[..., None].expand_as(found))


def _unit(size: Size) -> NDArray[np.float64]:
    """From places from −1 to 1 to pixels."""
    height, width = size
    return np.array([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1.0]])


def _around(points: Tensor, ahead: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The boxes (N, M, 4) around points (N, M, P, 2) of the source where they come to lie in the result, and whether
    any do, (N, M)."""
    x, y = points.unbind(-1)
    across, down, depth = (
        row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None] for row in ahead.unbind(1)
    )
    found = torch.stack([across, down]) / depth.clamp(min=TINY)  # (2, N, M, P); below 0 lies behind the eye
    most = torch.tensor([size[1], size[0]], dtype=found.dtype, device=found.device)[:, None, None]
    # Corners that are not seen were laid on the border of their box, and are no part of what is.
    inside = ((found > -NEAR) & (found < most[..., None] + NEAR)).all(0) & (depth > 0)
    lowest = torch.where(inside, found, torch.inf).amin(-1).clamp(min=0)
    highest = torch.minimum(torch.where(inside, found, -torch.inf).amax(-1), most)
    any_seen = inside.any(2)
    edges = torch.cat([lowest, highest]).movedim(0, -1)
    return torch.where(any_seen[..., None], edges, 0.0), any_seen


def _in_unit(polygon: Tensor) -> Tensor:
    """Of polygons (…, P, 2) what lies in the unit square, (…, 9 P, 2).

    An edge is cut where it crosses a side of the square, and what lies beyond is laid on the side: that adds no area,
    and all corners of the square that the polygon holds become corners.
    """
    for axis in (0, 1):
        start, end = polygon, polygon.roll(-1, -2)
        way = end - start
        along = way[..., axis]
        still = along.abs() < TINY
        times = [
            ((side - start[..., axis]) / torch.where(still, 1.0, along)).masked_fill(still, 0.0).clamp(0, 1)
            for side in (0.0, 1.0)
        ]
        first, last = torch.minimum(*times)[..., None], torch.maximum(*times)[..., None]
        found = torch.stack([start, start + first * way, start + last * way], dim=-2).flatten(-3, -2)
        found[..., axis].clamp_(0, 1)
        polygon = found
    return polygon


def _area(polygon: Tensor) -> Tensor:
    """Of polygons (…, P, 2), whichever way round they run."""
    after = polygon.roll(-1, -2)
    return (polygon[..., 0] * after[..., 1] - polygon[..., 1] * after[..., 0]).sum(-1).abs() / 2


class Moving(Protocol):
    """What of an augmentation is followed."""

    @property
    def apply(self) -> Callable[..., Tensor]: ...
    @property
    def bytes(self) -> bool: ...
    @property
    def plane(self) -> Callable[..., Plane] | None: ...


class FollowingMasks:
    """Masks (N, 1, H, W) that are moved as their pictures are, by the same function and draws."""

    def __init__(self, masks: Tensor) -> None:
        self.masks = masks

    def follow(
        self, one: Moving, draws: Plane, before: Size, after: Size, settings: Mapping[str, Any], told: Mapping[str, Any]
    ) -> None:
        """Move them as an augmentation moves pictures, given its settings and what it is told beside."""
        if one.bytes:
            self.masks = one.apply(self.masks, draws, **settings, **told)
            return
        present = torch.unique(self.masks)
        shares = one.apply((self.masks == present.view(1, -1, 1, 1)).float(), draws, **settings, **told)
        self.masks = present[shares.argmax(dim=1, keepdim=True)]

    def cut(self, top: int, left: int, before: Size, after: Size) -> None:
        """Take a window out of them."""
        self.masks = self.masks[..., top : top + after[0], left : left + after[1]]


class FollowingBoxes:
    """Boxes that are moved along the planes by which their pictures are.

    Args:
        boxes: in pixels of the pictures.
        fill: (C, 1, 1), what is shown beyond the pictures' border.
    """

    def __init__(self, boxes: Boxes, fill: Tensor) -> None:
        self.boxes = boxes
        self.fill = fill

    def follow(
        self, one: Moving, draws: Plane, before: Size, after: Size, settings: Mapping[str, Any], told: Mapping[str, Any]
    ) -> None:
        """Move them as an augmentation moves pictures, given its settings."""
        assert one.plane is not None, "what boxes cannot follow was refused"
        self.boxes = self.boxes.followed(one.plane(draws, before, after, **settings), before, after)

    def cut(self, top: int, left: int, before: Size, after: Size) -> None:
        """Take a window out of their pictures."""
        self.boxes = self.boxes.followed(window(top, left, before, after), before, after)


def room(most: int, rows: int) -> int:
    """Rows that a batch is given of which a picture has so many boxes at most: a power of two, so that batches come in
    few shapes, and no more than the rows that there are.

    >>> [room(most, 60) for most in (0, 1, 5, 16, 40)]
    [1, 1, 8, 16, 60]
    """
    return min(rows, 1 if most < 1 else 2 ** math.ceil(math.log2(most)))
