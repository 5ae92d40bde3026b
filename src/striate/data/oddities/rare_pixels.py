"""Classes that hold few of the pixels, or none of those that are trained on."""

from __future__ import annotations

from collections import Counter

from striate.core.wording import plural, some
from striate.data.oddities import Examined, Oddity, oddity, worst

RATIO = 100
"""Of the largest class to the smallest, in pixels."""


@oddity("rare_pixels", order=3)
def rare_pixels(examined: Examined) -> Oddity | None:
    """The largest class has a hundred times the pixels of the smallest, or more; classes without any are told apart."""
    counts: Counter[int] = Counter()
    for _, mask in examined.masks:
        counts.update({one.place: one.pixels for one in mask.classes})
    if not counts or max(counts.values()) < RATIO * min(counts.values()):
        return None
    total = counts.total()
    largest = max(counts, key=lambda place: (counts[place], -place))
    small = sorted((place for place in counts if RATIO * counts[place] <= counts[largest]), key=counts.__getitem__)
    shown = some([f"{examined.names[place]} ({counts[place] / total:.2%})" for place in small])
    rarest = sorted(
        (-one.pixels, number) for number, mask in examined.masks for one in mask.classes if one.place == small[0]
    )
    return Oddity(
        "classes of few pixels",
        f"{examined.names[largest]} holds {counts[largest] / total:.1%} of the pixels; "
        f"{plural(len(small), 'class holds', 'classes hold')} a hundredth of it or less: {shown}",
        len(rarest),
        worst(examined.keys([number for _, number in rarest])),
        "medium",
        "judge by the mean IoU and each class's own, as pixel accuracy hardly sees these classes; the plan chooses the "
        "loss by the shares",
    )
