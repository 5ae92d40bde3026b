"""What a Model says of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """What a Model says of one picture.

    Args:
        key: the picture: its path below what was named, or "array/0" for pixels.
        label: the likeliest class (classify).
        probability: that class's probability, 0 to 1 (classify).
        labels: the classes held present (multilabel).
        values: the predicted numbers by name (regress).
        possible: the classes that are held possible at the Model's coverage, the likeliest first (classify); None where
            nothing was decided of it.
        unsure: whether that is any other number than one, none included: the Model does not know (classify).
        ranges: from and to of each value, at the Model's coverage (regress).
        scores: every class's probability, or every value, by name; of masks the share of each class in the pixels.
        mask: the class of each pixel, (H, W), a place in the Model's classes (segment).
    """

    key: str
    label: str | None = None
    probability: float | None = None
    labels: tuple[str, ...] | None = None
    values: Mapping[str, float] | None = None
    possible: tuple[str, ...] | None = None
    unsure: bool | None = None
    ranges: Mapping[str, tuple[float, float]] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    mask: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the fields that this task fills, but for a mask, which is a picture of its own."""
        filled = {
            "key": self.key,
            "label": self.label,
            "probability": self.probability,
            "labels": None if self.labels is None else list(self.labels),
            "values": None if self.values is None else dict(self.values),
            "possible": None if self.possible is None else list(self.possible),
            "unsure": self.unsure,
            "ranges": None if self.ranges is None else {name: list(one) for name, one in self.ranges.items()},
            "scores": dict(self.scores),
        }
        return {name: value for name, value in filled.items() if value is not None}
