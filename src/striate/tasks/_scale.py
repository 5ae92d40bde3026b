"""How large training pictures and their things were, by which larger pictures are cut into tiles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes among the training samples, in pixels of the pictures as they are.

    Args:
        picture: the median of their longer sides.
        thing: the longest side of a box, cut to its picture and of no crowd; 0 where there is none.
    """

    picture: int
    thing: float
