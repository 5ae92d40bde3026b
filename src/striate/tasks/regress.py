"""Regress: one or more numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError, UsageError
from striate.core.records import Sample, Value
from striate.losses import LOSSES
from striate.metrics import checked
from striate.tasks import TASKS
from striate.tasks._settings import TaskSettings, Weighting
from striate.tasks._task import Task, defined, no_target

# Single precision keeps 7 digits; a spread below this share of the mean would keep fewer than two of its own.
_LEAST_SPREAD = 1e-5
_MOST = 80.0  # the logarithm of a count beyond all: single precision overflows at 88


@TASKS.register("regress")
class Regress(Task):
    """One or more numbers: learnt standardised by the training samples, scored in their own unit."""

    name = "regress"
    kind = "value"
    headline = "mae"

    def __init__(self, target_names: Sequence[str], settings: TaskSettings) -> None:
        super().__init__(target_names, settings)
        if len(settings.mean) != len(settings.std) or len(settings.mean) not in (0, self.outputs):
            raise UsageError(f"{len(settings.mean)} means and {len(settings.std)} spreads for {self.outputs} values")

    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """The mean and standard deviation of each value over the training samples; of counts, the mean's logarithm."""
        if weighting != "none":
            raise UsageError("values have no classes to balance", fix="set loss.class_weights to none")
        if not samples:
            raise DataError("there are no training samples")
        values = np.stack([self.row(sample) for sample in samples])
        mean, std = values.mean(axis=0), values.std(axis=0)
        for place, name in enumerate(self.target_names):
            if np.ptp(values[:, place]) == 0:
                raise DataError(
                    f"the value {name!r} is {values[0, place]:g} for all {len(samples)} training samples: "
                    "there is nothing to learn",
                    fix="leave that column out",
                )
            if std[place] < _LEAST_SPREAD * abs(mean[place]):
                raise DataError(
                    f"the value {name!r} differs by {std[place]:g} around {mean[place]:g}: "
                    "single precision cannot hold it",
                    fix="subtract a constant from that column",
                )
        if self._counts:
            self._check_counts(samples, values)
            mean, std = np.log(mean), np.ones_like(std)
        return replace(self.settings, mean=tuple(mean.tolist()), std=tuple(std.tolist()))

    @property
    def _counts(self) -> bool:
        """Whether the values are counts, of which outputs are the logarithms."""
        return LOSSES.get(self.settings.loss).link == "log"

    def _check_counts(self, samples: Sequence[Sample], values: NDArray[np.float64]) -> None:
        """Raise `DataError` for a value below 0, of which no rate is the logarithm."""
        below = np.flatnonzero((values < 0).any(axis=1))
        if below.size:
            raise DataError(
                f"the target of {samples[below[0]].key!r} is {values[below[0]].tolist()}, and the loss "
                f"{self.settings.loss!r} is for counts of at least 0 ({below.size} samples are not)",
                fix="choose another loss, such as huber",
            )

    def row(self, sample: Sample) -> NDArray[np.float64]:
        """The values in their own unit, (K,)."""
        if not isinstance(sample.target, Value) or len(sample.target.values) != self.outputs:
            raise no_target(sample, f"{self.outputs} number{'s' if self.outputs > 1 else ''}")
        if not all(math.isfinite(value) and abs(value) < 1e30 for value in sample.target.values):
            raise DataError(
                f"the target of {sample.key!r} is {sample.target.values}; finite numbers below 1e30 were expected",
                fix="correct it, or leave the row out",
            )
        return np.array(sample.target.values, np.float64)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample, (N,), in standardised units."""
        targets = targets.to(torch.promote_types(outputs.dtype, torch.float32))
        if self._counts:
            return self._loss(outputs + targets.new_tensor(self.settings.mean), targets)
        standard = (targets - targets.new_tensor(self.settings.mean)) / targets.new_tensor(self.settings.std)
        return self._loss(outputs, standard)

    def scores(self, outputs: Tensor) -> Tensor:
        """Values, (N, K), in their own unit."""
        outputs = outputs.float()
        found = outputs * outputs.new_tensor(self.settings.std) + outputs.new_tensor(self.settings.mean)
        return found.clamp(max=_MOST).exp() if self._counts else found

    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """{"values": {name: number}}; with `sets` also "ranges": {name: (from, to)}."""
        said: dict[str, Any] = {"values": dict(zip(self.target_names, map(float, row), strict=True))}
        if self.settings.sets is not None:
            reach = zip(self.target_names, map(float, row), self.settings.sets.bounds, strict=True)
            said["ranges"] = {name: (value - far, value + far) for name, value, far in reach}
        return said

    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """All metrics of each value, in its own unit, and its support."""
        scores, targets = checked(scores, targets)
        measures = {metric: self._measure(metric, 1) for metric in self.metric_names}
        return [
            {
                "value": name,
                **{
                    metric: defined(measure.measure(scores[:, [place]], targets[:, [place]]))
                    for metric, measure in measures.items()
                },
                "support": len(scores),
            }
            for place, name in enumerate(self.target_names)
        ]

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """Values that are the same for all samples."""
        return {
            f"value {name}": "it is the same for all samples: its R² is unknown and the mean leaves it out"
            for place, name in enumerate(self.target_names)
            if np.ptp(targets[:, place]) == 0
        }
