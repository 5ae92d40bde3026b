"""Which samples a given test's leak is told by: the same share of all, and as many of each class with it as without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.core.seeds import permutation


def drawn(
    of_tests: NDArray[np.int64], of_shared: NDArray[np.int64], train: int, count: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Places of at most so many samples in all: the same share of the test, of what each unit shares, and of training.

    Of what a unit shares with a test sample that is drawn, one sample is taken at least, or the leak would be cut away.

    Args:
        of_tests, of_shared: the units of the test samples and of what they share.
        train: how many training samples there are.

    Returns:
        places of test samples; of shared ones, one of each unit before a second of any; of training samples.

    >>> [len(places) for places in drawn(np.arange(40), np.repeat(np.arange(4), 20), 80, 50, seed=0)]
    [10, 5, 20]
    """
    share = count / (len(of_tests) + len(of_shared) + train)
    while True:
        tests, known = (_some(one, share, seed) for one in (len(of_tests), train))
        shared = _of_each_unit(of_shared, of_tests[tests], share, seed)
        total = len(tests) + len(shared) + len(known)
        if total <= count:
            return tests, shared, known
        share *= 0.95 * count / total


def exchanged(known: Sequence[str], shared: Sequence[str], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which training samples stay, and which shared ones stand in the place of the others: as many of each stratum.

    A head of more samples would score more, whatever they share.

    Args:
        known, shared: the strata of training samples, and of the shared ones, which are taken in their order.

    >>> stays, taken = exchanged(["a", "a", "b"], ["a", "b", "b", "c"], seed=0)
    >>> len(stays), taken.tolist()
    (1, [0, 1])
    """
    room, taken = Counter(known), []
    for place, stratum in enumerate(shared):
        if room[stratum]:
            room[stratum] -= 1
            taken.append(place)
    stays = []
    for place in permutation(len(known), seed, "leak exchanged").tolist():
        if room[known[place]]:
            room[known[place]] -= 1
            stays.append(place)
    return np.array(sorted(stays), np.int64), np.array(taken, np.int64)


def _some(count: int, share: float, seed: int) -> NDArray[np.int64]:
    """Places of that share of so many samples, drawn at random, in their order."""
    if share >= 1:
        return np.arange(count)
    return np.sort(permutation(count, seed, "leak given")[: round(share * count)])


def _of_each_unit(
    of_shared: NDArray[np.int64], wanted: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Places of that share of each wanted unit's samples, one at least: the first of each before the second of any."""
    order = permutation(len(of_shared), seed, "leak shared")
    order = order[np.isin(of_shared[order], wanted)]
    order = order[np.argsort(of_shared[order], kind="stable")]
    within = places_within(of_shared[order])
    most = np.maximum(1, np.round(share * np.bincount(of_shared)[of_shared[order]]))
    return order[within < most][np.argsort(within[within < most], kind="stable")]


def places_within(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of numbers in their order, which of its equals each is, from 0 on.

    >>> places_within(np.array([0, 0, 3, 3, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    begins = np.flatnonzero(np.diff(numbers, prepend=-1))
    found: NDArray[np.int64] = np.arange(len(numbers)) - np.repeat(begins, np.diff(np.append(begins, len(numbers))))
    return found
