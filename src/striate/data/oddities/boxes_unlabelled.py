"""Pictures without annotation among those that have one."""

from __future__ import annotations

from striate.core.records import Boxes
from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("boxes_unlabelled", order=18)
def boxes_unlabelled(examined: Examined) -> Oddity | None:
    """A picture has no annotation, which is another thing than one that says that nothing is there."""
    bare = [one.key for one in examined.samples if one.target is None]
    if not bare or not any(isinstance(one.target, Boxes) for one in examined.samples):
        return None
    return Oddity(
        "pictures without annotation",
        f"{plural(len(bare), 'picture has', 'pictures have')} no annotation, of {len(examined.samples):,}",
        len(bare),
        worst(bare),
        "medium",
        "annotate them, with no box where nothing is there, or take them out: what is in them is not known",
    )
