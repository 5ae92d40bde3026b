"""Where regions end: boundaries of classes in two maps of one picture, and how far they lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from striate.core.records import VOID

PERCENTILE = 95.0


@dataclass(frozen=True)
class Surfaces:
    """The ends of each class's regions in one map.

    Args:
        points: by class, the pixels (P, 2), row and column, that touch by a side what is not of the class: another
            class, void, or the picture's edge.
        inner: by class, (P,), which of these touch another class, so that an end was there to be found.
    """

    points: dict[int, NDArray[np.int64]]
    inner: dict[int, NDArray[np.bool_]]


def surfaces(classes: NDArray[np.uint8]) -> Surfaces:
    """The ends of each class's regions.

    Args:
        classes: (H, W); `VOID` is no class.
    """
    inner, outer = np.zeros(classes.shape, np.bool_), np.zeros(classes.shape, np.bool_)
    known = classes != VOID
    for axis in (0, 1):
        one, other = (_without(classes, axis, last) for last in (True, False))
        apart = one != other
        found = apart & _without(known, axis, True) & _without(known, axis, False)
        for last in (True, False):
            _without(outer, axis, last)[...] |= apart
            _without(inner, axis, last)[...] |= found
    for line in (outer[:1], outer[-1:], outer[:, :1], outer[:, -1:]):
        line[...] = True
    points = np.argwhere(outer & known)
    of = classes[points[:, 0], points[:, 1]]
    within = inner[points[:, 0], points[:, 1]]
    present = [int(one) for one in np.unique(of)]
    return Surfaces({one: points[of == one] for one in present}, {one: within[of == one] for one in present})


def hits(points: NDArray[np.int64], others: NDArray[np.int64], tolerance: float) -> int:
    """How many of the points lie at most `tolerance` from the nearest of the others; all (P, 2), in pixels.

    >>> hits(np.array([[0, 0], [0, 5]]), np.array([[0, 1]]), 1.0)
    1
    """
    if not len(points) or not len(others):
        return 0
    # The tree leaves out what lies at the bound itself.
    nearest, _ = _tree(others).query(points, distance_upper_bound=np.nextafter(tolerance, np.inf))
    return int(np.isfinite(nearest).sum())


def hausdorff(points: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """The distance within which 95 % of each surface lie from the nearest point of the other, in pixels.

    It is the larger of both 95th percentiles (Huttenlocher et al. 1993, "Comparing images using the Hausdorff
    distance"; Maier-Hein et al. 2024, "Metrics reloaded", HD95).

    Args:
        points, others: (P, 2), neither empty.

    >>> hausdorff(np.array([[0, 0]]), np.array([[3, 4]]))
    5.0
    """
    return max(float(np.percentile(_tree(b).query(a)[0], PERCENTILE)) for a, b in ((points, others), (others, points)))


def tolerance(height: int, width: int) -> float:
    """How far a boundary may lie from the true one and still be a hit: 0.75 % of the picture's diagonal, at least 1 px.

    Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?".

    >>> tolerance(30, 40), tolerance(300, 400)
    (1.0, 3.75)
    """
    return max(1.0, 0.0075 * math.hypot(height, width))


def _tree(points: NDArray[np.int64]) -> Any:
    # A grid's points are spread evenly, which needs no balancing.
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _without(values: NDArray[Any], axis: int, last: bool) -> NDArray[Any]:
    """A view without the last or the first line along an axis."""
    line = slice(None, -1) if last else slice(1, None)
    return values[line] if axis == 0 else values[:, line]
