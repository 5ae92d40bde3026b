"""The built-in data: scikit-learn's 1,797 handwritten digits of 8×8 pixels, which need no network.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from striate.core.errors import UsageError
from striate.core.records import Dataset, Label, Sample, Source
from striate.data.readers import READERS, ReadOptions


class Digits:
    """Reads nothing from the user: no data means these."""

    def accepts(self, data: Any) -> bool:
        """No data."""
        return data is None

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """The digits, on a scale of 0 to 255. Raises `UsageError` where a path, or another task, is given."""
        from sklearn.datasets import load_digits  # a second to import, and only the built-in data needs it

        if data is not None:
            raise UsageError("the digits are built in and take no path", fix="leave out the path, or --reader digits")
        if options.task not in (None, "classify") or options.group is not None:
            raise UsageError("the digits are ten classes and come without groups", fix="leave out --task and --group")
        found = load_digits()
        pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)
        samples = tuple(
            Sample(f"digits/{row:04d}", (Source("array", "digits", row=row),), Label(str(digit)))
            for row, digit in enumerate(found.target.tolist())
        )
        names = tuple(str(digit) for digit in range(10))
        note = f"The built-in handwritten digits: {len(samples):,} pictures of 8×8 pixels, 10 classes."
        return Dataset("digits", "digits", "classify", samples, names, {"digits": pixels}, (note,))


READERS.register("digits")(Digits())
