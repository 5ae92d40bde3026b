"""Outlines as pixels: polygons by the even-odd rule at pixel centres, and COCO's run lengths.

**Polygons.** A pixel's centre lies at a half: that of the first pixel at (0.5, 0.5). A pixel is inside where a ray from
its centre to the left crosses the polygon's sides an odd number of times; of a centre on a side, the pixel is inside
where the polygon lies to the right of the side, or below a level one. Polygons that share a side so share no pixel and
leave none out. COCO's own code decides by the same rule, but on corners rounded to fifths of a pixel and along traced
lines: it differs only in pixels whose centre is within 0.3 px of a side.

**Run lengths** go down the columns, of outside and inside in turn, and begin with outside. As text, each is a number of
5 bits a character and, from the fourth on, the difference to the one before the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError

_FIRST, _LAST = 48, 48 + 63  # the characters of COCO's text
_MORE, _SIGN, _BITS = 0x20, 0x10, 5


def inside_polygon(corners: Sequence[float], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels a polygon encloses.

    Args:
        corners: (x1, y1, x2, y2, …) in pixels; the last is joined to the first. May leave the picture.
        size: (height, width).

    Returns:
        (height, width).

    Raises:
        DataError: an odd count of numbers, or numbers that are not finite.

    >>> inside_polygon([1, 0, 3, 0, 3, 2, 1, 2], (3, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    found = np.zeros(size, np.bool_)
    fill_polygon(found, corners, True)
    return found


def fill_polygon(pixels: NDArray[Any], corners: Sequence[float], value: int) -> None:
    """Set the pixels that a polygon encloses; looks at no more than the rows and columns that it spans.

    Args:
        pixels: (H, W), changed in place.
        corners, value: as for `inside_polygon`, and what to set.

    Raises:
        DataError: as for `inside_polygon`.
    """
    height, width = pixels.shape
    points = np.asarray(corners, np.float64)
    if points.size % 2 or not np.isfinite(points).all():
        raise DataError(
            f"an outline has {points.size} numbers, where pairs of finite x and y were expected",
            fix="correct the outline in the annotations",
        )
    if points.size < 6:
        return  # a point or a line has nothing inside
    points = points.reshape(-1, 2)
    left, top = (int(one) for one in np.clip(np.floor(points.min(0)), 0, (width, height)))
    right, bottom = (int(one) for one in np.clip(np.ceil(points.max(0)), 0, (width, height)))
    rows, columns = _crossings(points - (left, top), bottom - top, right - left)
    turns = np.zeros((bottom - top, right - left + 1), np.int32)
    np.add.at(turns, (rows, columns), 1)
    inside = np.cumsum(turns, axis=1)[:, :-1] % 2 == 1
    pixels[top:bottom, left:right][inside] = value


def _crossings(points: NDArray[np.float64], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each side and each row whose centres it crosses: the row, and the first column right of the crossing.

    A column is right of it where its centre is, or is on it.
    """
    ends = np.roll(points, -1, axis=0)
    downward = (points[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(downward, points, ends), np.where(downward, ends, points)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)  # half-open: a corner counts once
    last = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64)
    counts = last - first
    side = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[side]
    slope = (lower[side] - upper[side])[:, 0] / (lower[side] - upper[side])[:, 1]
    crossed = upper[side, 0] + (rows + 0.5 - upper[side, 1]) * slope
    return rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(np.int64)


def inside_runs(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels run lengths cover.

    Args:
        counts: of outside and inside in turn, down the columns.
        size: (height, width) that they are of.

    Raises:
        DataError: they do not add up to the picture, or one is negative.

    >>> inside_runs([1, 2, 3], (3, 2)).astype(int).tolist()
    [[0, 0], [1, 0], [1, 0]]
    """
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise DataError(
            f"run lengths cover {int(runs.sum()):,} pixels of {size[0]} × {size[1]} = {size[0] * size[1]:,}",
            fix="correct the run lengths, or the size beside them",
        )
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size[1], size[0]).T


def runs_from_text(text: str) -> tuple[int, ...]:
    """Run lengths that COCO has written as text.

    Raises:
        DataError: a character that it does not use, or an end within a number.

    >>> runs_from_text(runs_to_text([0, 5, 100, 4, 1000]))
    (0, 5, 100, 4, 1000)
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - _FIRST
        if not 0 <= code <= _LAST - _FIRST:
            raise DataError(
                f"run lengths hold the character {character!r}, which COCO's text does not",
                fix="write them anew, for instance with pycocotools",
            )
        value |= (code & 0x1F) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("run lengths end within a number", fix="fetch the annotations again: they are cut off")
    return tuple(runs)


def runs_to_text(runs: Sequence[int]) -> str:
    """Run lengths as COCO writes them.

    >>> runs_to_text([1, 2, 3])
    '123'
    """
    text = []
    for place, run in enumerate(runs):
        value = run - (runs[place - 2] if place > 2 else 0)
        while True:
            code = value & 0x1F
            value >>= _BITS
            more = value != -1 if code & _SIGN else value != 0
            text.append(chr(_FIRST + (code | _MORE if more else code)))
            if not more:
                break
    return "".join(text)


def runs_of(inside: NDArray[np.bool_]) -> tuple[int, ...]:
    """Run lengths of pixels (H, W), as `inside_runs` reads them.

    >>> runs_of(np.array([[False, True]]))
    (1, 1)
    """
    flat = np.concatenate([[False], inside.T.ravel()])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return tuple(np.diff(np.concatenate([[0], changes, [inside.size]])).tolist())
