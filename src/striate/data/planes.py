"""Masks as one more plane of prepared pictures, so that both are packed, cut and handed on together.

Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import VOID, Mask, Sample
from striate.data.buckets import Size
from striate.data.masks import decode_mask
from striate.data.store import Store


def with_mask(pixels: NDArray[Any], store: Store, sample: Sample) -> NDArray[Any]:
    """Prepared pixels (C, H, W) with the sample's mask as their last plane, (C + 1, H, W).

    Raises:
        DataError: the mask is damaged, of another size, or holds a value that stands for no class.
    """
    mask = decode_mask(store, sample, (pixels.shape[1], pixels.shape[2]))
    return np.concatenate([pixels, mask[None].astype(pixels.dtype)])


def mask_digest(store: Store, sample: Sample) -> str:
    """A hash of all that decides a sample's mask, without decoding it."""
    mask = sample.target
    assert isinstance(mask, Mask)
    content = hashlib.sha256(repr((mask.code, mask.regions)).encode("utf-8", "surrogateescape"))
    for source in mask.sources:
        found = store.read(source)
        content.update(found if isinstance(found, bytes) else np.ascontiguousarray(found).tobytes())
    return content.hexdigest()


def patch(planes: NDArray[Any], size: Size, place: tuple[float, float], masked: bool) -> NDArray[Any]:
    """A part of a picture; of a smaller one the whole, with its reflection around it, where there is no class.

    Args:
        planes: (C, H, W).
        size: (height, width) of the part.
        place: down and right, from 0 to 1: every whole number of pixels at which it fits is as likely.
        masked: whether the last plane is a mask.

    >>> patch(np.arange(6).reshape(1, 2, 3), (2, 2), (0.0, 0.99), False).tolist()
    [[[1, 2], [4, 5]]]
    >>> patch(np.arange(3).reshape(1, 1, 3), (1, 5), (0.0, 0.0), False).tolist()
    [[[1, 0, 1, 2, 1]]]
    """
    rest = [side - wanted for side, wanted in zip(planes.shape[1:], size, strict=True)]
    top, left = (int(share * (max(0, more) + 1)) for share, more in zip(place, rest, strict=True))
    found = planes[:, top : top + size[0], left : left + size[1]]
    if min(rest) >= 0:
        return found
    around = [(0, 0), *((max(0, -more) // 2, (max(0, -more) + 1) // 2) for more in rest)]
    padded = np.pad(found, around, "reflect")
    if masked:
        padded[-1] = np.pad(found[-1], around[1:], constant_values=VOID)
    return padded
