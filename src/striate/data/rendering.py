"""Samples to prepared pixels: what worker processes apply. Apart from `pack`, since it must not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.records import Sample
from striate.data.decode import decode_sample
from striate.data.planes import with_mask
from striate.data.prepare import Preprocessing
from striate.data.store import Store


class Render:
    """Decodes samples and brings them to the network's input.

    Args:
        store: reads the bytes.
        keep_margin: see `Preprocessing.prepare`.
        masks: whether the samples' masks go with them, as one more plane.
    """

    def __init__(self, store: Store, preprocessing: Preprocessing, keep_margin: bool, masks: bool = False) -> None:
        self.store = store
        self.preprocessing = preprocessing
        self.keep_margin = keep_margin
        self.masks = masks

    def __call__(self, samples: Sequence[Sample]) -> NDArray[Any] | list[NDArray[Any]]:
        """Pixels (N, C, H, W): uint8, or float32 where any picture is deeper than 8 bits; of own sizes each by itself.

        Raises:
            DataError: naming the sample that cannot be used.
        """
        found = [self._one(sample) for sample in samples]
        return found if self.preprocessing.own else np.stack(found)

    def _one(self, sample: Sample) -> NDArray[Any]:
        try:
            picture = decode_sample(self.store, sample)
            pixels = self.preprocessing.prepare(picture, keep_margin=self.keep_margin)
            return with_mask(pixels, self.store, sample) if self.masks else pixels
        except MemoryError as error:
            raise DataError(
                f"memory ran out while decoding {sample.key}", fix="use fewer workers, or free memory"
            ) from error
        except DataError as error:
            raise DataError(
                f"{sample.key} cannot be used any more: {error.message}",
                fix=error.fix or "was it changed since the audit? Audit again, or take it out by a split file",
            ) from error
