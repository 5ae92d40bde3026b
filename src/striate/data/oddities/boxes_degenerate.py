"""Boxes of the data that are none: without width or height, or with an edge that is no number."""

from __future__ import annotations

from striate.core.records import Boxes
from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("boxes_degenerate", order=15)
def boxes_degenerate(examined: Examined) -> Oddity | None:
    """Any box was dropped when the data was read."""
    odd = [one for one in examined.samples if isinstance(one.target, Boxes) and one.target.dropped]
    if not odd:
        return None
    odd.sort(key=lambda one: (-len(one.target.dropped) if isinstance(one.target, Boxes) else 0, one.key))
    reasons = [reason for one in odd if isinstance(one.target, Boxes) for reason in one.target.dropped]
    return Oddity(
        "boxes that are none",
        f"{plural(len(reasons), 'box has', 'boxes have')} no width or height or an edge that is no number, and "
        f"{'is' if len(reasons) == 1 else 'are'} dropped: {reasons[0]}",
        len(odd),
        worst(one.key for one in odd),
        "medium",
        "correct or remove them: what they stand for is missing, and is taught as background",
    )
