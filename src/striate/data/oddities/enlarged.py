"""Pictures enlarged from a smaller size: their detail ends far below what their pixels could hold."""

from __future__ import annotations

import numpy as np

from striate.data.detail import ENLARGED
from striate.data.oddities import Examined, Oddity, oddity, worst

SMALLEST = 64
"""Side in pixels below which soft pictures lose too much by being made smaller."""
SHARE = 0.25
"""Of the pictures, or of those of a class; fewer are soft ones, as every set has them."""


@oddity("enlarged", order=5)
def enlarged(examined: Examined) -> Oddity | None:
    """Detail ends below 0.6 of the resolution in a quarter of the pictures, or in one class far more than in others."""
    sides = np.array([min(one.height, one.width) for one in examined.facts], np.float64)
    reach = np.array([one.detail for one in examined.facts], np.float64)
    soft = (reach < ENLARGED) & (sides >= SMALLEST) & ~examined.constant
    if not soft.any():
        return None
    numbers = np.flatnonzero(soft)
    within = examined.concentrated(numbers)
    share = len(numbers) / len(sides)
    if share < SHARE and within is None:
        return None
    side, true = float(np.median(sides[soft])), float(np.median((sides * reach)[soft]))
    text = (
        f"{share:.0%} of the pictures look enlarged, or soft: of {side:.0f} px on the short side they fill about "
        f"{true:.0f} with detail, in the median"
    )
    if within is not None:
        text += f"; {within[1]:.0%} of the class {within[0]}, {within[2]:.0%} of the others"
    order = sorted((int(number) for number in numbers), key=lambda number: (reach[number], number))
    return Oddity(
        "enlarged pictures",
        text,
        len(numbers),
        worst(examined.keys(order)),
        "high" if within is not None else "medium",
        "look for the originals, and give all classes the same: a network tells a class by how soft it is"
        if within is not None
        else f"look for the originals; from scratch, sides much above {true:.0f} px cost time and teach little, and "
        "the plan chooses by that",
    )
