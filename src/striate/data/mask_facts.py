"""What one look at a mask tells: its classes, its small and thin regions, and what smoothing has left in it.

Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.records import VOID, Mask, MaskCode, Sample
from striate.data.masks import coded, decode_mask, mask_values
from striate.data.store import Store

TINY = 10
"""Pixels below which a region is tiny."""
SIDE = 4096
"""Of the middle of larger masks, in which regions are looked for."""
NEAR = 8
"""Of the way from black to white, one part is near to either: greys between are what smoothing leaves."""

_WHOLE = np.ones((3, 3), np.bool_)  # pixels that touch at a corner are of one region


class ClassFacts(NamedTuple):
    """One class in one mask.

    Args:
        place: the class.
        pixels: of it.
        regions: parts of it that hang together, by sides or corners.
        tiny: those below `TINY` pixels.
        thin: those in which no 2 × 2 pixels are of the class.
    """

    place: int
    pixels: int
    regions: int
    tiny: int
    thin: int


class MaskFacts(NamedTuple):
    """One mask.

    Args:
        digest: SHA-256 of the classes of all pixels, by which equal masks are known.
        classes: those in it, without void.
        void: pixels of no class.
        between: pixels whose value lies between those of what they part: greys, of a threshold; or numbers of classes
            between those of the neighbours on two sides.
        borders: pixels that differ from their neighbour on the right or below.
    """

    digest: str
    classes: tuple[ClassFacts, ...]
    void: int
    between: int
    borders: int


def measure_mask(store: Store, sample: Sample, size: tuple[int, int]) -> MaskFacts:
    """Look at the mask of a sample.

    Args:
        size: (height, width) of its picture.

    Raises:
        DataError: as `striate.data.masks.decode_mask`.
    """
    assert isinstance(sample.target, Mask)
    code, source = sample.target.code, next(iter(sample.target.sources), None)
    if source is not None and code.kind in ("threshold", "index"):
        values = mask_values(store, source, size)
        classes = coded(values, code, str(source))
        between = _between(values, code)
    else:
        classes, between = decode_mask(store, sample, size), 0
    counts = np.bincount(classes.ravel(), minlength=VOID + 1)
    middle = _middle(classes)
    found = tuple(
        ClassFacts(int(place), int(counts[place]), *_regions(np.asarray(middle == place)))
        for place in np.flatnonzero(counts[:VOID])
    )
    digest = hashlib.sha256(f"{classes.shape}".encode() + np.ascontiguousarray(classes).data)
    borders = _differ(classes[:, :-1], classes[:, 1:]) + _differ(classes[:-1], classes[1:])
    return MaskFacts(digest.hexdigest(), found, int(counts[VOID]), between, borders)


def _middle(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask, or of a large one its middle."""
    top, left = (max(0, (side - SIDE) // 2) for side in classes.shape)
    return classes[top : top + SIDE, left : left + SIDE]


def _differ(one: NDArray[Any], other: NDArray[Any]) -> int:
    return int((one != other).sum())


def _regions(inside: NDArray[np.bool_]) -> tuple[int, int, int]:
    """How many regions there are, and how many of them are tiny and thin.

    >>> _regions(np.array([[1, 1, 0, 1], [1, 1, 0, 1]], bool))
    (2, 2, 1)
    """
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return 0, 0, 0
    from scipy import ndimage

    labels, count = ndimage.label(inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], _WHOLE)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    corner = labels[:-1, :-1]
    square = (corner == labels[1:, :-1]) & (corner == labels[:-1, 1:]) & (corner == labels[1:, 1:])
    thick = np.zeros(count + 1, np.bool_)
    thick[corner[square]] = True
    return count, int((sizes < TINY).sum()), int((~thick[1:]).sum())


def _between(values: NDArray[Any], code: MaskCode) -> int:
    """Pixels whose value lies between those of what they part."""
    if code.kind == "threshold":
        grey = values if values.ndim == 2 else values[..., :3].mean(2)
        white = 2 * code.threshold - 1
        return int(((grey > white / NEAR) & (grey < white - white / NEAR)).sum())
    if len({place for _, place in code.classes} - {VOID}) < 3:
        return 0  # no number lies between two
    numbers = (values if values.ndim == 2 else values[..., 0]).astype(np.int32)
    found = np.zeros(numbers.shape, np.bool_)
    for turned, marked in ((numbers, found), (numbers.T, found.T)):
        before, here, after = turned[:, :-2], turned[:, 1:-1], turned[:, 2:]
        steps = ((before < here) & (here < after)) | ((before > here) & (here > after))
        marked[:, 1:-1] |= steps & (before != VOID) & (after != VOID)
    return int(found.sum())
