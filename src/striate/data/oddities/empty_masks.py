"""Masks without anything in them: background alone, or no class at all."""

from __future__ import annotations

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

MANY = 0.5
"""Share of masks of background alone from which on most of what is trained on shows nothing."""


@oddity("empty_masks", order=2)
def empty_masks(examined: Examined) -> Oddity | None:
    """A mask is void throughout, or background and void."""
    void = [number for number, mask in examined.masks if not mask.classes]
    empty = [
        number
        for number, mask in examined.masks
        if examined.background is not None and {one.place for one in mask.classes} == {examined.background}
    ]
    if not void and not empty:
        return None
    words = []
    if void:
        words.append(f"{plural(len(void), 'mask has', 'masks have')} no class at all, and nothing is learnt of them")
    if empty:
        share = len(empty) / len(examined.masks)
        words.append(f"{plural(len(empty), 'mask holds', 'masks hold')} background alone ({share:.0%} of all)")
    return Oddity(
        "empty masks",
        "; ".join(words),
        len(void) + len(empty),
        worst(examined.keys([*void, *empty])),
        "medium" if void or len(empty) > MANY * len(examined.masks) else "low",
        "look whether there is nothing in these pictures, or whether they were not annotated: then leave them out",
    )
