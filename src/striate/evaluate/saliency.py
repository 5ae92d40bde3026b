"""Where the subject of a picture is, by a prior alone: what is far from the border over edges of colour.

Geodesic saliency (Wei, Wen, Zhu and Sun 2012, "Geodesic saliency using background priors"): the background mostly
touches the border of a picture and is even, so that every part of it is reached from the border over little change of
colour; the subject lies behind edges. Nothing is learnt, and no subject is marked by anybody.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from striate.metrics import Floats

CELLS = 32
"""Cells along the longer side, over which distances are found; the paper's patches are about as many."""
LEAST_SIDE = 16
"""Pixels of the shorter side below which a picture has too few cells."""
APART = 0.7
"""Share of the variance of distances that lies between subject and background, below which neither is clear."""
AREA = (0.04, 0.6)
"""Shares of the area of a clear subject."""
AT_BORDER = 0.2
"""Share of the border that a clear subject may touch."""
MOST_BOX = 0.7
"""Share of the area that its box may have: with less left nothing is told of the background."""
_LIKE = 0.25
"""Share of the border that a part of it has to be like, to be held for background."""


def subject(image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """The pixels of the subject, (H, W), rounded up by a cell; None where no subject is clear.

    Clear is what is far from the border in one piece of a middling size, apart from the rest.

    Args:
        image: (C, H, W) on 0 to 255.
    """
    height, width = image.shape[1:]
    if min(height, width) < LEAST_SIDE:
        return None
    distances = geodesic(cells(image))
    limit, apart = otsu(np.minimum(distances, otsu(distances)[0]))  # its brightest part alone would part it from itself
    if apart < APART:
        return None
    pieces, count = label(distances > limit, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    if not count or sizes.max() < 0.8 * sizes.sum():
        return None
    piece = pieces == 1 + int(sizes.argmax())
    rim = np.concatenate([piece[0], piece[-1], piece[1:-1, 0], piece[1:-1, -1]])
    if not AREA[0] <= piece.mean() <= AREA[1] or rim.mean() > AT_BORDER:
        return None
    found = _enlarged(binary_dilation(piece), height, width)
    return found if box(found).mean() <= MOST_BOX else None


def box(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The smallest rectangle that holds all that is on, (H, W).

    >>> box(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], bool)).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    found = np.zeros_like(mask)
    if len(rows):
        found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return found


def cells(image: NDArray[Any]) -> Floats:
    """Mean colours of the cells of a picture, (h, w, C): in CIELAB where it has three channels.

    Args:
        image: (C, H, W) on 0 to 255.
    """
    height, width = image.shape[1:]
    step = max(height, width) / CELLS
    sums = np.asarray(image, np.float64)
    for axis, length in ((1, height), (2, width)):
        edges = _edges(length, step)
        sizes = np.diff(np.append(edges, length)).reshape((-1, 1) if axis == 1 else (-1,))
        sums = np.add.reduceat(sums, edges, axis=axis) / sizes
    colours = np.moveaxis(sums, 0, -1)
    return lab(colours / 255) if colours.shape[-1] == 3 else colours * (100 / 255)


def _edges(length: int, step: float) -> NDArray[np.int64]:
    """Where the cells along a side begin."""
    count = max(1, min(length, math.ceil(length / max(step, 1) - 1e-9)))
    return np.floor(np.arange(count) * length / count).astype(np.int64)


def _enlarged(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Cells as pixels."""
    step = max(height, width) / CELLS
    rows, columns = (
        np.searchsorted(_edges(length, step), np.arange(length), "right") - 1 for length in (height, width)
    )
    return mask[rows][:, columns]


def lab(colours: Floats) -> Floats:
    """CIELAB of sRGB colours, (..., 3), from 0 to 1, under D65 (CIE 15; IEC 61966-2-1).

    >>> lab(np.array([1.0, 1.0, 1.0])).round(1).tolist(), lab(np.array([1.0, 0.0, 0.0])).round(1).tolist()
    ([100.0, 0.0, 0.0], [53.2, 80.1, 67.2])
    """
    linear = np.where(colours <= 0.04045, colours / 12.92, ((np.maximum(colours, 0) + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    roots = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920,
                    0.9503041]])  # fmt: skip


def geodesic(colours: Floats) -> Floats:
    """How far each cell is from the background over edges of colour, (h, w).

    Steps below what neighbours mostly differ by cost nothing, else they would add up in a large even background (the
    paper's weight clipping); a part of the border that is unlike most of it is no background for certain, and begins as
    far as it is unlike (the paper's boundary weights, here by the distance to the like quarter of the border).

    Args:
        colours: (h, w, C).
    """
    height, width = colours.shape[:2]
    number = np.arange(height * width).reshape(height, width)
    ones, others = [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        to = number[down:, max(0, across) : width + min(0, across)]
        ones.append(number[: height - down, max(0, -across) : width - max(0, across)].ravel())
        others.append(to.ravel())
    one, other = np.concatenate(ones), np.concatenate(others)
    flat = colours.reshape(height * width, -1)
    steps = np.linalg.norm(flat[one] - flat[other], axis=1)
    least = np.full(height * width, np.inf)
    np.minimum.at(least, one, steps)
    np.minimum.at(least, other, steps)
    even = float(least.mean())
    rim = np.unique(np.concatenate([number[0], number[-1], number[:, 0], number[:, -1]]))
    unlike = np.linalg.norm(flat[rim][:, None] - flat[rim][None], axis=2)
    starts = np.sort(unlike, axis=1)[:, max(1, math.ceil(_LIKE * len(rim)) - 1)]
    background = height * width
    rows = np.concatenate([one, np.full(len(rim), background)])
    columns = np.concatenate([other, rim])
    costs = np.concatenate([steps, starts])
    costs = np.where(costs < even, 0.0, costs) + 1e-9  # a cost of nought would be no edge at all
    graph = coo_array((costs, (rows, columns)), shape=(background + 1, background + 1)).tocsr()
    found = dijkstra(graph, directed=False, indices=background)[:background]
    return np.asarray(found.reshape(height, width))


def otsu(values: Floats) -> tuple[float, float]:
    """The limit that parts values best, and the share of their variance that lies between the two sides (Otsu 1979).

    >>> limit, share = otsu(np.array([0.0, 0.0, 1.0, 1.0, 0.0]))
    >>> limit, round(share, 6)
    (0.0, 1.0)
    """
    ordered = np.sort(values.ravel())
    total = float(ordered.var())
    if total <= 1e-12:
        return float(ordered[-1]), 0.0
    count = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / count, (sums[-1] - sums[:-1]) / (len(ordered) - count)
    share = count / len(ordered)
    between = share * (1 - share) * (above - below) ** 2
    best = int(between.argmax())
    return float(ordered[best]), float(between[best] / total)
