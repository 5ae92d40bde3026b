"""How many of the pixels are of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from striate.core.records import Dataset, Sample
from striate.data.buckets import Size
from striate.data.masks import decode_mask
from striate.data.store import Store

LOOKED_AT = 500
"""Masks that are read to tell shares, spread evenly over those that there are."""


def pixel_shares(dataset: Dataset, samples: Sequence[Sample], sides: Mapping[str, Size]) -> dict[str, float]:
    """The share of each class in the pixels of some samples' masks, void left out; none where no pixel has a class.

    Args:
        sides: (H, W) of the samples' pictures, by key.

    Raises:
        DataError: a mask is damaged, of another size than its picture, or holds a value that stands for no class.
    """
    store, counts = Store(dataset.arrays), np.zeros(256, np.int64)
    for sample in samples[:: max(1, -(-len(samples) // LOOKED_AT))]:
        counts += np.bincount(decode_mask(store, sample, sides[sample.key]).ravel(), minlength=256)
    found = counts[: len(dataset.target_names)]
    shares = (found / max(1, found.sum())).tolist()
    return dict(zip(dataset.target_names, shares, strict=True)) if found.any() else {}
