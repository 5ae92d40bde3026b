"""What a Model says of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.boxes import FOUND_LABEL, SCORE, Floats
from striate.tasks import Task
from striate.tasks.detect import Detect


@dataclass(frozen=True)
class FoundBox:
    """A thing that a Model finds in a picture.

    Args:
        label: its class.
        score: how sure the Model is, 0 to 1.
        x1, y1, x2, y2: its edges in the picture's own pixels, from its left and top.
    """

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Prediction:
    """What a Model says of one picture.

    Args:
        key: the picture: its path below what was named, or "array/0" for pixels.
        label: the likeliest class (classify).
        probability: that class's probability, 0 to 1 (classify).
        labels: the classes held present (multilabel).
        values: the predicted numbers by name (regress).
        possible: the classes or labels that are held possible at the Model's coverage, the likeliest first; None where
            nothing was decided of it, and of values.
        unsure: of classes, whether that is any other number than one, none included: the Model does not know; of
            labels, whether more are possible than held present.
        ranges: from and to of each value, at the Model's coverage (regress).
        boxes: what is held to be there, the surest first (detect).
        scores: every class's probability, or every value, by name; of masks the share of each class in the pixels, of
            boxes the number of things.
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
    boxes: tuple[FoundBox, ...] | None = None
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
            "boxes": None if self.boxes is None else [asdict(one) for one in self.boxes],
            "scores": dict(self.scores),
        }
        return {name: value for name, value in filled.items() if value is not None}


def prediction_of(task: Task, key: str, row: NDArray[np.float32]) -> Prediction:
    """What a task says of one row of scores, (K,)."""
    decoded = dict(task.decode(row))
    for several in ("labels", "possible"):
        if several in decoded:
            decoded[several] = tuple(decoded[several])
    return Prediction(key=key, **{**decoded, "scores": dict(zip(task.target_names, row.tolist(), strict=True))})


def found_prediction(task: Detect, key: str, found: Floats) -> Prediction:
    """What a task says of what was found in one picture, (D, 6) in its own pixels: what it holds to be there."""
    names, kept = task.target_names, task.kept(found)
    boxes = tuple(
        FoundBox(names[int(row[FOUND_LABEL])], float(row[SCORE]), *(round(edge, 2) for edge in row[:4].tolist()))
        for row in kept
    )
    counts = np.bincount(kept[:, FOUND_LABEL].astype(np.int64), minlength=task.outputs).astype(np.float32)
    return replace(prediction_of(task, key, counts), boxes=boxes)
