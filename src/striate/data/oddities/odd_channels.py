"""Pictures of another kind than the others: grey among colour, CMYK, transparent, or of another depth."""

from __future__ import annotations

from collections import defaultdict

from striate.core.wording import plural, some
from striate.data.examination import Facts
from striate.data.oddities import Examined, Oddity, oddity, worst
from striate.data.oddities.odd_size import RARE

_LAID = "alpha over white"


@oddity("odd_channels", order=12)
def odd_channels(examined: Examined) -> Oddity | None:
    """Pictures of a kind that at most a tenth are of, or of one that stands for a class."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(examined.facts):
        if examined.constant[number]:
            continue  # a finding of its own, and black is as grey as it is coloured
        kinds[_kind(one)].append(number)
    total = sum(map(len, kinds.values()))
    if len(kinds) < 2:
        return None
    usual = max(kinds, key=lambda kind: (len(kinds[kind]), kind))
    told = {}
    shortcut = None
    for kind, numbers in sorted(kinds.items(), key=lambda entry: (len(entry[1]), entry[0])):
        within = examined.concentrated(numbers)
        if kind != usual and (len(numbers) <= RARE * total or within is not None):
            told[kind] = numbers
            if within is not None and shortcut is None:
                shortcut = f"; {within[1]:.0%} of the class {within[0]} are {kind}, {within[2]:.0%} of the others"
    if not told:
        return None
    numbers = sorted(number for one in told.values() for number in one)
    named = some([f"{len(one):,} {kind}" for kind, one in told.items()], 4)
    return Oddity(
        "odd channels",
        f"{plural(len(numbers), 'picture is', 'pictures are')} of another kind than the usual {usual}: {named}"
        f"{shortcut or ''}",
        len(numbers),
        worst(examined.keys([number for one in told.values() for number in one])),
        "high" if shortcut else "low",
        "give the classes the same kinds of pictures: a network tells a class by what only it has"
        if shortcut
        else "look at them: drawings, scans and screenshots among photographs are often strays",
    )


def _kind(one: Facts) -> str:
    """What a picture is, in words."""
    channels = len(one.means)
    kind = "grey" if channels == 1 or one.looks.grey else "colour" if channels == 3 else f"{channels} channels"
    words = [
        kind if one.depth == 8 else f"{kind} of {one.depth} bits",
        "from CMYK" if one.mode == "CMYK" else "",
        "transparent" if _LAID in one.notes else "",
    ]
    return ", ".join(word for word in words if word)
