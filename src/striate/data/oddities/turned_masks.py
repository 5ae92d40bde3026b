"""Pictures that a camera's note turns, while their masks stay as they are."""

from __future__ import annotations

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

TURNED = "turned by EXIF"


@oddity("turned_masks", order=1)
def turned_masks(examined: Examined) -> Oddity | None:
    """A picture with a mask is turned by its EXIF orientation; masks carry none."""
    found = [number for number, _ in examined.masks if TURNED in examined.facts[number].notes]
    if not found:
        return None
    return Oddity(
        "turned pictures with masks",
        f"{plural(len(found), 'picture is', 'pictures are')} turned by EXIF, and the mask is taken as it is: one drawn "
        "on the picture as it is stored does not fit",
        len(found),
        worst(examined.keys(found)),
        "high",
        "look at these, and where they do not fit, store the pictures upright and without the note",
    )
