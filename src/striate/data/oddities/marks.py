"""Marks in fixed places that the pictures of a class share: watermarks, logos, stamps, time displays.

A network tells such a class by its mark. The edges of what a camera sees lie elsewhere in every picture, so that in the
mean over a class they cancel; those of a mark stay. Only the outer parts are looked at: in aligned pictures (digits,
faces, cells) the things themselves share a place, in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from striate.core.wording import some
from striate.data.looks import SMALL_SIDE
from striate.data.oddities import Examined, Oddity, oddity, worst

LEAST = 20
"""Pictures of a class below which chance leaves edges in their mean."""
COPIES = 200
"""Pictures of a class that are looked at."""
MOST_CLASSES = 20_000 // LEAST
"""Classes above which so few pictures of each would be looked at that none are."""

ALIGNED = 0.5
"""Share of the classes, and two, above which it is not marks but aligned things that lie in one place."""

_OUTER = SMALL_SIDE // 4  # of the small copies, from each side
_NATURAL = 0.25  # mean edge over its deviation, as the outer parts of natural classes have it; chance adds to it
_CHANCE = 3.5  # standard errors of it, as the fourth largest of thousands of places may be off
_LEAST, _MOST = 0.6, 1.0
_ELSEWHERE = 0.5  # of what it is in the class, in the median of the others
_FAINT = 4.0  # of 255: weaker mean edges are not told from what compression leaves
_CELLS = 4  # edges at least, of which a mark of two by two cells of the copy has eight
_SHOWS = 0.5  # of the mean mark: a picture with more of it has the mark


@oddity("marks", order=1)
def marks(examined: Examined) -> Oddity | None:
    """Edges in the same places in most pictures of a class, which at least half of the other classes do not have."""
    members: dict[str, list[int]] = {}
    stable: dict[str, NDArray[np.float32]] = {}
    for name, numbers in examined.of_class.items():
        looked = [n for n in numbers if examined.facts[n].looks.small is not None]
        if len(looked) < LEAST:
            continue
        found = _edges(np.stack([_small(examined, n) for n in looked]))
        stable[name] = _stability(found)
        free = [place for place, n in enumerate(looked) if not _taken(examined, n)]
        if len(free) >= LEAST:
            members[name] = [looked[place] for place in free]
    if len(stable) < 2:
        return None
    medians = dict(zip(stable, _medians_of_others(np.stack(list(stable.values()))), strict=True))
    told = []
    for name, free in members.items():  # edges again, a class at a time: those of all take gigabytes
        found = _edges(np.stack([_small(examined, n) for n in free]))
        own = _stability(found)
        enough = min(_MOST, max(_LEAST, _NATURAL + _CHANCE / len(found) ** 0.5))
        alone = (own >= enough) & (medians[name] < _ELSEWHERE * own)
        if int(alone.sum()) < _CELLS:
            continue
        mean = found[:, alone].mean(0)
        likeness = found[:, alone] @ mean / float(mean @ mean)
        order = sorted(range(len(likeness)), key=lambda n: (-likeness[n], n))
        having = [members[name][n] for n in order if likeness[n] > _SHOWS]
        told.append((len(having) / len(likeness), name, _place(alone), having, len(likeness)))
    if not told or len(told) > max(2, ALIGNED * len(stable)):
        return None
    told.sort(key=lambda one: (-one[0], one[1]))
    named = [f"{name} ({where}; {len(having)} of {looked} looked at)" for _, name, where, having, looked in told]
    most = max(len(having) for _, _, _, having, _ in told)
    shown = [having[place] for place in range(most) for _, _, _, having, _ in told if place < len(having)]
    return Oddity(
        "a mark shared by a class",
        f"pictures of {some(named)} have the same edges in the same place, which other classes have not",
        sum(len(having) for _, _, _, having, _ in told),
        worst(examined.keys(shown)),
        "high",
        "cut the marks off in copies, or get all classes from one source: a network tells the class by them",
    )


def copied(classes: dict[str, list[str]]) -> frozenset[str]:
    """Keys of the samples that are looked at: evenly from each class, in the order of their keys, 20,000 in all.

    >>> sorted(copied({"a": ["3", "1", "2"], "b": ["4"]}))
    ['1', '2', '3', '4']
    """
    most = min(COPIES, 20_000 // max(1, len(classes)))
    if most < LEAST or len(classes) < 2:
        return frozenset()
    found: set[str] = set()
    for keys in classes.values():
        ordered = sorted(keys)
        found.update(ordered[place * len(ordered) // most] for place in range(most) if ordered)
    return frozenset(found)


def _taken(examined: Examined, number: int) -> bool:
    """Whether another finding tells of it: bars have stable edges too, and so have constant pictures."""
    return bool(examined.constant[number]) or any(examined.facts[number].looks.bars)


def _small(examined: Examined, number: int) -> NDArray[np.uint8]:
    small = examined.facts[number].looks.small
    assert small is not None
    return small


def _edges(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Differences down and along (N, 2 · 64 · 64) of small copies (N, 64, 64); 0 in the middle."""
    wide = pictures.astype(np.float32)
    found = np.zeros((len(wide), 2, SMALL_SIDE, SMALL_SIDE), np.float32)
    found[:, 0, :-1] = np.diff(wide, axis=1)
    found[:, 1, :, :-1] = np.diff(wide, axis=2)
    found[:, :, _OUTER:-_OUTER, _OUTER:-_OUTER] = 0
    return found.reshape(len(wide), -1)


def _stability(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """At each place, the mean edge over its deviation; 0 for faint ones."""
    mean, deviation = edges.mean(0), edges.std(0)
    return np.where(np.abs(mean) < _FAINT, 0, np.abs(mean) / (deviation + 1)).astype(np.float32)


def _medians_of_others(stable: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """For each row of (N, places), N at least 2, the median of the others at each place, by sorting once."""
    count = len(stable)
    ordered = np.sort(stable, axis=0)
    low, high = (count - 2) // 2, (count - 1) // 2  # the middle of the others, counted from 0
    for row in stable:
        # without one that is no greater than the middle, what stood above moves down by a place
        middles = [np.where(row <= ordered[n], ordered[n + 1], ordered[n]) for n in (low, high)]
        yield np.mean(middles, axis=0)


def _place(cells: NDArray[np.bool_]) -> str:
    """Where most of the cells lie, in words."""
    rows, columns = np.nonzero(cells.reshape(2, SMALL_SIDE, SMALL_SIDE).any(0))
    words = []
    for places, low, high in ((rows, "top", "bottom"), (columns, "left", "right")):
        middle = float(np.median(places)) / SMALL_SIDE
        if middle < 1 / 3 or middle > 2 / 3:
            words.append(low if middle < 0.5 else high)
    return " ".join(words) or "around the middle"
