"""Masks that smoothing has dirtied: values between those of two classes, along their borders."""

from __future__ import annotations

from striate.core.records import Mask
from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

BORDERS = 0.2
"""Of the pixels along borders, those between two classes' numbers from which on a mask was smoothed."""
LEAST = 8
"""Pixels of a mask from which on it is told."""


@oddity("smoothed_masks", order=1)
def smoothed_masks(examined: Examined) -> Oddity | None:
    """Greys between black and white, or numbers of classes that step between those on both sides."""
    found: list[tuple[int, int]] = []
    parted = False
    for number, mask in examined.masks:
        target = examined.samples[number].target
        assert isinstance(target, Mask)
        greys = target.code.kind == "threshold"
        if mask.between >= LEAST and (greys or mask.between >= BORDERS * mask.borders):
            found.append((-mask.between, number))
            parted |= greys
    if not found:
        return None
    pixels = -sum(count for count, _ in found)
    what = "grey, and parted by the threshold" if parted else "numbers of other classes, and are taken for these"
    return Oddity(
        "smoothed masks",
        f"{plural(len(found), 'mask has', 'masks have')} {pixels:,} pixels along borders with values between those of "
        f"both sides, as smoothing leaves them: they are {what}",
        len(found),
        worst(examined.keys([number for _, number in sorted(found)])),
        "medium" if parted else "high",
        "save masks anew without smoothing: as PNG, resized by the nearest pixel",
    )
