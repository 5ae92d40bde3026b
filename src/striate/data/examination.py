"""One sample, decoded and measured: what the audit's worker processes apply.

Imports no torch, so that they start quickly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.records import Mask, Picture, Sample, Source
from striate.data.decode import decode_sample
from striate.data.detail import detail
from striate.data.likeness import miniature
from striate.data.looks import Looks, looks
from striate.data.mask_facts import MaskFacts, measure_mask
from striate.data.orientation import thumbnail
from striate.data.store import Store


class Facts(NamedTuple):
    """What one decode found.

    Args:
        digest: SHA-256 of shape, type and pixels.
        depth: 8, 16 or 32 bits.
        low, high: the lowest and highest value.
        means, squares: of each channel, the mean of the values and of their squares.
        detail: how far the picture's detail reaches, as a share of its resolution; see `striate.data.detail`.
        thumbnail: what tells which way is up; see `striate.data.orientation`.
        miniature: what tells near-duplicates; see `striate.data.likeness`.
        looks: what a glance tells; see `striate.data.looks`.
        camera, taken: by EXIF; "" where it is not said.
        mask: what a look at its mask tells; None where it has none.
    """

    digest: str
    height: int
    width: int
    depth: int
    mode: str
    notes: tuple[str, ...]
    low: float
    high: float
    means: tuple[float, ...]
    squares: tuple[float, ...]
    detail: float
    thumbnail: NDArray[np.float16] | None
    miniature: NDArray[np.uint8] | None
    looks: Looks
    camera: str = ""
    taken: str = ""
    mask: MaskFacts | None = None


Finding: TypeAlias = Facts | str
Row: TypeAlias = tuple[str, tuple[Source, ...], Mask | None]


class Examine:
    """Decodes samples and notes what it finds: the function that the audit's workers apply.

    Args:
        store: reads the bytes.
        near: whether near-duplicates will be searched for.
        copied: keys of the samples of which small copies are kept, by which marks in fixed places are found.
    """

    def __init__(self, store: Store, near: bool = True, copied: frozenset[str] = frozenset()) -> None:
        self.store = store
        self.near = near
        self.copied = copied

    def __call__(self, rows: Sequence[Row]) -> list[Finding]:
        """For each key, its sources and its mask: the facts, or the reason why there are none."""
        return [self._one(Sample(key, sources, mask)) for key, sources, mask in rows]

    def _one(self, sample: Sample) -> Finding:
        try:
            picture = decode_sample(self.store, sample)
        except DataError as error:
            return error.message
        except MemoryError as error:
            raise DataError(
                f"memory ran out while decoding {sample.key}", fix="use fewer workers, or free memory"
            ) from error
        found = _facts(picture, near=self.near, copied=sample.key in self.copied)
        if sample.target is None or isinstance(found, str):
            return found
        try:
            return found._replace(mask=measure_mask(self.store, sample, (found.height, found.width)))
        except DataError as error:
            return f"its mask: {error.message}"


def _facts(picture: Picture, *, near: bool, copied: bool) -> Finding:
    pixels = picture.pixels
    height, width, channels = pixels.shape
    if not pixels.size:
        return f"it has no pixels: {height}×{width}×{channels}"
    content = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    if pixels.dtype == np.uint8:
        low, high, sums, squares = _sums_of_bytes(pixels)
        depth = 8
    else:
        flat = pixels.reshape(-1, channels)
        depth = 16 if pixels.dtype == np.uint16 else 32
        wide = flat.astype(np.int64 if depth == 16 else np.float64)
        low, high = float(flat.min()), float(flat.max())
        if not math.isfinite(low + high):
            return "it holds values that are not finite numbers"
        sums, squares = wide.sum(0).tolist(), (wide * wide).sum(0).tolist()
    count = height * width
    return Facts(
        content.hexdigest(),
        height,
        width,
        depth,
        picture.mode,
        picture.notes,
        low,
        high,
        tuple(total / count for total in sums),
        tuple(total / count for total in squares),
        detail(pixels),
        thumbnail(pixels),
        miniature(pixels) if near else None,
        looks(pixels, high, small=copied),
        picture.camera,
        picture.taken,
    )


_VALUES = np.arange(256, dtype=np.int64)
_POWERS = np.stack([_VALUES, _VALUES * _VALUES], axis=1)


def _sums_of_bytes(pixels: NDArray[np.uint8]) -> tuple[float, float, list[int], list[int]]:
    """Lowest, highest, and of each channel the exact sum and sum of squares, by way of the histogram."""
    histogram = np.stack(
        [np.bincount(pixels[:, :, channel].ravel(), minlength=256) for channel in range(pixels.shape[2])]
    )
    present = histogram.sum(0).nonzero()[0]
    totals = histogram @ _POWERS
    return float(present[0]), float(present[-1]), totals[:, 0].tolist(), totals[:, 1].tolist()
