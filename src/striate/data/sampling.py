"""How often each class is shown: in proportion to its samples, alike, in between, or no oftener than the rarest.

Classes are drawn from in turn, each through shuffled rounds of its own samples that go on from epoch to epoch, so that
each sample of a class is seen as often as any other of it. As everywhere, an epoch is a function of its number and the
seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import UnknownName
from striate.core.seeds import permutation

SAMPLINGS = ("natural", "square_root", "balanced", "undersampled")
"""By the number of a class's samples, by its root, every class alike, and as many of each as the rarest has."""


class Draws(Protocol):
    """Draws what each epoch shows."""

    def __len__(self) -> int:
        """Samples an epoch."""

    def epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which samples an epoch shows, in its order, and which time in it that each is shown, from 0 on."""


def patch_counts(sizes: NDArray[np.int64], size: tuple[int, int]) -> tuple[int, ...]:
    """How many patches an epoch shows of each picture: as many as its area has room for, and one at least.

    Args:
        sizes: (N, 2), height and width of each picture.
        size: (height, width) of a patch.

    >>> patch_counts(np.array([[512, 512], [100, 60]]), (128, 128))
    (16, 1)
    """
    areas = np.asarray(sizes, np.int64).reshape(-1, 2).prod(1)
    return tuple(np.maximum(1, np.rint(areas / (size[0] * size[1])).astype(np.int64)).tolist())


@dataclass(frozen=True)
class Repeats:
    """Draws epochs in which each sample is shown several times, shuffled.

    Args:
        times: how often, by position.
        seed: the training's seed.

    >>> draws = Repeats((1, 3), seed=0)
    >>> sorted(zip(*(part.tolist() for part in draws.epoch(0))))
    [(0, 0), (1, 0), (1, 1), (1, 2)]
    """

    times: tuple[int, ...]
    seed: int

    def __len__(self) -> int:
        """Samples an epoch."""
        return sum(self.times)

    def epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which samples an epoch shows, shuffled, and which time in this epoch it is that each is shown, from 0 on."""
        order = permutation(len(self), self.seed, "shuffle", epoch)
        samples = np.repeat(np.arange(len(self.times)), self.times)[order]
        return samples, _turns(samples)


@dataclass(frozen=True)
class Sampler:
    """Draws epochs in which classes have other shares than in the data.

    Args:
        members: the positions of each class's samples; classes without any are left out.
        quotas: how many of each class an epoch shows.
        seed: the training's seed.
    """

    members: tuple[NDArray[np.int64], ...]
    quotas: tuple[int, ...]
    seed: int

    def __len__(self) -> int:
        """Samples an epoch."""
        return sum(self.quotas)

    def epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which samples an epoch shows, shuffled, and which time in this epoch it is that each is shown, from 0 on."""
        drawn = [self._drawn(place, epoch) for place in range(len(self.members))]
        order = permutation(len(self), self.seed, "shuffle", epoch)
        samples, turns = (np.concatenate(parts)[order] for parts in zip(*drawn, strict=True))
        return samples, turns

    def _drawn(self, place: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        own, quota = self.members[place], self.quotas[place]
        count = len(own)
        rounds, places = np.divmod(epoch * quota + np.arange(quota), count)
        samples = np.empty(quota, np.int64)
        for one in np.unique(rounds):
            shuffled = own[permutation(count, self.seed, "class", place, int(one))]
            samples[rounds == one] = shuffled[places[rounds == one]]
        return samples, _turns(samples)


def sampler(name: str, classes: Sequence[int] | NDArray[np.int64], seed: int) -> Sampler | None:
    """What draws epochs by one of `SAMPLINGS`; None for "natural", which shows each sample once.

    "balanced" and "square_root" epochs are as long as the data, so that epochs keep their meaning (Kang et al. 2020,
    "Decoupling representation and classifier for long-tailed recognition", section 3.1: q = 0 and q = 1/2).

    Args:
        name: one of `SAMPLINGS`.
        classes: the class of each sample, (N,).

    >>> sampler("square_root", [0] * 16 + [1] * 4, seed=0).quotas
    (13, 7)
    >>> sampler("undersampled", [0] * 16 + [1] * 4, seed=0).quotas
    (4, 4)
    """
    if name not in SAMPLINGS:
        raise UnknownName("sampling of classes", name, SAMPLINGS)
    if name == "natural":
        return None
    known = np.asarray(classes, np.int64)
    members = tuple(np.flatnonzero(known == one) for one in np.unique(known))
    counts = np.array([len(own) for own in members], np.float64)
    if name == "undersampled":
        return Sampler(members, (int(counts.min()),) * len(members), seed)
    shares = np.ones(len(counts)) if name == "balanced" else np.sqrt(counts)
    return Sampler(members, _whole(len(known) * shares / shares.sum()), seed)


def _whole(wanted: NDArray[np.float64]) -> tuple[int, ...]:
    """Whole numbers with the same sum, by the largest remainders."""
    found = np.floor(wanted).astype(np.int64)
    missing = round(float(wanted.sum())) - int(found.sum())
    found[np.argsort(found - wanted, kind="stable")[:missing]] += 1
    return tuple(found.tolist())


def _turns(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many times each entry's sample stands before it."""
    order = np.argsort(samples, kind="stable")
    known = samples[order]
    first = np.flatnonzero(np.r_[True, known[1:] != known[:-1]])
    lengths = np.diff(np.r_[first, len(known)])
    turns = np.empty(len(samples), np.int64)
    turns[order] = np.arange(len(known)) - np.repeat(first, lengths)
    return turns
