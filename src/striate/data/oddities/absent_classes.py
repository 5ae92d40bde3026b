"""Classes that no training mask shows."""

from __future__ import annotations

from striate.core.wording import plural, some
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("absent_classes", order=2)
def absent_classes(examined: Examined) -> Oddity | None:
    """A class is in no mask that is trained on, though it is named, or even held out."""
    if not examined.masks:
        return None
    learnt: set[int] = set()
    held: dict[int, list[int]] = {}
    for number, mask in examined.masks:
        for one in mask.classes:
            if (examined.samples[number].split or "train") == "train":
                learnt.add(one.place)
            else:
                held.setdefault(one.place, []).append(number)
    absent = [place for place in range(len(examined.names)) if place not in learnt]
    if not absent:
        return None
    asked = [place for place in absent if place in held]
    words = f"{plural(len(absent), 'class is', 'classes are')} in no training mask: "
    words += some([examined.names[place] for place in absent], 8)
    if asked:
        words += f"; held-out masks have {some([examined.names[place] for place in asked])}"
    numbers = [number for place in asked for number in held[place]]
    return Oddity(
        "classes in no training mask",
        words,
        len(set(numbers)),
        worst(dict.fromkeys(examined.keys(numbers))),
        "high" if asked else "low",
        "add masks that show them, split anew, or take them off the list of classes: they cannot be learnt",
    )
