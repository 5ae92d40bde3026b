"""Boxes as rows of numbers, so that they go through batches, networks and metrics as every other target does.

A truth is a row of `TRUTH` numbers: x1, y1, x2, y2, the class (from 0), how it counts (`PLAIN`, `DIFFICULT` or
`CROWD`) and the area of the thing itself, 0 where that of the box counts. What is found is a row of `FOUND` numbers:
x1, y1, x2, y2, the score from 0 to 1 and the class. A row of the class `NONE` holds nothing: pictures of a batch have
equally many rows, and those that hold something come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRUTH, FOUND = 7, 6
LABEL, COUNTS, AREA = 4, 5, 6
"""Columns of a truth, beside its edges."""
SCORE, FOUND_LABEL = 4, 5
"""Columns of what is found, beside its edges."""
PLAIN, DIFFICULT, CROWD = 0.0, 1.0, 2.0
NONE = -1.0
MOST = 100
"""What a network finds in a picture at most."""


class Frame(NamedTuple):
    """Where a picture lies in a network's input: x there is left + across · x, y is top + down · y.

    Args:
        left, top: of the picture's corner, in pixels of the input; negative where it was cut.
        across, down: pixels of the input for one of the picture.
        height, width: of the picture.
    """

    left: float
    top: float
    across: float
    down: float
    height: float
    width: float

    def into(self, edges: Floats) -> Floats:
        """Edges (…, 4) in the picture's pixels as they lie in the input."""
        return edges * self._scale + self._corner

    def back(self, edges: Floats) -> Floats:
        """Edges (…, 4) in the input's pixels as they lie in the picture, cut to it."""
        found = (edges - self._corner) / self._scale
        return np.clip(found, 0.0, [self.width, self.height, self.width, self.height])

    @property
    def _scale(self) -> Floats:
        return np.array([self.across, self.down, self.across, self.down])

    @property
    def _corner(self) -> Floats:
        return np.array([self.left, self.top, self.left, self.top])


def stacked(rows: Sequence[Floats], columns: int, least: int = 0) -> Floats:
    """Rows of several pictures, each (B, columns), as one array (N, M, columns); M is the most of any, and `least`.

    >>> stacked([np.ones((1, 6)), np.zeros((0, 6))], 6)[:, :, 5].tolist()
    [[1.0], [-1.0]]
    """
    most = max([least, *(len(one) for one in rows)])
    found = empty(len(rows), most, columns)
    for place, one in zip(found, rows, strict=True):
        place[: len(one)] = one
    return found


def empty(pictures: int, most: int, columns: int) -> Floats:
    """Rows that hold nothing, (N, M, columns): zeros, of the class `NONE`."""
    found = np.zeros((pictures, most, columns))
    found[..., LABEL if columns == TRUTH else FOUND_LABEL] = NONE
    return found


HEAD = 2
"""Numbers before the rows in what `joined` gives: how many there are of what is found, and of truths."""


def joined(found: Floats, truths: Floats) -> Floats:
    """What was found in pictures (N, D, 6) and their truths (N, M, 7) as one row each, (N, 2 + 6 D + 7 M), which is
    what metrics are given: D and M, then the rows.

    >>> joined(np.zeros((1, 1, 6)), np.ones((1, 1, 7))).tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    count, most, true = len(found), found.shape[1], truths.shape[1]
    head = np.tile([float(most), float(true)], (count, 1))
    return np.concatenate([head, found.reshape(count, most * FOUND), truths.reshape(count, true * TRUTH)], axis=1)


def parted(rows: Floats) -> tuple[Floats, Floats]:
    """What `joined` joined: (N, D, 6) and (N, M, 7). Raises `ValueError` where the rows are of something else."""
    rows = np.asarray(rows, np.float64)
    if not len(rows):
        return np.zeros((0, 0, FOUND)), np.zeros((0, 0, TRUTH))
    most, truths = (int(number) for number in rows[0, :HEAD])
    split = HEAD + FOUND * most
    if (rows[:, :HEAD] != rows[0, :HEAD]).any() or rows.shape[1] != split + TRUTH * truths:
        raise ValueError(f"rows {rows.shape} are not those of boxes, or of pictures with other numbers of rows")
    count = len(rows)
    return rows[:, HEAD:split].reshape(count, most, FOUND), rows[:, split:].reshape(count, truths, TRUTH)


def together(parts: Sequence[Floats]) -> Floats:
    """What `joined` gave for several sets of pictures as one, though they have room for other numbers of boxes."""
    several = [parted(part) for part in parts if len(part)]
    if not several:
        return np.zeros((0, HEAD))
    most = [max(one[side].shape[1] for one in several) for side in (0, 1)]
    found, truths = (
        np.concatenate([stacked(list(one[side]), columns, most[side]) for one in several])
        for side, columns in enumerate((FOUND, TRUTH))
    )
    return joined(found, truths)
