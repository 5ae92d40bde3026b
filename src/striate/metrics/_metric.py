"""What every metric is: gathers rows or sums, and is resampled for intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from striate.core.records import TargetKind

Floats: TypeAlias = NDArray[np.float64]

THRESHOLD = 0.5
"""The probability from which on a label is held present, where several are possible."""


class Metric(ABC):
    """A metric that gathers: `update` batch after batch, then `compute`.

    This base keeps every row, so any function of scores and targets will do; `Additive` keeps sums.

    It judges decisions, if `of_decisions` says so, and then is given scores of which the largest is what was decided;
    otherwise what was given for every class.

    It is `costly` where each resample takes time for every number of the scores, so that large ones get fewer, and
    `rises_by_chance` where fewer samples make it larger, so that a resample, of fewer distinct ones, is above it.

    It judges how near a task came to what its loss aims at, if `of_loss` names that loss: then it is only for tasks
    with it, and its options, keyword-only, are set as the loss's of the same name are.

    Args:
        kind: the kind of target.
        outputs: K.

    Raises:
        ValueError: the metric is not for that kind, or not for so few outputs.
    """

    kinds: ClassVar[tuple[TargetKind, ...]]
    higher_is_better: ClassVar[bool] = True
    of_decisions: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    rises_by_chance: ClassVar[bool] = False
    of_loss: ClassVar[str | None] = None

    def __init__(self, kind: TargetKind, outputs: int) -> None:
        if not self.applies(kind, outputs):
            raise ValueError(f"{type(self).__name__} is not for {outputs} outputs of kind {kind!r}")
        self.kind = kind
        self.outputs = outputs
        self._rows: list[tuple[Floats, Floats]] = []

    @classmethod
    def applies(cls, kind: TargetKind, outputs: int) -> bool:
        """Whether it says anything for that kind of target and number of outputs."""
        return kind in cls.kinds

    @abstractmethod
    def measure(self, scores: Floats, targets: Floats) -> float:
        """The pure function on all rows at once; NaN where it is not defined."""

    def update(self, scores: NDArray[Any], targets: NDArray[Any]) -> None:
        """Take in a batch: scores (N, K), targets (N, K)."""
        self._rows.append(checked(scores, targets, self.kind))

    def compute(self) -> float:
        """The metric of all that was taken in; NaN before anything was."""
        if not self._rows:
            return float("nan")
        scores, targets = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        return self.measure(scores, targets)

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples.

        Args:
            counts: (R, N), how often each row is in each resample.

        Returns:
            (R,)
        """
        rows = np.arange(len(scores))
        chosen = (np.repeat(rows, row.astype(np.int64)) for row in counts)
        return np.array([self.measure(scores[places], targets[places]) for places in chosen])


class Additive(Metric):
    """A metric that is a function of sums over samples: gathered in constant memory, resampled by matrix product."""

    def __init__(self, kind: TargetKind, outputs: int) -> None:
        super().__init__(kind, outputs)
        self._sums: Floats | None = None

    @abstractmethod
    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Sums over samples, each counted counts[r, n] times: (R, S) from counts (R, N)."""

    @abstractmethod
    def value(self, sums: Floats) -> Floats:
        """The metric (R,) from the sums (R, S); NaN where it is not defined."""

    def update(self, scores: NDArray[Any], targets: NDArray[Any]) -> None:
        """Take in a batch: scores (N, K), targets (N, K)."""
        scores, targets = checked(scores, targets, self.kind)
        more = self.sums(scores, targets, np.ones((1, len(scores))))
        self._sums = more if self._sums is None else self._sums + more

    def compute(self) -> float:
        """The metric of all that was taken in; NaN before anything was."""
        return float("nan") if self._sums is None else float(self.value(self._sums)[0])

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, (R, N)."""
        return self.value(self.sums(scores, targets, counts))


class Mean(Additive):
    """A metric that is a mean over samples."""

    @abstractmethod
    def each(self, scores: Floats, targets: Floats) -> Floats:
        """Every sample's part, (N,)."""

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The sum of the parts and the number of samples, (R, 2)."""
        return np.stack([counts @ self.each(scores, targets), counts.sum(axis=1)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """The mean, (R,)."""
        return divide(sums[:, 0], sums[:, 1])

    def measure(self, scores: Floats, targets: Floats) -> float:
        """The mean over all rows."""
        return float(self.each(scores, targets).mean()) if len(scores) else float("nan")


def checked(scores: NDArray[Any], targets: NDArray[Any], kind: TargetKind = "label") -> tuple[Floats, Floats]:
    """Scores and targets in double precision.

    Args:
        kind: of target; the scores of masks and of boxes hold the truth, and their targets are (N, 0).

    Raises:
        ValueError: they are not both (N, K), or hold something that is not finite.
    """
    within = kind in ("mask", "boxes")
    if scores.ndim != 2 or targets.shape != (len(scores), 0 if within else scores.shape[1]):
        expected = "must be (N, S) and (N, 0)" if within else "must both be (N, K)"
        raise ValueError(f"scores {scores.shape} and targets {targets.shape} {expected}")
    if not (np.isfinite(scores).all() and np.isfinite(targets).all()):
        raise ValueError("scores and targets must be finite numbers")
    return scores.astype(np.float64), targets.astype(np.float64)


def divide(above: Floats, below: Floats) -> Floats:
    """The quotient; NaN where it is divided by zero.

    >>> divide(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    above, below = np.broadcast_arrays(above, below)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0))
