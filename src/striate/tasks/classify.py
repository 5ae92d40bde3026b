"""Classify: one class out of several, two included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.core.records import Label, Sample
from striate.losses import LOSSES, class_weights, given_class_weights
from striate.metrics import ExpectedCost, Metric, checked, class_counts, confusion_matrix, least_cost, moved
from striate.tasks import TASKS
from striate.tasks._task import Task, TaskSettings, Weighting, class_table, no_target


@TASKS.register("classify")
class Classify(Task):
    """One class out of several: softmax over K outputs."""

    name = "classify"
    kind = "label"
    headline = "accuracy"

    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """Weights or shares of classes from their frequencies, weighted samples counting by their weight."""
        counts = [0.0] * self.outputs
        for sample in samples:
            counts[self._class(sample)] += sample.weight
        settings = self.settings
        if LOSSES.get(settings.loss).priors and settings.loss_options.get("shares") is None:
            shares = [count / sum(counts) for count in counts]
            settings = replace(settings, loss_options={**settings.loss_options, "shares": shares})
        if not isinstance(weighting, str):
            return replace(settings, class_weights=given_class_weights(weighting, self.target_names, counts))
        return settings if weighting == "none" else replace(settings, class_weights=class_weights(weighting, counts))

    def row(self, sample: Sample) -> NDArray[np.float64]:
        """One-hot, (K,)."""
        row = np.zeros(self.outputs)
        row[self._class(sample)] = 1.0
        return row

    def class_weight(self, sample: Sample) -> float:
        """The weight of a sample's class."""
        return 1.0 if self.settings.class_weights is None else self.settings.class_weights[self._class(sample)]

    def scores(self, outputs: Tensor) -> Tensor:
        """Probabilities, (N, K), each row summing to 1."""
        return outputs.float().softmax(dim=1)

    def judged(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Probabilities as they are; by moved thresholds where there are any; one-hot where mistakes have costs."""
        if self.settings.costs is not None:
            return least_cost(scores, self.settings.costs)
        return scores if self.settings.factors is None else moved(scores, self.settings.factors)

    def measures(self) -> dict[str, Metric]:
        """Those of all classifications, and `expected_cost` where mistakes have costs."""
        costs = self.settings.costs
        extra = {} if costs is None else {"expected_cost": ExpectedCost(self.kind, self.outputs, costs)}
        return {**super().measures(), **extra}

    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """{"label", "probability"} of the class that is decided for (the first of equals)."""
        place = int(self.judged(row[None])[0].argmax())
        return {"label": self.target_names[place], "probability": float(row[place])}

    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """Precision, recall, F1 and support of each class."""
        found = class_counts(*checked(self.judged(scores), targets), "label")
        return class_table(self.target_names, found.support, found.precision, found.recall, found.f1)

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """Classes without samples, and classes that are never predicted."""
        found = class_counts(*checked(self.judged(scores), targets), "label")
        said = {}
        for place, name in enumerate(self.target_names):
            if not found.support[place]:
                said[f"class {name}"] = (
                    "no sample is of this class: it cannot be judged, and the macro means leave it out"
                )
            elif not found.predicted[place]:
                said[f"class {name}"] = (
                    "it is never predicted: its precision is unknown and counts 0 in macro_precision"
                )
        return said

    def confusion(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[list[int]]:
        """Samples by true (rows) and predicted class (columns)."""
        rows: list[list[int]] = confusion_matrix(*checked(self.judged(scores), targets)).tolist()
        return rows

    def _class(self, sample: Sample) -> int:
        if not isinstance(sample.target, Label):
            raise no_target(sample, "a class")
        return self._place(sample.target.name, sample)
