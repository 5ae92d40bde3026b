"""Where near-duplicates chain what is apart: a class, or all of the data, that became one unit by them.

One unit can be on one side of a split alone: a class of one unit is learnt or tested, never both. That is right where
one thing was taken many times, and wrong where things are alike; only the user can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Sample
from striate.core.wording import some
from striate.data.classes import target_classes

REMEDY = (
    "if these are different things, `--set split.near_duplicates=false` keeps only groups and equal pictures together; "
    "else add pictures of others"
)


@dataclass(frozen=True)
class Chains:
    """What near-duplicates made one unit of that was several before.

    Args:
        joined: units that became the one that holds all samples; 0 where that is not so.
        classes: by class that became one unit, how many it was of.
        grouped: whether all those that were joined are groups that the data or the user gave, not single pictures.
    """

    joined: int
    classes: dict[str, int]
    grouped: bool

    def __bool__(self) -> bool:
        return bool(self.joined or self.classes)

    def __str__(self) -> str:
        """In words, as part of a sentence.

        >>> str(Chains(3, {"cat": 2}, True))
        'near-duplicates join all 3 groups into one unit'
        >>> str(Chains(0, {"cat": 2}, False))
        "near-duplicates join all 2 pictures of 'cat' into one unit"
        """
        kind = "groups" if self.grouped else "pictures"
        if self.joined:
            return f"near-duplicates join all {self.joined:,} {kind} into one unit"
        (name, count), *others = self.classes.items()
        if others:
            return f"near-duplicates join all {kind} of a class into one unit, of {some(list(self.classes))}"
        return f"near-duplicates join all {count:,} {kind} of {name!r} into one unit"

    def sentence(self) -> str:
        """What that means, and what to do about it."""
        words = str(self)
        return f"{words[:1].upper()}{words[1:]}, which is on one side of every division alone: {REMEDY}."


NO_CHAINS = Chains(0, {}, False)
"""Where near-duplicates joined nothing that matters."""


def chains(samples: Sequence[Sample], together: NDArray[np.int64], apart: NDArray[np.int64]) -> Chains:
    """Where near-duplicates made one unit of a class, or of all samples.

    Args:
        together: (N,), the unit of each sample.
        apart: (N,), the unit that it would be of without near-duplicates.
    """
    members: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        for name in target_classes(sample.target):
            members.setdefault(name, []).append(place)
    found = {
        name: len(np.unique(apart[places]))
        for name, places in sorted(members.items())
        if len(np.unique(together[places])) == 1 < len(np.unique(apart[places]))
    }
    whole = len(np.unique(apart)) if len(np.unique(together)) == 1 < len(np.unique(apart)) else 0
    told = range(len(samples)) if whole else [place for name in found for place in members[name]]
    return Chains(whole, found, all(samples[place].group is not None for place in told))
