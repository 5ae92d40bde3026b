"""What oddities are found by: the undamaged samples with what one decode told of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Label, Sample
from striate.data.boxes import AllBoxes, all_boxes
from striate.data.classes import BACKGROUNDS
from striate.data.examination import Facts
from striate.data.mask_facts import MaskFacts
from striate.data.prepare import LUMA

CONSTANT = 1.3
"""Of 255: the deviation below which a picture holds nothing."""

_SEVERAL = 5
_NORMAL = 1.4826  # the deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class Examined:
    """The undamaged samples, sorted by key, and the facts of each.

    Args:
        full_scale: the value that means white in the deepest pictures, where those have more than 8 bits.
        classes: undamaged samples of each class, also of none; empty for values.
        given: the splits that the data itself gives.
        depth: bits of the deepest pictures, also of those that the user leaves out.
        names: the classes by place, as masks have them.
        unpaired: files without their mask or their picture, and which of the two is missing.
    """

    samples: Sequence[Sample]
    facts: Sequence[Facts]
    full_scale: float
    classes: dict[str, int]
    given: frozenset[str] = frozenset()
    depth: int = 16
    names: Sequence[str] = ()
    unpaired: Mapping[str, str] = field(default_factory=dict)

    def white(self, number: int) -> float:
        """The value that means white in a sample's picture."""
        depth = self.facts[number].depth
        if depth == 16 and self.depth > 16:  # the scale is that of the deepest
            return 65535.0
        return 255.0 if depth == 8 else self.full_scale

    @cached_property
    def masks(self) -> list[tuple[int, MaskFacts]]:
        """The number of each sample with a mask, and what a look at the mask told."""
        return [(number, one.mask) for number, one in enumerate(self.facts) if one.mask is not None]

    @property
    def background(self) -> int | None:
        """The place of the background among the classes; None where none is called so."""
        return 0 if self.names and self.names[0].lower() in BACKGROUNDS else None

    @cached_property
    def brightness(self) -> NDArray[np.float64]:
        """Of each picture, the mean from 0 (black) to 1 (white)."""
        found = [
            (float(np.dot(one.means, LUMA)) if len(one.means) == 3 else sum(one.means) / len(one.means))
            / self.white(number)
            for number, one in enumerate(self.facts)
        ]
        return np.array(found, np.float64)

    @cached_property
    def constant(self) -> NDArray[np.bool_]:
        """Which pictures hold one shade only."""
        found = []
        for number, one in enumerate(self.facts):
            variance = max(square - mean**2 for mean, square in zip(one.means, one.squares, strict=True))
            found.append(one.low == one.high or max(0.0, variance) ** 0.5 < CONSTANT / 255 * self.white(number))
        return np.array(found, np.bool_)

    @cached_property
    def of_class(self) -> dict[str, list[int]]:
        """The numbers of the samples of each class; of samples with one class only."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, sample in enumerate(self.samples):
            if isinstance(sample.target, Label):
                found[sample.target.name].append(number)
        return dict(sorted(found.items()))

    @cached_property
    def boxes(self) -> AllBoxes:
        """The boxes of all samples; of other targets there are none."""
        return all_boxes(self.samples, self.facts)

    def keys(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The keys of samples, in the order of their numbers."""
        return [self.samples[int(number)].key for number in numbers]

    def concentrated(self, numbers: Sequence[int] | NDArray[np.int64]) -> tuple[str, float, float] | None:
        """The class in which samples are much more common than in the others: its name, its share and theirs.

        None where no class has five of them and a share that exceeds that of the others by 0.3 and threefold.
        """
        marked = {int(number) for number in numbers}
        found = None
        for name, members in self.of_class.items():
            inside = sum(number in marked for number in members)
            others = sum(len(one) for one in self.of_class.values()) - len(members)
            if inside < _SEVERAL or not others:
                continue
            outside = sum(self._is_labelled(number) for number in marked) - inside
            share, theirs = inside / len(members), outside / others
            if share >= theirs + 0.3 and share >= 3 * theirs and (found is None or share > found[1]):
                found = name, share, theirs
        return found

    def _is_labelled(self, number: int) -> bool:
        return isinstance(self.samples[number].target, Label)


class Outlier(NamedTuple):
    """A value far from the others: the sample's number, and by how many allowed distances it is off, with its sign."""

    number: int
    distance: float


def outliers(values: NDArray[np.float64], floor: float, deviations: float = 3.5) -> list[Outlier]:
    """Values further from the median than robust deviations say (Iglewicz and Hoaglin 1993), the furthest first.

    Args:
        values: (N,); those that are not finite are left out.
        floor: the distance that is always allowed, so that nothing is odd among near-equals.
        deviations: how many are allowed, each 1.4826 median absolute deviations.

    >>> [one.number for one in outliers(np.array([1.0, 1.1, 0.9, 1.0, 7.0]), 0.5)]
    [4]
    """
    finite = np.isfinite(values)
    if not finite.any():
        return []
    middle = float(np.median(values[finite]))
    spread = _NORMAL * float(np.median(np.abs(values[finite] - middle)))
    distances = (values - middle) / max(floor, deviations * spread)
    found = [Outlier(int(n), float(distances[n])) for n in np.flatnonzero(finite & (np.abs(distances) > 1))]
    return sorted(found, key=lambda one: (-abs(one.distance), one.number))
