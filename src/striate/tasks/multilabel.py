"""Multi-label: any number of labels at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import UsageError
from striate.core.records import Labels, Sample
from striate.losses import LOSSES, given_weights, positive_ratios
from striate.metrics import THRESHOLD, checked, class_counts, possible
from striate.tasks import TASKS
from striate.tasks._settings import TaskSettings, Weighting
from striate.tasks._task import Task, class_table, no_target


@TASKS.register("multilabel")
class Multilabel(Task):
    """Any number of labels at once: a sigmoid for each of K outputs, present from `THRESHOLD` on, or its own."""

    name = "multilabel"
    kind = "labels"
    headline = "macro_f1"

    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """How many times as much a positive of each label counts as a negative: as given, or by how many there are."""
        if weighting == "none":
            return self.settings
        if isinstance(weighting, str) and weighting != "balanced":
            fix = "set loss.class_weights to balanced, or to a number for each label"
            raise UsageError(f"labels are not weighed by {weighting!r}", fix=fix)
        if "positive_ratios" not in LOSSES.get(self.settings.loss).options:
            raise UsageError(
                f"the loss {self.settings.loss!r} knows no class weights", fix="choose binary_cross_entropy"
            )
        if not isinstance(weighting, str):
            return replace(self.settings, class_weights=given_weights(weighting, self.target_names))
        positives, total = np.zeros(self.outputs), 0.0
        for sample in samples:
            total += sample.weight
            positives += self.row(sample) * sample.weight
        return replace(self.settings, class_weights=positive_ratios(positives.tolist(), total))

    def _loss_options(self) -> dict[str, Any]:
        options = super()._loss_options()
        if self.settings.class_weights is not None:
            options["positive_ratios"] = self.settings.class_weights
        return options

    def row(self, sample: Sample) -> NDArray[np.float64]:
        """1 for each label present, else 0, (K,)."""
        if not isinstance(sample.target, Labels):
            raise no_target(sample, "a list of labels")
        row = np.zeros(self.outputs)
        row[[self._place(name, sample) for name in sample.target.names]] = 1.0
        return row

    def scores(self, outputs: Tensor) -> Tensor:
        """Probabilities, (N, K), each of its own."""
        return self._tempered(outputs).sigmoid()

    def judged(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Probabilities as they are; 1 and 0 for present and absent where labels have thresholds of their own."""
        thresholds = self.settings.thresholds
        return scores if thresholds is None else np.asarray(scores >= np.asarray(thresholds), np.float64)

    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """{"labels"}: those held present, in the order of the outputs.

        With `sets` also "possible", the labels that are, the likeliest first, and "unsure" where more are than held
        present.
        """
        held = self.judged(row[None])[0] >= THRESHOLD
        said: dict[str, Any] = {"labels": [name for name, on in zip(self.target_names, held, strict=True) if on]}
        if self.settings.sets is not None:
            on = possible(row[None], self.settings.sets.bounds)[0]
            names = [self.target_names[number] for number in np.argsort(-row, kind="stable") if on[number]]
            said |= {"possible": names, "unsure": bool((on & ~held).any())}
        return said

    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """Precision, recall, F1 and support of each label."""
        found = class_counts(*checked(self.judged(scores), targets), "labels")
        return class_table(self.target_names, found.support, found.precision, found.recall, found.f1)

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """Labels that no sample has, and labels that are never predicted."""
        found = class_counts(*checked(self.judged(scores), targets), "labels")
        said = {}
        for place, name in enumerate(self.target_names):
            if not found.support[place]:
                said[f"label {name}"] = "no sample has this label: it cannot be judged, and macro_f1 leaves it out"
            elif not found.predicted[place]:
                said[f"label {name}"] = "it is never predicted: its precision is unknown"
        return said
