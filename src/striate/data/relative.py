"""Whether edges of boxes are fractions or percent of their pictures: by the share that lies so, as a few may stray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHARE = 0.99
"""Of all edges: one that was mistyped says nothing of the others."""
MARGIN = 0.05
"""Of the picture: by so much boxes may reach out of it."""

Floats = NDArray[np.float64]


def near(edges: Floats, whole: float) -> NDArray[np.bool_]:
    """Which edges lie in a picture with sides of `whole`, or just outside of it."""
    found: NDArray[np.bool_] = (edges >= -MARGIN * whole) & (edges <= (1 + MARGIN) * whole)
    return found


def are_relative(edges: Floats, whole: float) -> bool:
    """Whether as good as all edges lie in a picture with sides of `whole`, or just outside of it.

    >>> are_relative(np.array([0.5] * 99 + [1.2]), 1), are_relative(np.array([0.5] * 98 + [1.2, -0.3]), 1)
    (True, False)
    """
    return bool(edges.size) and float(near(edges, whole).mean()) >= SHARE


def strays(edges: Floats, whole: float) -> Floats:
    """The edges that lie outside of a picture with sides of `whole`."""
    found: Floats = edges[(edges < 0) | (edges > whole)]
    return found
