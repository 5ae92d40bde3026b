"""Segment: a class for each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from striate.core.errors import NetworkError, UsageError
from striate.core.records import Mask, Sample
from striate.metrics import by_class, split_rows, statistics, width
from striate.tasks import TASKS
from striate.tasks._settings import TaskSettings, Weighting
from striate.tasks._task import Task, defined, no_target
from striate.tasks._tidying import tidied


@TASKS.register("segment")
class Segment(Task):
    """A class for each pixel: softmax over K outputs of each.

    What flows to metrics is not pixels: a picture becomes one row of `striate.metrics.statistics`, in which prediction
    and truth are held against each other, and that is what its scores are.
    """

    name = "segment"
    kind = "mask"
    headline = "mean_iou"
    form = "grid"

    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """Nothing: how classes weigh is the loss's own option, of pixels and not of samples."""
        if weighting != "none":
            raise UsageError(
                f"loss.class_weights={weighting} weighs samples of a class, and here pixels have classes",
                fix="leave it out, and set loss.options={class_weights: […]} of a loss that has them",
            )
        return self.settings

    def row(self, sample: Sample) -> NDArray[np.float64]:
        """No numbers: the truth comes with the picture, as a plane of it."""
        if not isinstance(sample.target, Mask):
            raise no_target(sample, "a mask")
        return np.zeros(0)

    @property
    def columns(self) -> int:
        """None: masks come with their pictures."""
        return 0

    def check_shapes(self, outputs: Tensor, targets: Tensor) -> None:
        """Raise `NetworkError` where a network does not give a class for each pixel."""
        wanted = (len(targets), self.outputs, *targets.shape[1:])
        if tuple(outputs.shape) != wanted:
            raise NetworkError(
                f"the network gives {tuple(outputs.shape)}; the task {self.name!r} needs {wanted}, outputs for each "
                "pixel",
                fix="choose a network that gives them, such as unet",
            )

    def collected(self, outputs: Tensor, targets: Tensor, *, brief: bool = False) -> Tensor:
        """A row of statistics for each picture, (N, S) float64, in which memory does not grow with pixels.

        Args:
            outputs: (N, K, H, W), raw.
            targets: (N, H, W), uint8.
            brief: boundaries are left out, which take many times as long.
        """
        predicted = self.classes(outputs)
        rows = [
            statistics(found, true, self.outputs, measure_surfaces=not brief)
            for found, true in zip(predicted, targets.cpu().numpy(), strict=True)
        ]
        return torch.from_numpy(np.stack(rows) if rows else np.zeros((0, width(self.outputs))))

    def chances(self, outputs: Tensor) -> Tensor:
        """The probability of each class at each pixel, (N, K, H, W), from raw outputs."""
        return outputs.float().softmax(dim=1)

    def classes(self, outputs: Tensor) -> NDArray[np.uint8]:
        """The likeliest class of each pixel, (N, H, W), from raw outputs or chances (N, K, H, W); tidied where that was
        chosen."""
        found = np.asarray(outputs.argmax(dim=1).to(torch.uint8).cpu().numpy())
        how = self.settings.tidying
        return found if how is None else np.stack([tidied(mask, how) for mask in found])

    def shares(self, mask: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The share of each class in the pixels of a mask, (K,)."""
        return (np.bincount(mask.ravel(), minlength=self.outputs) / mask.size).astype(np.float32)

    def scores(self, outputs: Tensor) -> Tensor:
        """Rows of statistics as they are, (N, S)."""
        return outputs

    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """{"label"}: the class of most pixels, from the share of each, (K,)."""
        return {"label": self.target_names[int(row.argmax())]}

    def tried(self, sample: Sample) -> Tensor:
        """The loss of outputs of 0 for a made mask, (1,): whether it takes its options."""
        return self.losses(torch.zeros(1, self.outputs, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8))

    def guessed(self, targets: Tensor) -> Tensor:
        """Outputs (N, K, H, W) that are nearly right about masks (N, H, W): to take the time of judging by."""
        near = targets.roll((2, 2), (1, 2)).long().clamp(max=self.outputs - 1)
        return one_hot(near, self.outputs).movedim(-1, 1).float()

    def made(self, samples: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores and targets of so many made samples, to take the time of judging by."""
        found, true = random.integers(self.outputs, size=(2, 16, 16)).astype(np.uint8)
        row = statistics(found, true, self.outputs)
        return np.repeat(row[None], samples, axis=0), np.zeros((samples, 0))

    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """IoU, Dice, precision, recall, boundary F1 and Hausdorff distance of each class, and its pixels."""
        found = by_class(np.asarray(scores, np.float64))
        return [
            {"class": name, **{figure: _plain(figure, float(values[place])) for figure, values in found.items()}}
            for place, name in enumerate(self.target_names)
        ]

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """Classes that no pixel is of."""
        found = by_class(np.asarray(scores, np.float64))
        return {
            f"class {name}": "no pixel is of this class, nor predicted to be: the means leave it out"
            for place, name in enumerate(self.target_names)
            if np.isnan(found["iou"][place])
        }

    def confusion(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[list[int]]:
        """Pixels by true (rows) and predicted class (columns)."""
        rows: list[list[int]] = split_rows(np.asarray(scores, np.float64)).confusion.sum(0).astype(np.int64).tolist()
        return rows

    def each(self, scores: NDArray[Any]) -> Mapping[str, NDArray[np.float64]]:
        """What is told of each picture by name, (N,) each, NaN where one is not defined."""
        rows = np.asarray(scores, np.float64)
        return {
            name: np.array([metric.measure(row[None], np.zeros((1, 0))) for row in rows])
            for name, metric in self.measures().items()
        }


_WHOLE = ("support", "pictures", "missed", "invented", "measured")
"""Figures of a class that count."""


def _plain(figure: str, value: float) -> float | int | None:
    return int(value) if figure in _WHOLE else defined(value)
