"""Things in large pictures: looked for tile by tile, and what the tiles found put together again.

A detector takes every picture at one size, so that in one much larger than those that it learnt from things become
smaller than it has ever seen. Tiles of about the size of the training pictures keep their size (Akyon, Altinuc and
Temizel 2022, "Slicing aided hyper inference and fine-tuning for small object detection", section 3). Tiles overlap, so
that what an edge cuts is whole in a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torchvision.ops import batched_nms

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, MOST, SCORE, Floats
from striate.core.errors import UsageError
from striate.infer.tiles import starts
from striate.metrics import overlaps
from striate.tasks import Task

Side: TypeAlias = int | Literal["auto"]
"""Of a tile in pixels of the picture; "auto" is the median of the longer sides of the training pictures."""

LEAST = 32
"""Pixels of the side of a tile: in less hardly a thing can be told."""
SHARE = 4
"""The part of a tile that neighbours share, where training knows no larger thing."""
TOUCH = 2.0
"""Pixels from a tile's edge within which a box is taken to be cut by it: edges are found no more exactly."""
SAME = 0.5
"""From which overlap on boxes of a class are of one thing, as within a picture: what detectors suppress by."""
WITHIN = 0.8
"""From which share of its area on a part lies in a box: parts are found less exactly than whole things."""


class Tiling(NamedTuple):
    """How pictures are cut.

    Args:
        side: of a tile, in pixels of the picture.
        overlap: pixels that neighbouring tiles share at least.
    """

    side: int
    overlap: int


class Tile(NamedTuple):
    """A part of a picture, in its pixels; right and bottom are beyond the last."""

    left: int
    top: int
    right: int
    bottom: int


def tiling_of(task: Task, tile: Side | None, overlap: int | None = None) -> Tiling | None:
    """How a Model of a task cuts pictures; None where each is looked at whole.

    Args:
        tile: None for no tiles.
        overlap: in pixels; a quarter of the tile unless given, or where the longest side of a training box is more,
            that, as far as it is less than half of the tile.

    Raises:
        UsageError: the task is not of boxes; the tile is too small, or its size is to be that of the training pictures
            and is not known; the overlap is not below half of the tile, or given without one.
    """
    if tile is None:
        if overlap is not None:
            raise UsageError("an overlap is what tiles share, and there are none", fix="give tile too, such as auto")
        return None
    if not task.finds:
        why = "cuts large pictures by itself" if task.per_pixel else "looks at each picture whole"
        raise UsageError(f"tiles are for Models of boxes, and this one, of {task.name}, {why}", fix="leave tile out")
    scale = task.settings.scale
    if tile == "auto":
        if scale is None:
            raise UsageError(
                "this Model does not say how large its training pictures were, which tile=auto takes for a tile",
                fix="give the tile in pixels, about as large as those were",
            )
        side = max(LEAST, scale.picture)
    else:
        side = _whole(tile, "a tile", "or auto")
    if side < LEAST:
        raise UsageError(f"in a tile of {side} px nothing can be told", fix=f"give {LEAST} px or more, or auto")
    half = (side - 1) // 2
    if overlap is None:
        thing = 0 if scale is None else int(np.ceil(scale.thing))
        overlap = max(side // SHARE, min(thing, half))
    overlap = _whole(overlap, "an overlap", "below half of the tile")
    if not 0 <= overlap <= half:
        raise UsageError(
            f"tiles of {side} px cannot share {overlap} px", fix=f"give an overlap of 0 to {half} px, below half of it"
        )
    return Tiling(side, overlap)


def _whole(number: object, what: str, bound: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise UsageError(f"{what} is a whole number of pixels, {bound}, not {number!r}")
    return int(number)


def tiles(size: tuple[int, ...], tiling: Tiling) -> list[Tile]:
    """The tiles of a picture, row by row: the fewest that share the overlap at least, evenly spread.

    Args:
        size: its height and width.

    >>> tiles((64, 100), Tiling(64, 16))
    [Tile(left=0, top=0, right=64, bottom=64), Tile(left=36, top=0, right=100, bottom=64)]
    """
    down, across = (starts(side, tiling.side, tiling.overlap) for side in size)
    high, wide = (min(side, tiling.side) for side in size)
    return [Tile(left, top, left + wide, top + high) for top, left in product(down, across)]


def merged(found: Sequence[Floats], places: Sequence[Tile]) -> Floats:
    """What was found in the tiles of one picture as what is in the picture.

    A box is *cut* where it lies within `TOUCH` of an edge of its tile that is not the picture's. Then, by class:

    1. A cut box is dropped where another tile holds all of it, with room to its own inner edges: that tile has seen
       all that this one has, and what was beyond the edge. Where it found no such thing, the part only looked like one.
    2. Cut boxes of two tiles are of one thing where they agree about what both tiles see, and each ends where its tile
       does: so a thing that no tile holds is put together. It is as sure as its surest part.
    3. A cut box is dropped where it lies within a larger box that other tiles found. Suppression alone would leave it,
       as a small part overlaps its whole by little, or take it in place of the whole, as a part may be surer.
    4. Of boxes that overlap by more than `SAME` the surest stays, as in a picture that is looked at whole.

    Args:
        found: of each tile (D, 6), see `striate.core.boxes`, in the pixels of the picture.
        places: the tiles.

    Returns:
        (D, 6), the surest first, `MOST` for each tile at most.

    >>> two = tiles((64, 100), Tiling(64, 16))
    >>> merged([np.array([[30.0, 8, 64, 20, 0.8, 0]]), np.array([[36.0, 8, 90, 20, 0.9, 0]])], two).tolist()
    [[30.0, 8.0, 90.0, 20.0, 0.9, 0.0]]
    """
    if len(places) == 1:
        return found[0]
    rows = np.concatenate([np.zeros((0, FOUND)), *found])
    own = np.repeat(np.arange(len(places)), [len(one) for one in found])
    rows = _whole_things(rows, own, np.array(places, np.float64))
    edges, scores, labels = rows[:, :LABEL], rows[:, SCORE], rows[:, FOUND_LABEL]
    kept = batched_nms(*(torch.from_numpy(np.ascontiguousarray(one)) for one in (edges, scores, labels)), SAME)
    things: Floats = rows[kept.numpy()]
    return things[np.argsort(-things[:, SCORE], kind="stable")][: MOST * len(places)]


def _whole_things(rows: Floats, own: NDArray[np.int64], places: Floats) -> Floats:
    """Steps 1 to 3 of `merged`: boxes (D, 6) of tiles `own` (D,) at `places` (T, 4)."""
    whole = np.concatenate([places[:, :2].min(0), places[:, 2:].max(0)])
    inner = places != whole  # (T, 4): which edges of a tile are not the picture's
    near = (abs(rows[:, :4] - places[own]) <= TOUCH) & inner[own]
    pairs = [(one, other) for one in range(len(places)) for other in _beside(places, one) if one < other]
    of_tile = [np.flatnonzero(own == tile) for tile in range(len(places))]
    stay = np.ones(len(rows), np.bool_)
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            cut = of_tile[one][near[of_tile[one]].any(1)]
            stay[cut] &= ~_with_room(rows[cut, :4], places[other], inner[other])
    of_tile = [which[stay[which]] for which in of_tile]
    joined = [edge for pair in pairs for edge in _agreed(rows, near, of_tile, pair, places, inner)]
    ends = np.array(joined, np.int64).reshape(-1, 2).T
    _, group = connected_components(coo_array((np.ones(ends.shape[1]), ends), (len(rows), len(rows))), False)
    return _without_parts(rows[stay], own[stay], near[stay].any(1), group[stay], places)


def _beside(places: Floats, one: int) -> list[int]:
    """The other tiles that have pixels in common with one."""
    shared = _shared(places[one], places)
    found = np.flatnonzero((shared[:, 2:] > shared[:, :2]).all(1))
    return [other for other in found.tolist() if other != one]


def _with_room(edges: Floats, place: Floats, inner: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes (D, 4) a tile holds, its own inner edges more than `TOUCH` away."""
    room = np.concatenate([edges[:, :2] - place[:2], place[2:] - edges[:, 2:]], axis=1)
    return np.asarray(np.where(inner, room > TOUCH, room >= -TOUCH).all(1))


def _agreed(
    rows: Floats,
    near: NDArray[np.bool_],
    of_tile: Sequence[NDArray[np.int64]],
    pair: tuple[int, int],
    places: Floats,
    inner: NDArray[np.bool_],
) -> list[tuple[int, int]]:
    """Which boxes of two tiles are parts of one thing: each is cut by an edge that lies in the other tile, and in what
    both tiles see they are one. Of several the best, each with one of the other tile."""
    mine, its = (
        of_tile[this][(near[of_tile[this]] & _facing(places[this], inner[this], places[that])).any(1)]
        for this, that in (pair, pair[::-1])
    )
    if not len(mine) or not len(its):
        return []
    shared, found = _shared(places[pair[0]], places[pair[1]]), []
    agreement = overlaps(_shared(rows[mine, :4], shared), _shared(rows[its, :4], shared))
    agreement *= rows[mine, None, FOUND_LABEL] == rows[None, its, FOUND_LABEL]
    while agreement.max() >= SAME:
        first, second = divmod(int(agreement.argmax()), len(its))
        found.append((int(mine[first]), int(its[second])))
        agreement[first] = agreement[:, second] = 0
    return found


def _facing(place: Floats, inner: NDArray[np.bool_], other: Floats) -> NDArray[np.bool_]:
    """Which edges of a tile lie inside another, (4,)."""
    low, high = np.tile(other[:2], 2), np.tile(other[2:], 2)
    return np.asarray(inner & (place > low) & (place < high))


def _without_parts(
    rows: Floats, own: NDArray[np.int64], cut: NDArray[np.bool_], group: NDArray[np.int64], places: Floats
) -> Floats:
    """Boxes put together by their groups, without those that are parts of others: cut, and within a larger one of
    their class that other tiles found."""
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    things = rows[first].copy()
    np.minimum.at(things[:, :2], group, rows[:, :2])
    np.maximum.at(things[:, 2:LABEL], group, rows[:, 2:LABEL])
    np.maximum.at(things[:, SCORE], group, rows[:, SCORE])
    of_tile = [np.unique(group[own == tile]) for tile in range(len(places))]
    alone = cut[first] & (np.bincount(group, minlength=len(things)) == 1)
    areas, stay = _areas(things), np.ones(len(things), np.bool_)
    for tile, some in enumerate(of_tile):
        parts = some[alone[some]]
        beside = [of_tile[other] for other in _beside(places, tile)] if len(parts) else []
        others = np.setdiff1d(np.concatenate([some[:0], *beside]), some)
        inside = _areas(_shared(things[parts, None, :4], things[None, others, :4]))
        inside = (inside >= WITHIN * areas[parts, None]) & (areas[parts, None] < areas[others])
        inside &= things[parts, None, FOUND_LABEL] == things[others, FOUND_LABEL]
        stay[parts] = ~inside.any(1)
    return things[stay]


def _shared(one: Floats, other: Floats) -> Floats:
    """What boxes (…, 4) have in common; none where an edge has passed the opposite one."""
    return np.concatenate(
        [np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:4], other[..., 2:4])], axis=-1
    )


def _areas(edges: Floats) -> Floats:
    return np.asarray((edges[..., 2:4] - edges[..., :2]).clip(min=0).prod(-1))
