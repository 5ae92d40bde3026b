"""Which mistakes a detector makes: the confusion of classes, with what was missed and made up, and errors by kind.

Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors", section 2: each false detection is
of one kind, and each kind costs what average precision at an overlap of 0.5 would gain if it alone was mended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from striate.metrics._box_precision import read_off
from striate.metrics._boxes import Detections, Flags, Floats, Integers, Truths, match, overlaps

FOUND = 0.5
"""The overlap from which on a detection finds a truth."""

NEAR = 0.1
"""The overlap up to which a detection has to do with no truth."""

KINDS = ("place", "class", "duplicate", "background", "both", "missed")


def confusion(
    detections: Sequence[Detections],
    truths: Sequence[Truths],
    classes: int,
    *,
    score: float | Floats = 0.0,
    threshold: float = FOUND,
) -> Integers:
    """Truths by class (rows) and what they were taken for (columns).

    First the detections of each class find their truths, as for average precision. Then those that are left take, from
    the surest on, the truth of another class that they overlap most. What overlaps a truth that does not count is left
    out.

    Args:
        score: detections below it are left out; one for all classes, or one for each, (K,).

    Returns:
        (K + 1, K + 1): the last row is background, the last column missed; its last number is 0.
    """
    table = np.zeros((classes + 1, classes + 1), np.int64)
    for found, true in zip(detections, truths, strict=True):
        sure = surest(found, score)
        pairs = paired(sure, true, threshold)
        hit, counted = pairs.taken >= 0, ~pairs.aside
        np.add.at(table, (true.labels[pairs.taken[hit]], sure.labels[hit]), 1)
        np.add.at(table[classes], sure.labels[~hit & counted], 1)
        np.add.at(table[:, classes], true.labels[pairs.missed], 1)
    return table


class Pairs(NamedTuple):
    """Which truth of a picture each detection is about.

    Args:
        taken: the truth that each found, or took for another class, −1 for none, (D,).
        aside: detections that do not count, as they overlap a truth that does not, (D,).
        missed: truths that count and that no detection is about, (G,).
    """

    taken: Integers
    aside: Flags
    missed: Flags


def paired(found: Detections, true: Truths, threshold: float = FOUND) -> Pairs:
    """The truths of a picture that detections found, and those that they took for another class, see `confusion`."""
    taken, aside = matched(found, true, threshold)
    missed = ~true.aside
    missed[taken[taken >= 0]] = False
    near = overlaps(found.boxes, true.boxes)
    right = taken >= 0
    for one in np.argsort(-found.scores, kind="stable"):
        if right[one] or aside[one] or not len(missed):
            continue
        free = np.where(missed & (true.labels != found.labels[one]), near[one], -1.0)
        place = int(free.argmax())
        if free[place] >= threshold:
            taken[one] = place
            missed[place] = False
    return Pairs(taken, aside, missed)


def surest(found: Detections, score: float | Floats) -> Detections:
    """Detections of a picture from a score on, which is one for all classes, or one for each, (K,)."""
    kept = found.scores >= (np.asarray(score)[found.labels] if np.ndim(score) else score)
    return Detections(found.boxes[kept], found.scores[kept], found.labels[kept])


def matched(found: Detections, true: Truths, threshold: float = FOUND) -> tuple[Integers, Flags]:
    """The truth that each detection of a picture finds, −1 for none, and which detections do not count, (D,) of each.

    A detection that finds a truth which does not count is of these, and finds none. All detections are taken in.
    """
    taken = np.full(len(found.labels), -1, np.int64)
    aside = np.zeros(len(found.labels), np.bool_)
    for label in np.unique(found.labels):
        own = np.flatnonzero(found.labels == label)
        own = own[np.argsort(-found.scores[own], kind="stable")]
        theirs = np.flatnonzero(true.labels == label)
        one = match(found, true, int(label), thresholds=[threshold], areas=[(0.0, np.inf)], most=len(own))
        aside[own] = one.aside[0, 0]
        hit = one.found[0, 0] & ~one.aside[0, 0]
        taken[own[hit]] = theirs[one.taken[0, 0][hit]]
    return taken, aside


@dataclass(frozen=True)
class BoxErrors:
    """Errors by kind.

    Args:
        counts: of each of `KINDS`.
        costs: what average precision at 0.5 would gain without them.
        precision: that average precision, as a mean over classes.
    """

    counts: dict[str, int]
    costs: dict[str, float]
    precision: float


@dataclass(frozen=True)
class _Judged:
    """Everything found in one picture, by kind.

    Args:
        kinds: of each detection: one of `KINDS`, "right", or "aside" where it does not count.
        meant: the truth that it should have found, −1 for none.
        missed: truths that no detection found nor meant.
        free: truths that count and were not found.
    """

    found: Detections
    true: Truths
    kinds: list[str]
    meant: Integers
    missed: Flags
    free: Flags


def _judge(found: Detections, true: Truths) -> _Judged:
    """The kind of each detection: place, class, duplicate, background, both, in this order."""
    taken, aside = matched(found, true)
    counted = ~true.aside
    used = np.zeros(len(true.labels), np.bool_)
    used[taken[taken >= 0]] = True
    near = overlaps(found.boxes, true.boxes)
    same = (found.labels[:, None] == true.labels[None]) & counted
    kinds: list[str] = []
    meant = np.full(len(found.labels), -1, np.int64)
    for one in range(len(found.labels)):
        if taken[one] >= 0 or aside[one]:
            kinds.append("aside" if aside[one] else "right")
            continue
        kind, meant[one] = _kind(near[one], same[one], counted & ~same[one], used)
        kinds.append(kind)
    claimed = {int(place) for kind, place in zip(kinds, meant, strict=True) if kind in ("place", "class")}
    free = counted & ~used
    missed = free & ~np.isin(np.arange(len(free)), sorted(claimed))
    return _Judged(found, true, kinds, meant, missed, free)


def _kind(near: Floats, same: Flags, other: Flags, used: Flags) -> tuple[str, int]:
    """The kind of a false detection by its overlaps (G,), and the truth that it meant."""

    def nearest(allowed: Flags) -> tuple[int, float]:
        values = np.where(allowed, near, 0.0)
        place = int(values.argmax()) if len(values) else -1
        return place, float(values[place]) if len(values) else 0.0

    place, overlap = nearest(same)
    if NEAR <= overlap <= FOUND:
        return "place", place
    place, overlap = nearest(other)
    if overlap >= FOUND:
        return "class", place
    if nearest(same & used)[1] >= FOUND:
        return "duplicate", -1
    if nearest(same | other)[1] <= NEAR:
        return "background", -1
    return "both", -1


def box_errors(
    detections: Sequence[Detections], truths: Sequence[Truths], classes: int, *, score: float | Floats = 0.0
) -> BoxErrors:
    """Count the errors of each kind, and what each costs.

    Mended, a detection of a wrong place or class finds the truth that it meant, where no surer one of its kind did; all
    other false ones are taken away, and missed truths are no longer asked for. (The authors' tool also lets a surer
    error of the other kind take the truth; here each kind is mended alone.)

    Args:
        score: detections below it are left out; one for all classes, or one for each, (K,).
    """
    judged = [_judge(surest(found, score), true) for found, true in zip(detections, truths, strict=True)]
    counts = {kind: sum(one.kinds.count(kind) for one in judged) for kind in KINDS[:-1]}
    counts["missed"] = sum(int(one.missed.sum()) for one in judged)
    asked = np.zeros(classes, np.int64)  # truths of each class that count
    for one in judged:
        asked += np.bincount(one.true.labels[~one.true.aside], minlength=classes)
    plain = _precision(judged, asked, None)
    costs = {kind: _precision(judged, asked, kind) - plain for kind in KINDS}
    return BoxErrors(counts, costs, plain)


def _precision(judged: Sequence[_Judged], asked: Integers, mended: str | None) -> float:
    """Average precision at 0.5, as a mean over classes with truths, with one kind of error mended.

    A class of which nothing is asked any more, as all of its truths were missed, still counts, with 0.
    """
    known = asked > 0
    if mended == "missed":
        asked = asked.copy()
        for one in judged:
            asked -= np.bincount(one.true.labels[one.missed], minlength=len(asked))
    rows = [row for one in judged for row in _rows(one, mended)]
    labels = np.array([label for label, _, _ in rows], np.int64)
    scores = np.array([score for _, score, _ in rows], np.float64)
    right = np.array([good for _, _, good in rows], np.bool_)
    found = []
    for label in np.flatnonzero(known):
        own = np.flatnonzero(labels == label)
        own = own[np.argsort(-scores[own], kind="stable")]
        if not len(own) or not asked[label]:
            found.append(0.0)
            continue
        good = np.cumsum(right[own], dtype=np.float64)
        found.append(float(read_off(good / asked[label], good / np.arange(1, len(own) + 1)).mean()))
    return float(np.mean(found)) if found else float("nan")


def _rows(one: _Judged, mended: str | None) -> Iterator[tuple[int, float, bool]]:
    """Class, score and rightness of each detection that counts in a picture, with one kind of error mended."""
    free = one.free.copy()
    for place in np.argsort(-one.found.scores, kind="stable"):
        kind, label, score = one.kinds[place], int(one.found.labels[place]), float(one.found.scores[place])
        if kind == "aside":
            continue
        if kind == mended:
            meant = int(one.meant[place])
            if meant >= 0 and free[meant]:
                free[meant] = False
                yield int(one.true.labels[meant]), score, True
            continue
        yield label, score, kind == "right"
