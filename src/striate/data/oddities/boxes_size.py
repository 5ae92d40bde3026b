"""Annotations that state another size than their picture has."""

from __future__ import annotations

from striate.core.records import Boxes
from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("boxes_size", order=13)
def boxes_size(examined: Examined) -> Oddity | None:
    """The stated height and width are not the decoded picture's: boxes may be of a larger copy, or of one turned."""
    odd, turned, example = [], 0, ""
    for sample, fact in zip(examined.samples, examined.facts, strict=True):
        stated = sample.target.size if isinstance(sample.target, Boxes) else None
        if stated is None or stated == (fact.height, fact.width):
            continue
        odd.append(sample.key)
        turned += stated == (fact.width, fact.height)
        example = example or f"{stated[1]}×{stated[0]} stated of one of {fact.width}×{fact.height}"
    if not odd:
        return None
    words = f", {turned} of them as if it was turned by a quarter" if turned else ""
    return Oddity(
        "annotations of another size",
        f"{plural(len(odd), 'annotation states', 'annotations state')} another size than the picture has{words}, such "
        f"as {example}",
        len(odd),
        worst(odd),
        "high",
        "look whether the boxes fit: the picture was resized, or is turned by its EXIF, and the boxes are not",
    )
