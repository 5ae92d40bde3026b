"""Regions of few pixels, or of one pixel's width: slips of the brush, remains of a resize, or too fine to be learnt."""

from __future__ import annotations

from striate.core.wording import some
from striate.data.mask_facts import TINY
from striate.data.oddities import Examined, Oddity, oddity, worst

SHARE = 0.1
"""Of the regions that are small from which on it is told."""
LEAST = 10
"""Small regions from which on it is told."""


@oddity("small_regions", order=4)
def small_regions(examined: Examined) -> Oddity | None:
    """A tenth of the regions is below ten pixels, or thinner than two, the background's apart."""
    tiny = thin = regions = 0
    by_sample: list[tuple[int, int]] = []
    by_class: dict[int, int] = {}
    for number, mask in examined.masks:
        small = 0
        for one in mask.classes:
            if one.place == examined.background:
                continue
            tiny, thin, regions = tiny + one.tiny, thin + one.thin, regions + one.regions
            small += max(one.tiny, one.thin)
            by_class[one.place] = by_class.get(one.place, 0) + max(one.tiny, one.thin)
        if small:
            by_sample.append((-small, number))
    if max(tiny, thin) < max(LEAST, SHARE * regions):
        return None
    most = sorted((place for place in by_class if by_class[place]), key=lambda place: (-by_class[place], place))
    return Oddity(
        "tiny or thin regions",
        f"of {regions:,} regions {tiny / regions:.0%} are below {TINY} pixels and {thin / regions:.0%} thinner than 2, "
        f"most of {some([examined.names[place] for place in most])}",
        len(by_sample),
        worst(examined.keys([number for _, number in sorted(by_sample)])),
        "medium",
        "look whether they are meant: slips are best removed; what is meant needs its full resolution, and distances "
        "such as Hausdorff's feel each of them",
    )
