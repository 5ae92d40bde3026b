"""Detect: which things are where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.boxes import (
    AREA,
    COUNTS,
    CROWD,
    DIFFICULT,
    FOUND,
    FOUND_LABEL,
    LABEL,
    MOST,
    NONE,
    PLAIN,
    SCORE,
    TRUTH,
    Floats,
    Frame,
    empty,
    joined,
    parted,
    together,
)
from striate.core.errors import NetworkError, UsageError
from striate.core.records import Boxes, Sample
from striate.core.wording import apart
from striate.data.loader import Batch
from striate.data.placed import cut
from striate.metrics import THRESHOLD, box_confusion, boxes_by_class, each_picture
from striate.tasks import TASKS
from striate.tasks._scale import Scale
from striate.tasks._settings import TaskSettings, Weighting
from striate.tasks._task import Task, defined, no_target

COUNTED = ("support", "found", "missed", "invented")
"""Figures of a class or a picture that count things."""


PLACES = ("boxes", "proposals")
"""Losses of a detector that are about where things are; the others are about what they are."""


@TASKS.register("detect")
class Detect(Task):
    """Which things are where: boxes with a class and a score.

    What flows to metrics is not boxes alone: a picture becomes one row of `striate.core.boxes.joined`, in which what
    was found and the truth lie side by side, in the picture's own pixels, and that is what its scores are.

    The network computes its losses itself: it has a method `losses(images, targets)` that gives them by name for each
    picture, (N,), those of place under the names in `PLACES`.
    """

    name = "detect"
    kind = "boxes"
    headline = "map50"
    form = "boxes"

    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """Nothing: a picture has things of many classes, and detectors balance them by their own losses."""
        if weighting != "none":
            raise UsageError(
                f"loss.class_weights={weighting} weighs samples of a class, and here a picture has things of many",
                fix="leave it out",
            )
        return self.settings

    def with_scale(self, samples: Sequence[Sample], sides: Sequence[tuple[int, int]]) -> Self:
        """The same task, knowing how large training pictures and their things are.

        Args:
            samples: of training, at least one.
            sides: height and width of each.
        """
        longest = 0.0
        for sample, (height, width) in zip(samples, sides, strict=True):
            rows = cut(self.truths(sample), height, width)
            things = rows[rows[:, COUNTS] != CROWD]
            longest = max(longest, float((things[:, 2:LABEL] - things[:, :2]).max(initial=0.0)))
        scale = Scale(round(float(np.median([max(one) for one in sides]))), longest)
        return type(self)(self.target_names, replace(self.settings, scale=scale))

    def row(self, sample: Sample) -> NDArray[np.float64]:
        """No numbers: the truth is of its own shape, see `truths`."""
        if not isinstance(sample.target, Boxes):
            raise no_target(sample, "boxes")
        self.truths(sample)
        return np.zeros(0)

    @property
    def columns(self) -> int:
        """None: truths have a shape of their own."""
        return 0

    def truths(self, sample: Sample) -> Floats:
        """The boxes of a sample in its own pixels, (B, 7), as `striate.core.boxes` has them.

        Raises:
            DataError: it has none that are known, or one of a class that training does not know.
        """
        if not isinstance(sample.target, Boxes):
            raise no_target(sample, "boxes")
        found: Floats = empty(1, len(sample.target.boxes), TRUTH)[0]
        for row, box in zip(found, sample.target.boxes, strict=True):
            row[:LABEL] = box.corners
            row[LABEL] = self._place(box.label, sample)
            row[COUNTS] = CROWD if box.crowd else DIFFICULT if box.difficult else PLAIN
            row[AREA] = box.area or 0.0
        return found

    def step(self, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """The losses of a batch, or of a part of one, summed as for other tasks.

        Args:
            networks: {"network": …}, a detector.
            batch: targets (N, 1 + M, 7), see `striate.data.placed`.

        Raises:
            NetworkError: the network finds nothing.
        """
        network = networks["network"]
        losses = getattr(network, "losses", None)
        if losses is None:
            raise NetworkError(
                "the network gives no boxes, and has no losses of its own", fix="choose a detector, such as retinanet"
            )
        found: dict[str, Tensor] = losses(batch.images, batch.targets)
        places = torch.stack([one for name, one in found.items() if name in PLACES]).sum(0)
        classes = torch.stack([one for name, one in found.items() if name not in PLACES]).sum(0)
        each = self.losses(torch.stack([classes, places], dim=1), batch.targets)
        total = (each * batch.weights.to(each.dtype)).sum()
        return {"network": total / batch.total_weight if batch.total_weight else total}

    def tried(self, sample: Sample) -> Tensor:
        """The loss of a network that lacks nothing, (1,): whether it takes its options."""
        return self.losses(torch.zeros(1, 2), torch.zeros(1, 0))

    def collected(self, outputs: Tensor, targets: Tensor, *, brief: bool = False) -> Tensor:
        """What was found in each picture and its truth, in its own pixels, a row each, (N, S) float64.

        Args:
            outputs: what the network found, (N, D, 6), in the input's pixels.
            targets: (N, 1 + M, 7), see `striate.data.placed`.
        """
        found, truths = outputs.double().cpu().numpy(), targets.double().cpu().numpy()
        frames = [Frame(*row[:6].tolist()) for row in truths[:, 0]]
        places = zip(frames, found, truths[:, 1:], strict=True)
        parts = [(_back(frame, one, FOUND_LABEL), _back(frame, true, LABEL)) for frame, one, true in places]
        if not parts:
            return torch.from_numpy(joined(found, truths[:, 1:]))
        return torch.from_numpy(joined(*(np.stack(one) for one in zip(*parts, strict=True))))

    def back(self, outputs: Tensor, frames: Sequence[Frame]) -> list[Floats]:
        """What the network found in pictures, (N, D, 6), in their own pixels: of each (D', 6), the surest first."""
        rows = outputs.double().cpu().numpy()
        found = [_back(frame, one, FOUND_LABEL) for frame, one in zip(frames, rows, strict=True)]
        return [one[one[:, FOUND_LABEL] != NONE] for one in found]

    def scores(self, outputs: Tensor) -> Tensor:
        """Rows as they are, (N, S)."""
        return outputs

    def together(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Rows of several sets of pictures, which may have room for other numbers of boxes, as those of one."""
        return together(parts)

    def held(self, label: int) -> float:
        """The score from which on a thing of a class is held to be there."""
        return THRESHOLD if self.settings.thresholds is None else self.settings.thresholds[label]

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Those of all classes."""
        return tuple(self.held(label) for label in range(self.outputs))

    def kept(self, found: Floats) -> Floats:
        """Of what was found in a picture (D, 6) what is held to be there, the surest first."""
        things = found[found[:, FOUND_LABEL] != NONE]
        limits = np.array(self.thresholds)[things[:, FOUND_LABEL].astype(np.int64)]
        kept: Floats = things[things[:, SCORE] >= limits]
        return kept

    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """{"label"}: the class of most things, from the number of each, (K,); none where nothing is there."""
        return {"label": self.target_names[int(row.argmax())]} if row.any() else {}

    def made(self, samples: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores and targets of so many made samples, to take the time of judging by."""
        found, truths = empty(samples, MOST, FOUND), empty(samples, 10, TRUTH)
        for rows in (found, truths):
            rows[..., :2] = random.random((*rows.shape[:2], 2)) * 100
            rows[..., 2:4] = rows[..., :2] + 1 + random.random((*rows.shape[:2], 2)) * 50
        found[..., SCORE] = random.random(found.shape[:2])
        for rows, column in ((found, FOUND_LABEL), (truths, LABEL)):
            rows[..., column] = random.integers(self.outputs, size=rows.shape[:2])
        right = found[:, : truths.shape[1]]  # what is rightly found takes the most of the time of resamples
        right[..., :LABEL] = truths[..., :LABEL] + random.random((*truths.shape[:2], LABEL))
        right[..., FOUND_LABEL] = truths[..., LABEL]
        return joined(found, truths), np.zeros((samples, 0))

    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """Average precision of each class, and precision, recall and F1 from its threshold on."""
        found = boxes_by_class(np.asarray(scores, np.float64), self.outputs, self.thresholds)
        return [
            {"class": name, **{figure: _plain(figure, float(values[label])) for figure, values in found.items()}}
            for label, name in enumerate(self.target_names)
        ]

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """Classes of which nothing is there."""
        _, truths = parted(np.asarray(scores, np.float64))
        met = set(truths[..., LABEL][truths[..., COUNTS] == PLAIN].astype(np.int64).ravel().tolist())
        return {
            f"class {name}": "no thing is of this class: the means leave it out"
            for label, name in enumerate(self.target_names)
            if label not in met
        }

    @property
    def confusion_names(self) -> tuple[str, ...]:
        """The classes, and the background: as a row what is found and is not there, as a column what is missed."""
        return (*self.target_names, apart("background", self.target_names))

    def confusion(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[list[int]]:
        """Things by true (rows) and found class (columns), background and missed the last."""
        table = box_confusion(np.asarray(scores, np.float64), self.outputs, self.thresholds)
        rows: list[list[int]] = table.tolist()
        return rows

    @property
    def each_names(self) -> tuple[str, ...]:
        """The names of what `each` gives: counts, and how far they agree."""
        return ("f1", *COUNTED[1:])

    def agreement(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """F1 of each picture from the thresholds on, (N,); 1 where nothing is there and nothing is found."""
        return np.nan_to_num(self.each(scores)["f1"], nan=1.0)

    def each(self, scores: NDArray[Any]) -> Mapping[str, NDArray[np.float64]]:
        """What is told of each picture by name, (N,) each, NaN where one is not defined."""
        return each_picture(np.asarray(scores, np.float64), self.outputs, self.thresholds)


def _back(frame: Frame, rows: Floats, label: int) -> Floats:
    """Rows in the input's pixels as rows in the picture's; what lay in its padding alone is none."""
    found = rows.copy()
    found[:, :4] = frame.back(rows[:, :4])
    gone = ((found[:, 2:4] - found[:, :2]) <= 0).any(1) | (rows[:, label] == NONE)
    found[gone] = empty(1, 1, rows.shape[1])[0, 0]
    return found


def _plain(figure: str, value: float) -> float | int | None:
    return int(value) if figure in COUNTED else defined(value)
