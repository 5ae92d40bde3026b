"""What rules may look at: the data as found, the machine, the budget, and the other decisions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from striate.core.plan import Decision
from striate.core.records import Dataset, Label, Labels, Sample
from striate.data.audit import Audit
from striate.data.sampling import patch_counts
from striate.data.split import SplitTable
from striate.nets import Form, Weights, regularised, resolve, with_first_weights
from striate.tasks import TASKS

SCARCE = 500
"""Training samples below which pretrained layers move little and a head learns from every view."""

LEFT_OUT = ("dropout", "channel_dropout", "stochastic_depth")
"""The leaves of `network` that say what is left out at random in training."""


@dataclass(frozen=True)
class Machine:
    """What the training will run on.

    Args:
        cores: physical cores, which compute.
        memory_bytes: memory that may still be taken, on the device that trains.
        device: "cpu", "cuda" or "mps".
        bfloat16: whether torch has kernels for it on the device.
        host_bytes: memory that may still be taken beside the device; the same unless given.
        disk_bytes: what is free on the disk that holds the cache.
        processors: logical ones, which decode; as many as cores unless given.
        macs_per_second: multiply-accumulates of a forward pass that a training does a second, measured on a block of
            convolution, norm and activation; None where it was not measured.
        tuning_seconds: that fine-tuning takes for a sample of the size the weights at hand were trained at, measured on
            their network; None where it was not measured.
    """

    cores: int
    memory_bytes: int
    device: str
    bfloat16: bool = True
    host_bytes: int | None = None
    disk_bytes: int = 0
    processors: int | None = None
    macs_per_second: float | None = None
    tuning_seconds: float | None = None


@dataclass(frozen=True)
class Budget:
    """How long to train: minutes from the command's start to the finished Run, or epochs, or neither."""

    minutes: float | None = None
    epochs: int | None = None

    @property
    def fit_seconds(self) -> float | None:
        """About what the minutes leave for training: the rest is reading, measuring, validating and scoring."""
        return None if self.minutes is None else 0.8 * 60 * self.minutes


@dataclass(frozen=True)
class Context(ABC):
    """What rules may look at. Indexing by a leaf's key decides that leaf first.

    Args:
        dataset: the samples, their targets and names.
        audit: what one full read found.
        split: who is in train, val and test.
        machine: what the training runs on.
        budget: the time or epochs allowed.
        weights: pretrained weights at hand, or None.
        overrides: the user's own values by key.
    """

    dataset: Dataset
    audit: Audit
    split: SplitTable
    machine: Machine
    budget: Budget
    weights: Weights | None
    overrides: Mapping[str, Decision]

    def __getitem__(self, key: str) -> Any:
        return self.decision(key).value

    @abstractmethod
    def decision(self, key: str) -> Decision:
        """The decision of one leaf, asking its rule where that was not done yet."""

    @cached_property
    def train_samples(self) -> list[Sample]:
        """The samples of the train split, in the order of their keys."""
        keys = set(self.split.keys("train"))
        return [sample for sample in self.dataset.samples if sample.key in keys]

    @property
    def form(self) -> Form:
        """What the network gives: a row of scores for a picture, outputs for each pixel, or boxes."""
        return TASKS.get(self["task.kind"]).form

    @property
    def per_pixel(self) -> bool:
        """Whether the network is asked of each pixel."""
        return self.form == "grid"

    @property
    def one_answer(self) -> bool:
        """Whether the network gives one answer for a picture."""
        return self.form == "row"

    @property
    def finds(self) -> bool:
        """Whether the network is asked which things are where."""
        return self.form == "boxes"

    @cached_property
    def shown(self) -> int:
        """What an epoch shows: the training samples, or as many patches of them as their area has room for."""
        if self["input.sizing"] != "patch":
            return len(self.train_samples)
        sides = [self.audit.sides[sample.key] for sample in self.train_samples]
        return sum(patch_counts(np.array(sides), (self["input.height"], self["input.width"])))

    @property
    def scarce(self) -> bool:
        """Whether the training samples are so few that pretrained layers should move little."""
        return len(self.train_samples) < SCARCE

    @property
    def typical_side(self) -> int:
        """The short side of what the network sees, in pixels; of pictures that keep their own sizes in the median."""
        side = min(self["input.height"], self["input.width"])
        if self["input.sizing"] != "own":
            return int(side)
        sizes = self.audit.sizes
        return int(min(side, round(min(sizes["height"]["median"], sizes["width"]["median"]))))

    def network_spec(self) -> dict[str, Any]:
        """The network that is decided on, for the outputs and the input that are, as `resolve` gives it."""
        spec = resolve(
            self["network.name"],
            outputs=max(1, len(self.dataset.target_names)),
            channels=self["input.channels"],
            height=self["input.height"],
            width=self["input.width"],
            arguments=self["network.arguments"],
            form=self.form,
        )
        return as_planned(spec, self.__getitem__)

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Training samples of each class; empty where samples have none, as values and masks."""
        counts: Counter[str] = Counter(dict.fromkeys(self.dataset.target_names, 0))
        for sample in self.train_samples:
            if isinstance(sample.target, Label):
                counts[sample.target.name] += 1
            elif isinstance(sample.target, Labels):
                counts.update(sample.target.names)
            else:
                return {}
        return dict(counts)


def as_planned(spec: Mapping[str, Any], value: Callable[[str], Any]) -> dict[str, Any]:
    """A network, as `resolve` gives it, with what the plan says beside its name and arguments.

    Args:
        value: of a leaf of the plan.
    """
    spec = regularised(spec, **{leaf: value(f"network.{leaf}") for leaf in LEFT_OUT})
    return with_first_weights(spec, init=value("network.init"), last_norm=value("network.last_norm"))
