"""All boxes of a set as arrays, and what is told of them: how many of each class, their sizes and shapes, anchors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Boxes, Dataset, Sample
from striate.data.anchors import anchors
from striate.data.examination import Facts

Floats = NDArray[np.float64]

ANCHORS = (3, 5, 9)
"""For how many anchors shapes are told; YOLOv2 takes five, YOLOv3 nine."""

_QUANTILES = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}


@dataclass(frozen=True)
class AllBoxes:
    """The boxes of several pictures, in their order; B in all.

    Args:
        pictures: the number of the picture that each is in, (B,).
        edges: x1, y1, x2, y2 in pixels, (B, 4).
        sides: height and width of the picture that each is in, (B, 2).
        labels: the class of each.
        crowd: which stand for many things, (B,).
    """

    pictures: NDArray[np.int64]
    edges: Floats
    sides: Floats
    labels: tuple[str, ...]
    crowd: NDArray[np.bool_]

    @property
    def cut(self) -> Floats:
        """The edges cut to the picture, (B, 4): of a box that lies outside, none is right of or below the other."""
        limits = self.sides[:, [1, 0, 1, 0]]
        return np.clip(self.edges, 0, limits)


def all_boxes(samples: Sequence[Sample], facts: Sequence[Facts]) -> AllBoxes:
    """The boxes of samples, with what decoding told of their pictures."""
    pictures, edges, sides, labels, crowd = [], [], [], [], []
    for number, (sample, fact) in enumerate(zip(samples, facts, strict=True)):
        if isinstance(sample.target, Boxes):
            for box in sample.target.boxes:
                pictures.append(number)
                edges.append(box.corners)
                sides.append((fact.height, fact.width))
                labels.append(box.label)
                crowd.append(box.crowd)
    return AllBoxes(
        np.array(pictures, np.int64),
        np.array(edges, np.float64).reshape(-1, 4),
        np.array(sides, np.float64).reshape(-1, 2),
        tuple(labels),
        np.array(crowd, np.bool_),
    )


def box_figures(dataset: Dataset, samples: Sequence[Sample], facts: Sequence[Facts]) -> dict[str, Any]:
    """The figures of an audit; none where the data has no boxes.

    Returns:
        "boxes", "difficult", "crowd" and "dropped" (counts), "reasons" of up to twenty dropped, "by_class" (boxes),
        "pictures" ("with_boxes", "empty", "unlabelled"), and the distributions "per_picture", "width" and "height"
        (pixels), "share" (of the picture's area), "aspect" (width over height); and "anchors", by their number, "sizes"
        (width and height in pixels of a picture of the median size) and "mean_iou".
    """
    if dataset.task != "detect":
        return {}
    found = all_boxes(samples, facts)
    targets = [sample.target for sample in samples]
    known = [target for target in targets if isinstance(target, Boxes)]
    dropped = [reason for target in known for reason in target.dropped]
    spans = found.cut[:, 2:] - found.cut[:, :2]
    things = ~found.crowd & (spans > 0).all(1)
    width, height = spans[things].T
    counts = Counter(found.labels)
    figures: dict[str, Any] = {
        "boxes": len(found.labels),
        "difficult": sum(box.difficult for target in known for box in target.boxes),
        "crowd": int(found.crowd.sum()),
        "dropped": len(dropped),
        "reasons": dropped[:20],
        "by_class": {name: counts[name] for name in dataset.target_names},
        "pictures": {
            "with_boxes": sum(bool(target.boxes) for target in known),
            "empty": sum(not target.boxes for target in known),
            "unlabelled": len(targets) - len(known),
        },
    }
    if not things.any():
        return figures
    figures |= {
        "per_picture": _spread(np.array([len(target.boxes) for target in known], np.float64)),
        "width": _spread(width),
        "height": _spread(height),
        "share": _spread(width * height / found.sides[things].prod(1)),
        "aspect": _spread(width / height),
        "anchors": _anchors(found),
    }
    return figures


def _anchors(found: AllBoxes) -> dict[str, Any]:
    """Anchors of things, not of crowds, in pixels of a picture of the median size."""
    things = ~found.crowd
    edges, sides = found.cut[things], found.sides[things]
    spans = (edges[:, 2:] - edges[:, :2]) / sides[:, ::-1]
    middle = np.median(sides, axis=0)[::-1] if len(sides) else np.ones(2)
    told = {}
    for count in ANCHORS:
        sizes, overlap = anchors(spans, count)
        if len(sizes):
            told[str(count)] = {"sizes": np.round(sizes * middle, 2).tolist(), "mean_iou": round(overlap, 4)}
    return told


def _spread(values: Floats) -> dict[str, float]:
    return {name: float(np.quantile(values, share)) for name, share in _QUANTILES.items()}
