"""Classes of unequal size."""

from __future__ import annotations

from striate.core.wording import plural
from striate.data.classes import target_classes
from striate.data.oddities import Examined, Oddity, oddity

RATIO = 5
"""Of the largest class to the smallest."""


@oddity("imbalance", order=3)
def imbalance(examined: Examined) -> Oddity | None:
    """The largest class has five times the samples of the smallest, or more."""
    counts = {name: count for name, count in examined.classes.items() if count}
    if not counts or max(counts.values()) < RATIO * min(counts.values()):
        return None
    smallest = min(counts, key=lambda name: (counts[name], name))
    largest = max(counts, key=lambda name: (counts[name], name))
    small = sum(RATIO * count <= counts[largest] for count in counts.values())
    return Oddity(
        "unbalanced classes",
        f"the largest class, {largest}, has {counts[largest]:,} samples, the smallest, {smallest}, "
        f"{counts[smallest]:,}; {plural(small, 'class has', 'classes have')} a fifth of the largest or less",
        sum(count for count in counts.values() if RATIO * count <= counts[largest]),
        tuple(sample.key for sample in examined.samples if smallest in target_classes(sample.target))[:1],
        "medium",
        "judge by macro figures; the plan tries remedies where the ratio asks for them, and takes one that is named",
        "--set imbalance.remedy=class_weights",
    )
