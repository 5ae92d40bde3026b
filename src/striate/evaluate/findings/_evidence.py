"""The evidence of a finished training, as findings look at it: plain values, and the questions that many ask."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from scipy.stats import rankdata

SURE = 2.0
"""Standard errors by which something must be beyond a limit to be told: chance alone does so in 1 of 44."""
SHORT = {"label": 0.1, "labels": 0.3, "value": 0.5, "mask": 0.3, "boxes": 0.3}
"""By the kind of target: how far below 1 the score on the training samples themselves may be."""
APART = {"label": 0.1, "labels": 0.2, "value": 0.2, "mask": 0.1, "boxes": 0.2}
"""By the kind of target: how far below the score on training samples that on validation may be. All networks that learn
score lower on what they have not seen; here it is one sample in ten."""


@dataclass(frozen=True)
class Judged:
    """A score and how far chance may have moved it.

    Args:
        value: at most 1, which is perfect.
        error: its standard error.
        count: independent samples that it is of.
        grouped: whether those are groups of samples.
    """

    value: float
    error: float
    count: int
    grouped: bool = False

    @classmethod
    def of(cls, metrics: Mapping[str, Any], name: str) -> Judged | None:
        """From the metrics of a split; None where they do not tell.

        The bootstrap's interval has no width where every sample is right; of shares the error is therefore at least
        that of Agresti and Coull 1998, who add two samples of each kind.
        """
        value, interval = metrics.get(name), metrics.get(f"{name}_interval")
        count = metrics.get("groups", metrics.get("samples"))
        if not isinstance(value, int | float) or not count:
            return None
        error = 0.0 if interval is None else (interval[1] - interval[0]) / (2 * 1.96)
        if 0 <= value <= 1 and name != "r2":
            share = (value * count + 2) / (count + 4)
            error = max(error, math.sqrt(share * (1 - share) / (count + 4)))
        elif interval is None:
            return None
        return cls(float(value), error, int(count), "groups" in metrics)

    def of_what(self, samples: str) -> str:
        """What it is a score of, in words.

        >>> Judged(0.9, 0.1, 7, grouped=True).of_what("validation samples")
        '7 groups of validation samples'
        """
        return f"{self.count} groups of {samples}" if self.grouped else f"{self.count} {samples}"


@dataclass(frozen=True)
class Doubt:
    """How much surer a network is of what it calls right than of what it calls wrong, on samples it has not seen.

    Args:
        right, wrong: samples called so.
        separation: the chance that it is surer of a right one than of a wrong one (the area under the ROC curve).
        error: its standard error (Hanley and McNeil 1982).
    """

    right: int
    wrong: int
    separation: float
    error: float


def doubt_of(scores: NDArray[Any], targets: NDArray[Any]) -> Doubt | None:
    """From probabilities and one-hot targets, both (N, K); None where all or none are right.

    >>> import numpy as np
    >>> doubt_of(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([[1, 0], [0, 1], [0, 1]])).separation
    1.0
    """
    right = scores.argmax(1) == targets.argmax(1)
    sure, good, bad = scores.max(1), int(right.sum()), int((~right).sum())
    if not good or not bad:
        return None
    area = float((rankdata(sure)[right].sum() - good * (good + 1) / 2) / (good * bad))
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (good - 1) * (one - area**2) + (bad - 1) * (two - area**2)
    return Doubt(good, bad, area, math.sqrt(max(spread, 0.0) / (good * bad)))


@dataclass(frozen=True)
class Evidence:
    """What a finished training left.

    Args:
        kind: of the targets.
        metric: what train and val are judged by: a score of at most 1.
        train: on training samples as they are, unaltered; None where it could not be judged.
        val: on validation; None where there is none.
        history: the epochs, as history.jsonl holds them.
        best_epoch: whose weights were taken.
        loss_error: the standard error of the validation loss (log loss, or the root mean square), None where unknown.
        chance: what naming the commonest class would score on validation; 0 for other targets.
        doubt: on validation, of one class out of several.
        samples: training samples.
        duplicates, conflicts: groups of equal pictures, and those of them whose targets differ.
        rate, usual_rate: the peak rate, and what experience would take for this optimizer and batch.
        optimizer: its name.
        epochs: of the plan.
        minutes: of the plan, or None.
        tuned: whether it began from weights that know something.
        kept_share: of the depth, from the stem on, that never learnt.
        network, arguments: what was trained.
        parameters: of the network, the trained and the kept.
        ended_by: why training ended: "all epochs", "patience" or "time".
    """

    kind: str
    metric: str
    train: Judged | None
    val: Judged | None
    history: Sequence[Mapping[str, Any]]
    best_epoch: int
    loss_error: float | None
    chance: float
    doubt: Doubt | None
    samples: int
    duplicates: int
    conflicts: int
    rate: float
    usual_rate: float
    optimizer: str
    epochs: int
    minutes: float | None
    tuned: bool
    kept_share: float
    network: str
    arguments: Mapping[str, Any]
    parameters: int
    ended_by: str

    @property
    def short(self) -> bool:
        """Whether it has not learnt what it was shown: its score on training samples is surely far below 1."""
        return self.train is not None and 1 - self.train.value - SURE * self.train.error > SHORT[self.kind]

    @property
    def learnt(self) -> str:
        """What it has learnt of its training samples, in words."""
        if self.train is None:
            return "what it learnt of its training samples is not known"
        name, train = self.metric.replace("_", " "), self.train
        seen = train.of_what("its own training samples" if train.grouped else "of its own training samples")
        return f"on {seen} {name} is {train.value:.3f} ± {train.error:.3f}"

    @property
    def gap(self) -> tuple[float, float] | None:
        """How much lower validation scores than training samples do, and the standard error."""
        if self.train is None or self.val is None:
            return None
        return self.train.value - self.val.value, math.hypot(self.train.error, self.val.error)

    @property
    def apart(self) -> bool:
        """Whether validation surely scores far lower than training samples do."""
        return self.gap is not None and self.gap[0] - SURE * self.gap[1] > APART[self.kind]

    @property
    def turned(self) -> tuple[int, float, float] | None:
        """The epoch of the lowest validation loss, that loss, and the last: where it surely rose while training's fell.

        The loss alone may rise while the score still does (Guo et al. 2017), so that the weights taken must be of an
        epoch in the first three quarters, and score low. A head on frozen features that was kept is none of an epoch,
        and neither is a mean of the weights of several.
        """
        low = self.val is not None and 1 - self.val.value - SURE * self.val.error > APART[self.kind]
        name = "rmse" if self.kind == "value" else "log_loss"
        rows = [
            row
            for row in self.history
            if isinstance(row.get("train_loss"), int | float) and isinstance(row.get("val", {}).get(name), int | float)
        ]
        if len(rows) < 4 or self.loss_error is None or not low or not 0 < self.best_epoch <= 0.75 * len(self.losses):
            return None
        lowest, last = min(rows, key=lambda row: float(row["val"][name])), rows[-1]
        rise = last["val"][name] - lowest["val"][name]
        if rise <= SURE * self.loss_error or last["train_loss"] >= lowest["train_loss"]:
            return None
        return int(lowest["epoch"]), float(lowest["val"][name]), float(last["val"][name])

    @property
    def losses(self) -> list[float]:
        """The mean training loss of each epoch."""
        return [float(row["train_loss"]) for row in self.history if isinstance(row.get("train_loss"), int | float)]
