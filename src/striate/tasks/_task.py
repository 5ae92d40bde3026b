"""What every task is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.errors import DataError, NetworkError, UnknownName, UsageError
from striate.core.options import options_of, with_options
from striate.core.records import Sample, TargetKind
from striate.losses import LOSSES, WEIGHTINGS
from striate.metrics import METRICS, Metric, checked, metric_names
from striate.nets import Form, hearing
from striate.tasks._costs import cost_matrix
from striate.tasks._settings import Sets, TaskSettings, Weighting
from striate.tasks._tidying import Tidying

if TYPE_CHECKING:
    from striate.data.loader import Batch


class Task(ABC):
    """What is asked of a network.

    A task never touches pixels: `step` is given images that are standardised already.

    Args:
        target_names: class names, or the names of the values, in the order of the outputs.
        settings: what was learnt from the training samples.

    Raises:
        UnknownName: there is no such loss or option of it.
        UsageError: the loss is for other targets.
    """

    name: ClassVar[str]
    kind: ClassVar[TargetKind]
    headline: ClassVar[str]
    form: ClassVar[Form] = "row"
    """What a network gives: one row of scores for a picture, outputs for each pixel, or boxes. In the last two a sample
    has no scores of its own that could be calibrated, sorted or explained, but figures of how its prediction and the
    truth agree."""

    def __init__(self, target_names: Sequence[str], settings: TaskSettings) -> None:
        self.target_names = tuple(target_names)
        self.settings = settings
        found = LOSSES.get(settings.loss)
        if self.kind not in found.kinds:
            fitting = ", ".join(name for name, one in LOSSES.items() if self.kind in one.kinds)
            raise UsageError(f"the loss {settings.loss!r} is not for the task {self.name!r}", fix=f"choose {fitting}")
        if settings.class_weights is not None and len(settings.class_weights) != self.outputs:
            raise UsageError(f"{len(settings.class_weights)} class weights for {self.outputs} classes")
        self._loss = found.bind(self._loss_options())
        self._places = {name: place for place, name in enumerate(self.target_names)}

    @classmethod
    def from_samples(
        cls,
        target_names: Sequence[str],
        samples: Sequence[Sample],
        *,
        loss: str,
        loss_options: Mapping[str, Any],
        class_weights: Weighting,
        costs: Any = None,
    ) -> Task:
        """See `striate.tasks.make_task`."""
        if isinstance(class_weights, str) and class_weights not in WEIGHTINGS:
            raise UnknownName("weighting of classes", class_weights, WEIGHTINGS)
        found = LOSSES.get(loss)
        if found.priors and class_weights != "none":
            raise UsageError(
                f"the loss {loss!r} corrects for how often classes are, and weights of classes would do so twice",
                fix="set loss.class_weights to none, or choose another loss",
            )
        plain = cls(target_names, TaskSettings(loss, found.bind(loss_options).keywords))
        settings = plain.learn(samples, weighting=class_weights)
        if costs is not None:
            if cls.kind != "label":
                raise UsageError(f"costs are for single classes, not for the task {cls.name!r}")
            settings = replace(settings, costs=cost_matrix(costs, tuple(target_names)))
        return cls(target_names, settings)

    @abstractmethod
    def learn(self, samples: Sequence[Sample], *, weighting: Weighting) -> TaskSettings:
        """The settings with what the training samples teach. Raises `DataError` where they teach nothing.

        Args:
            weighting: of classes.
        """

    @property
    def one_answer(self) -> bool:
        """Whether a network gives one answer for a picture, a row of scores, K of them."""
        return self.form == "row"

    @property
    def per_pixel(self) -> bool:
        """Whether a network is asked of each pixel."""
        return self.form == "grid"

    @property
    def finds(self) -> bool:
        """Whether a network is asked which things are where."""
        return self.form == "boxes"

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for a sample, K."""
        return len(self.target_names)

    @property
    def columns(self) -> int:
        """How many numbers a sample's encoded target has."""
        return self.outputs

    # -- targets and weights

    @abstractmethod
    def row(self, sample: Sample) -> NDArray[np.float64]:
        """The target of one sample as K numbers, (K,). Raises `DataError`."""

    def encode(self, samples: Sequence[Sample]) -> Tensor:
        """Targets as numbers, (N, K) float32: one-hot, 0 or 1, or values in their own unit; of masks and
        boxes (N, 0).

        Raises:
            DataError: a target is missing, unknown or not finite; names the sample.
        """
        targets = np.zeros((len(samples), self.columns), np.float32)
        for place, sample in enumerate(samples):
            targets[place] = self.row(sample)
        return torch.from_numpy(targets)

    def weights(self, samples: Sequence[Sample]) -> Tensor:
        """How much each sample counts in the loss, (N,) float32: its own weight times its class's.

        Batches are made with these, so that a batch's total weight holds the class weights and a loss computed in
        parts is that of the whole.

        Raises:
            DataError: a weight is negative or not finite, or all are 0.
        """
        found = [sample.weight * self.class_weight(sample) for sample in samples]
        for sample, weight in zip(samples, found, strict=True):
            if not (math.isfinite(weight) and weight >= 0):
                raise DataError(
                    f"the weight of {sample.key!r} is {sample.weight}; weights are finite numbers of at least 0",
                    fix="correct it in the table's weight column",
                )
        if samples and not any(found):
            raise DataError("all samples weigh 0, so nothing can be learnt", fix="correct the weight column")
        return torch.tensor(found, dtype=torch.float32)

    def class_weight(self, sample: Sample) -> float:
        """The weight of a sample's class; 1 where classes do not weigh samples."""
        return 1.0

    # -- training

    def step(self, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """The losses of a batch, or of a part of one.

        Args:
            networks: {"network": …}, from standardised images (N, C, H, W) to outputs (N, K).
            batch: images standardised; targets (N, K) as `encode` gives them; weights (N,) as `weights` gives them;
                total_weight, of the whole batch.

        Returns:
            {"network": Σ_i w_i l_i / total_weight}, and for each auxiliary head {"auxiliary1": …}, times its weight.
            Summed over the parts of a batch, losses and gradients are those of the whole.

        Raises:
            NetworkError: the network gives another shape.
        """
        with hearing(networks["network"]) as heard:
            outputs = networks["network"](batch.images)
        extra = {f"auxiliary{number}": weight * self._mean(one, batch) for number, (weight, one) in enumerate(heard, 1)}
        return {"network": self._mean(outputs, batch), **extra}

    def _mean(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The part of a batch in the weighted mean of its losses."""
        self.check_shapes(outputs, batch.targets)
        losses = self.losses(outputs, batch.targets)
        total = (losses * batch.weights.to(losses.dtype)).sum()
        return total / batch.total_weight if batch.total_weight else total

    def check_shapes(self, outputs: Tensor, targets: Tensor) -> None:
        """Raise `NetworkError` where a network does not give what is asked for targets as a batch has them."""
        if outputs.shape != targets.shape:
            raise NetworkError(
                f"the network gives {tuple(outputs.shape)}; the task {self.name!r} needs {tuple(targets.shape)}",
                fix=f"give the network {self.outputs} outputs",
            )

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample, (N,), unweighted, from raw outputs and targets as a batch has them."""
        return self._loss(outputs, targets)

    def tried(self, sample: Sample) -> Tensor:
        """The loss of outputs of 0 for a sample, (1,): whether it takes its options. Raises what it raises."""
        return self.losses(torch.zeros(1, self.outputs), self.encode([sample]))

    def with_factors(self, factors: Sequence[float]) -> Self:
        """The same task with thresholds moved."""
        return type(self)(self.target_names, replace(self.settings, factors=tuple(factors)))

    def with_decisions(
        self,
        *,
        temperature: float | None = None,
        thresholds: Sequence[float] | None = None,
        sets: Sets | None = None,
        tidying: Tidying | None = None,
    ) -> Self:
        """The same task with what validation decided of predictions; what is None is as it was."""
        found = {
            "temperature": temperature,
            "thresholds": None if thresholds is None else tuple(thresholds),
            "sets": sets,
            "tidying": tidying,
        }
        chosen: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
        return type(self)(self.target_names, replace(self.settings, **chosen))

    def uncalibrated(self) -> Self:
        """The same task without a temperature."""
        return type(self)(self.target_names, replace(self.settings, temperature=None))

    def undecided(self) -> Self:
        """The same task of which the largest score, or those from a half on, are what is decided for."""
        return type(self)(self.target_names, replace(self.settings, factors=None, thresholds=None, costs=None))

    def unsmoothed(self) -> Self:
        """The same task without label smoothing in its loss."""
        options = {name: value for name, value in self.settings.loss_options.items() if name != "label_smoothing"}
        return type(self)(self.target_names, replace(self.settings, loss_options=options))

    def _loss_options(self) -> dict[str, Any]:
        return dict(self.settings.loss_options)

    # -- judging

    def collected(self, outputs: Tensor, targets: Tensor, *, brief: bool = False) -> Tensor:
        """What is kept of a batch that is judged, a row a sample: raw outputs as they are.

        Args:
            outputs: raw, of the network.
            targets: as the batch has them.
            brief: whether what takes long, and chooses nothing, may be left out.
        """
        return outputs

    def classes(self, outputs: Tensor) -> NDArray[np.uint8]:
        """The class of each pixel, (N, H, W), from raw outputs, where pixels have one."""
        raise NotImplementedError(f"pixels have no classes in the task {self.name!r}")

    def guessed(self, targets: Tensor) -> Tensor:
        """Raw outputs that are nearly right about targets as a batch has them, to take the time of judging by."""
        raise NotImplementedError(f"what judging takes of the task {self.name!r} does not depend on what is judged")

    def made(self, samples: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores and targets of so many made samples, to take the time of judging by."""
        scores, targets = random.random((samples, self.outputs)), np.zeros((samples, self.outputs))
        if self.kind == "label":
            scores /= scores.sum(axis=1, keepdims=True)
            targets[np.arange(samples), random.integers(self.outputs, size=samples)] = 1.0
        else:
            targets[:] = random.integers(2, size=targets.shape)
        return scores, targets

    @abstractmethod
    def scores(self, outputs: Tensor) -> Tensor:
        """Raw outputs (N, K) as what people read: probabilities, or values in their own unit."""

    def together(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Scores of several sets of samples as those of one."""
        return np.concatenate(parts)

    def _tempered(self, outputs: Tensor) -> Tensor:
        """Raw outputs divided by the temperature, in float32: their order stays (Guo et al. 2017, section 4.2)."""
        return outputs.float() if self.settings.temperature is None else outputs.float() / self.settings.temperature

    @abstractmethod
    def decode(self, row: NDArray[Any]) -> dict[str, Any]:
        """The scores of one sample, (K,), in words."""

    def judged(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Scores (N, K) of which the largest, or those from a half on, are what is decided for."""
        return scores

    def measures(self) -> dict[str, Metric]:
        """All metrics of this task by name, the headline first, each before it has seen anything."""
        names = metric_names(self.kind, self.outputs, self.settings.loss)
        ordered = (self.headline, *(name for name in names if name != self.headline))
        return {name: self._measure(name, self.outputs) for name in ordered}

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of all metrics of this task, the headline first."""
        return tuple(self.measures())

    def higher_is_better(self, metric: str) -> bool:
        """Which way a metric is better. Raises `UnknownName` for one that this task does not have."""
        known = self.measures()
        if metric not in known:
            raise UnknownName(f"metric of the task {self.name}", metric, tuple(known))
        return known[metric].higher_is_better

    def metrics(self, scores: NDArray[Any], targets: NDArray[Any], without: Collection[str] = ()) -> dict[str, float]:
        """All metrics by name; NaN where one is not defined.

        Args:
            scores: (N, K), as `scores` gives them.
            targets: (N, K), as `encode` gives them.
            without: names that are left out.

        Raises:
            DataError: there are no samples.
        """
        if not len(scores):
            raise DataError("there are no samples to score")
        scores, targets = checked(scores, targets, self.kind)
        decided = self.judged(scores)
        return {
            name: metric.measure(decided if metric.of_decisions else scores, targets)
            for name, metric in self.measures().items()
            if name not in without
        }

    def each(self, scores: NDArray[Any]) -> Mapping[str, NDArray[np.float64]]:
        """The metrics of each sample by itself, (N,) by name, where it has such; NaN where one is not defined."""
        raise NotImplementedError(f"a sample of the task {self.name!r} has no metrics of its own")

    @property
    def each_names(self) -> tuple[str, ...]:
        """The names of what `each` gives."""
        return self.metric_names

    def agreement(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """How well prediction and truth of each sample agree, (N,), from 0 to 1, where a sample has no answer of its
        own that could be right: the headline of a mask; 1 where there is nothing to be wrong about."""
        return np.nan_to_num(self.each(scores)[self.headline], nan=1.0)

    @abstractmethod
    def per_class(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[dict[str, Any]]:
        """A row for each class or value: its name and its figures, None where one is not defined."""

    def undefined(self, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, str]:
        """What could not be judged, and why, by "class NAME", "label NAME" or "value NAME"."""
        return {}

    @property
    def confusion_names(self) -> tuple[str, ...]:
        """What the rows and columns of `confusion` are of."""
        return self.target_names

    def confusion(self, scores: NDArray[Any], targets: NDArray[Any]) -> list[list[int]] | None:
        """Samples by true (rows) and predicted class (columns); None where a sample has not one class."""
        return None

    # -- on disk

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the Model's JSON; of tidying and scale only where there is one."""
        settings = asdict(self.settings)
        for name in ("tidying", "scale"):
            if settings[name] is None:
                del settings[name]
        return {"name": self.name, "target_names": list(self.target_names), **settings}

    # -- for subclasses

    def _measure(self, name: str, outputs: int) -> Metric:
        """A metric for so many outputs; one of the loss's aim has the loss's options."""
        metric = METRICS.get(name)
        given = {option: self._loss.keywords[option] for option in options_of(metric) if option in self._loss.keywords}
        return with_options(metric, given, f"the metric {name}")(self.kind, outputs)

    def _place(self, name: str, sample: Sample) -> int:
        if name not in self._places:
            raise DataError(
                f"{sample.key!r} is of the class {name!r}, which training does not know",
                fix="add samples of it to training, or leave it out of the rest",
            )
        return self._places[name]


def no_target(sample: Sample, expected: str) -> DataError:
    """The error of a sample whose target is missing or of another kind."""
    found = "no target" if sample.target is None else f"the target {sample.target}"
    return DataError(f"{sample.key!r} has {found}; {expected} was expected", fix="correct the table, or choose --task")


def class_table(
    names: Sequence[str], support: NDArray[Any], precision: NDArray[Any], recall: NDArray[Any], f1: NDArray[Any]
) -> list[dict[str, Any]]:
    """Figures of each class as rows, None where one is not defined."""
    return [
        {
            "class": name,
            "precision": defined(precision[place]),
            "recall": defined(recall[place]),
            "f1": defined(f1[place]),
            "support": int(support[place]),
        }
        for place, name in enumerate(names)
    ]


def defined(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if np.isnan(value) else float(value)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many.

    >>> listed(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
