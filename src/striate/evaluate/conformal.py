"""What is still possible: split conformal sets at a stated coverage; "I do not know" where they hold several, or none.

For classes, those whose probability is at least a bound (Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued
classifiers with bounded error levels"), which may be none where all are unlikely; for values, those within a distance
of the prediction (Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random world"). Where validation and new
samples are drawn alike, the truth of a new one is held possible with the probability of the coverage, at least,
whatever the network. Of labels, of which a sample has several, it is the share of those that it has that is held
possible in the mean: conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.evaluate.intervals import ratio_interval
from striate.metrics import THRESHOLD, Floats, checked, decide, possible
from striate.tasks import Sets, Task

LEAST = 50
"""Independent samples below which nothing is said of what is possible: luck alone would move coverage by 0.04."""
LEAST_OF_CLASS = 50
"""Samples of every class from which on each has a bound of its own."""


@dataclass(frozen=True)
class Fitted:
    """Sets, or why there are none.

    Args:
        sets: None where validation cannot carry them.
        because: why, with its figures.
        by_class: whether each class has a bound of its own.
    """

    sets: Sets | None
    because: str
    by_class: bool = False


def fit_sets(
    task: Task, scores: NDArray[np.floating], targets: NDArray[np.floating], units: NDArray[np.int64], coverage: float
) -> Fitted:
    """Find the bounds from samples that were not learnt from.

    Args:
        task: "classify", "multilabel" or "regress".
        scores, targets: (N, K) of validation, as the task gives and encodes them.
        units: (N,), what each sample belongs with.
        coverage: the share of new samples whose truth is to be held possible; of labels, of those that each has.
    """
    scores, targets = checked(scores, targets)
    if task.kind == "labels":  # a sample without labels has none to miss
        labelled = targets.any(axis=1)
        scores, targets, units = scores[labelled], targets[labelled], np.unique(units[labelled], return_inverse=True)[1]
    count = int(units.max()) + 1 if len(units) else 0
    least = max(LEAST, math.ceil(1 / (1 - coverage) - 1 - 1e-9))
    if count < least:
        few = f"{count} independent validation samples{' with labels' * (task.kind == 'labels')}"
        few += f" are too few for a coverage of {coverage:g}"
        return Fitted(None, f"{few}: {least} are needed")
    if task.kind == "value":
        bounds = [_greatest(one, coverage) for one in np.abs(scores - targets).T]
        return Fitted(Sets(coverage, tuple(bounds)), f"residuals of {len(scores):,} validation samples")
    if task.kind == "labels":
        bound = _least_of_labels(scores, targets, coverage)
        highest = task.settings.thresholds or (THRESHOLD,) * task.outputs  # what is held present is possible
        told = f"{len(scores):,} validation samples with labels; the coverage is of all labels, not of each"
        return Fitted(Sets(coverage, tuple(min(bound, float(one)) for one in highest)), told)
    true = (scores * targets).sum(axis=1)
    support = targets.sum(axis=0)
    enough = max(LEAST_OF_CLASS, least)
    if support.min() >= enough:
        bounds = [_least(true[of > 0], coverage) for of in targets.T]
        told = (
            f"{len(scores):,} validation samples, {int(support.min())} or more of each class, which has its own bound"
        )
        return Fitted(Sets(coverage, tuple(bounds)), told, by_class=True)
    told = f"{len(scores):,} validation samples; the smallest class has {int(support.min())}, and {enough} of each "
    told += "would be needed for a bound of its own: coverage holds over all classes, not for each"
    return Fitted(Sets(coverage, (_least(true, coverage),) * task.outputs), told)


def judge_sets(
    task: Task,
    scores: NDArray[np.floating],
    targets: NDArray[np.floating],
    units: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """How the sets of a task hold on samples that nothing was decided by.

    Args:
        task: has `sets`.
        units: (N,), what each sample is drawn with in resamples; None: each is its own.

    Returns:
        plain values. Of classes: `coverage`, the share whose truth is held possible; `size`, classes held possible in
        the mean; `single`, the share with one alone, which is answered; `empty`, with none; `accuracy_of_single`, how
        often the one alone is true, None where there is none. Of labels: `coverage`, the share of its labels that a
        sample with any has among those held possible, in the mean; `complete`, the share of these samples with all of
        them there; `size`, and `more`, labels that are possible beyond those held present, in the mean. Of values: by
        name, `coverage` and `width`. Shares have a 95 % interval beside them, `NAME_interval`.
    """
    scores, targets = checked(scores, targets)
    sets = task.settings.sets
    if sets is None:
        raise ValueError("the task has no sets")

    def share(name: str, hit: NDArray[Any], of: NDArray[Any]) -> dict[str, Any]:
        total = float(of.sum())
        return {
            name: float(hit.sum()) / total if total else None,
            f"{name}_interval": ratio_interval(hit.astype(float), of.astype(float), seed=seed, units=units),
        }

    everyone = np.ones(len(scores))
    if task.kind == "value":
        inside = np.abs(scores - targets) <= np.asarray(sets.bounds)
        return {
            name: {**share("coverage", inside[:, place], everyone), "width": 2 * sets.bounds[place]}
            for place, name in enumerate(task.target_names)
        }
    held = possible(scores, sets.bounds)
    if task.kind == "labels":
        labelled = np.asarray(targets.any(axis=1))
        kept = (held * targets).sum(axis=1) / np.maximum(targets.sum(axis=1), 1)
        decided = decide(np.asarray(task.judged(scores)), "labels")
        return {
            **share("coverage", kept, labelled),
            **share("complete", labelled & (kept == 1), labelled),
            "size": float(held.sum(axis=1).mean()),
            "more": float((held & ~decided).sum(axis=1).mean()),
        }
    covered, size = np.asarray((held & (targets > 0)).any(axis=1)), held.sum(axis=1)
    return {
        **share("coverage", covered, everyone),
        "size": float(size.mean()),
        **share("single", size == 1, everyone),
        "empty": float((size == 0).mean()),
        **share("accuracy_of_single", covered & (size == 1), size == 1),
    }


def _least(true: Floats, coverage: float) -> float:
    """The bound that a new sample's true class falls below with a probability of at most 1 − coverage."""
    rank = math.floor((1 - coverage) * (len(true) + 1) + 1e-9)
    return float(np.sort(true)[rank - 1])


def _least_of_labels(scores: Floats, targets: Floats, coverage: float) -> float:
    """The largest bound below which a new sample has a share of its labels of at most 1 − coverage, in the mean.

    Theorem 1 of Angelopoulos et al. 2022, with the share that is missed as the loss, which is at most 1.
    """
    rows, labels = np.nonzero(targets > 0)
    true = scores[rows, labels]
    order = np.argsort(true, kind="stable")
    weights = 1 / targets.sum(axis=1)[rows[order]]
    bounds, first = np.unique(true[order], return_index=True)
    missed = np.concatenate([[0.0], np.cumsum(weights)])[first]  # by a bound, of which equals are held possible
    fine = missed <= (1 - coverage) * (len(scores) + 1) - 1 + 1e-9
    return float(bounds[fine][-1])


def _greatest(residuals: Floats, coverage: float) -> float:
    """The distance that a new residual exceeds with a probability of at most 1 − coverage."""
    rank = math.floor((1 - coverage) * (len(residuals) + 1) + 1e-9)
    return float(np.sort(residuals)[-rank])
