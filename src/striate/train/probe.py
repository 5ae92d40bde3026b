"""The first part of fine-tuning: a head fitted on frozen features, before anything below it moves.

The features are computed once, so that fitting costs one forward pass over the samples, or one a view. Kumar et al.
2022 ("Fine-tuning can distort pretrained features") show why the head comes first: a random one would send gradients
below that tear what the weights know.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.core.events import Reporter
from striate.data.loader import EvalBatches
from striate.data.sampling import Sampler
from striate.infer import Views, each_view, made_ready
from striate.infer.features import HeadInputs
from striate.nets import head_name
from striate.tasks import Task
from striate.train.recipe import Recipe
from striate.train.smote import smote

ITERATIONS = 200
PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)
"""From the strongest on, each fit starting from the one before; 1 is logistic regression's usual penalty."""
FOLDS = 5
CHOOSING = 2000
"""Rows of features that choose the penalty; with more, the last fit alone is on all of them."""


def fit_head(
    network: nn.Module,
    recipe: Recipe,
    samples: EvalBatches,
    validation: EvalBatches | None,
    reporter: Reporter,
    *,
    units: NDArray[np.int64] | None = None,
    refit: bool = False,
) -> float:
    """Fit the head of a network to its frozen features.

    Minimises the task's mean loss, without label smoothing, plus λ |W|² / 2N by L-BFGS in float64, from a head of
    zeros: the result is a function of weights and data alone. λ is the one of `PENALTIES` with the lowest loss on the
    validation samples (1 without any), or with `transfer.probe_folds` on parts of the training samples, each of which
    the head of the others is judged by. Smoothed targets are left to training: a linear head bends to meet them, which
    on trashnet's features cost 5 points of accuracy. With `transfer.probe_views` the mean is over every view of the
    samples that a prediction averages.

    Args:
        network: its head is replaced in place; nothing else moves.
        samples: the N training samples with targets and weights, as they are.
        validation: those that choose λ, and that a refit takes in.
        units: (N,), what must not straddle two parts: equal numbers stay together; by default each stands alone.
        refit: fit on both together, with the λ that is chosen without it.

    Returns:
        λ.
    """
    head = network.get_submodule(head_name(network))
    if not isinstance(head, nn.Linear):
        raise NetworkError(
            "the head is no dense layer on one vector a sample, so it cannot be fitted alone",
            fix="--set transfer.probe=false --set transfer.frozen_epochs=1",
        )
    task = recipe.task.unsmoothed()
    look = Look(network.to(recipe.device), recipe, reporter)
    sampler = recipe.batches.sampler
    known = look.at(samples).shown_by(sampler if isinstance(sampler, Sampler) else None)
    neighbours, seed = recipe.plan["transfer.smote"], recipe.plan["train.seed"]
    folded = recipe.plan["transfer.probe_folds"]
    unseen = None
    if validation is not None and (refit or not folded):
        unseen = look.at(validation)
    penalty, found = 1.0, HeadFit.zeros(head)
    if folded:
        each = np.arange(samples.count) if units is None else units
        penalty = _cross_validated(
            task, head, known, each, lambda part: part.with_made_up(part.most_neighbours(neighbours), seed)
        )
    elif unseen is not None:
        few = known.thinned(CHOOSING)
        penalty, found = _chosen(task, head, few.with_made_up(few.most_neighbours(neighbours), seed), unseen)
    whole = known.with_more(unseen) if refit and unseen is not None else known
    found.minimise(task, whole.with_made_up(neighbours, seed), penalty)
    with torch.no_grad():
        head.weight.copy_(found.matrix)
        if head.bias is not None:
            head.bias.copy_(found.bias)
    return penalty


@dataclass(frozen=True)
class Features:
    """What the head receives, (V N, D) float64, with targets, weights and sample of each row, and N."""

    rows: Tensor
    targets: Tensor
    weights: Tensor
    ids: Tensor
    count: int

    def take(self, chosen: Tensor) -> Features:
        """The rows of a mask."""
        ids = self.ids[chosen]
        return Features(self.rows[chosen], self.targets[chosen], self.weights[chosen], ids, len(set(ids.tolist())))

    def thinned(self, most: int) -> Features:
        """Every so many-th row, so that at most so many are left."""
        step = math.ceil(len(self.rows) / most)
        if step == 1:
            return self
        return self.take(torch.arange(len(self.rows)) % step == 0)

    def classes(self) -> NDArray[np.int64]:
        """The class of each row, where samples have one."""
        return np.asarray(self.targets.argmax(dim=1).numpy())

    def shown_by(self, sampler: Sampler | None) -> Features:
        """The rows weighed by how often a sampler shows their samples, so that the mean weight stays."""
        if sampler is None:
            return self
        shown = torch.zeros(self.count, dtype=torch.float64)
        for own, quota in zip(sampler.members, sampler.quotas, strict=True):
            shown[torch.from_numpy(own)] = self.count / len(sampler) * quota / len(own)
        return replace(self, weights=self.weights * shown[self.ids])

    def most_neighbours(self, wanted: int) -> int:
        """As many neighbours as wanted, or as the smallest class has."""
        return min(wanted, int(np.unique(self.classes(), return_counts=True)[1].min()) - 1) if wanted else 0

    def with_made_up(self, neighbours: int, seed: int) -> Features:
        """With rows made up by SMOTE until each class has as many as the largest; as they are without neighbours."""
        if not neighbours:
            return self
        made, parents = smote(self.rows, self.classes(), neighbours, seed=seed)
        same = torch.from_numpy(parents)
        return Features(
            torch.cat([self.rows, made]),
            torch.cat([self.targets, self.targets[same]]),
            torch.cat([self.weights, self.weights[same]]),
            torch.cat([self.ids, self.ids[same]]),
            self.count,
        )

    def with_more(self, other: Features) -> Features:
        return Features(
            torch.cat([self.rows, other.rows]),
            torch.cat([self.targets, other.targets]),
            torch.cat([self.weights, other.weights]),
            torch.cat([self.ids, other.ids + self.count]),
            self.count + other.count,
        )


@dataclass(frozen=True)
class HeadFit:
    """A head in float64."""

    matrix: Tensor
    bias: Tensor

    @classmethod
    def zeros(cls, head: nn.Linear) -> HeadFit:
        return cls(
            torch.zeros(head.out_features, head.in_features, dtype=torch.float64, requires_grad=True),
            torch.zeros(head.out_features, dtype=torch.float64, requires_grad=True),
        )

    def copy(self) -> HeadFit:
        return HeadFit(
            self.matrix.detach().clone().requires_grad_(),
            self.bias.detach().clone().requires_grad_(),
        )

    def loss(self, task: Task, features: Features) -> Tensor:
        return self.total(task, features) / features.weights.sum()

    def total(self, task: Task, features: Features) -> Tensor:
        """The weighted losses added up."""
        losses = task.losses(features.rows @ self.matrix.T + self.bias, features.targets)
        return (losses * features.weights).sum()

    def minimise(self, task: Task, features: Features, penalty: float) -> None:
        """Move to where the loss and the penalty are least."""
        optimizer = torch.optim.LBFGS([self.matrix, self.bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.loss(task, features) + penalty * self.matrix.square().sum() / (2 * features.count)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]


def _chosen(task: Task, head: nn.Linear, known: Features, unseen: Features) -> tuple[float, HeadFit]:
    """The penalty that the samples of the second kind like best, and the head that the first kind has with it."""
    least, best, found = math.inf, (PENALTIES[0], HeadFit.zeros(head)), HeadFit.zeros(head)
    for penalty in PENALTIES:
        found = found.copy()
        found.minimise(task, known, penalty)
        with torch.no_grad():
            loss = float(found.loss(task, unseen))
        if loss < least:
            least, best = loss, (penalty, found)
    return best


def _cross_validated(
    task: Task, head: nn.Linear, known: Features, units: NDArray[np.int64], enrich: Callable[[Features], Features]
) -> float:
    """The penalty that the samples of each part like best in the heads of the other parts, added up over the parts."""
    parts = parts_of(units, FOLDS)
    part_of = parts[known.ids]
    totals = dict.fromkeys(PENALTIES, 0.0)
    for part in range(FOLDS):
        others, judges = known.take(part_of != part), known.take(part_of == part)
        if not others.weights.sum() or not judges.weights.sum():
            continue
        others, found = enrich(others), HeadFit.zeros(head)
        for penalty in PENALTIES:
            found.minimise(task, others, penalty)
            with torch.no_grad():
                totals[penalty] += float(found.total(task, judges))
    return min(totals, key=lambda penalty: totals[penalty]) if any(totals.values()) else 1.0


def out_of_fold(
    head: nn.Linear, features: Features, folds: NDArray[np.int64], task: Task
) -> tuple[NDArray[np.float64], float]:
    """What heads fitted to all other parts give for the samples of each part.

    Args:
        head: of the shape that is fitted.
        features: a row a sample; those of weight 0 teach nothing, and are judged all the same.
        folds: (N,), the part of each.

    Returns:
        scores as the task has them, (N, K), and the penalty: from the strongest of `PENALTIES` on, the last before the
        loss of unseen samples rises.
    """
    parts = [torch.from_numpy(folds == part) for part in np.unique(folds)]
    found = [HeadFit.zeros(head) for _ in parts]
    best, least, chosen = torch.zeros(features.count, head.out_features), math.inf, PENALTIES[0]
    for penalty in PENALTIES:
        outputs, total = torch.zeros(features.count, head.out_features, dtype=torch.float64), 0.0
        for part, fit in zip(parts, found, strict=True):
            fit.minimise(task, features.take(~part), penalty)
            with torch.no_grad():
                outputs[part] = features.rows[part] @ fit.matrix.T + fit.bias
                total += float(fit.total(task, features.take(part)))
        if total > least:
            break
        best, least, chosen = outputs, total, penalty
    return np.asarray(task.scores(best).double().numpy()), chosen


def parts_of(units: NDArray[np.int64], count: int) -> Tensor:
    """Which of so many parts each sample is in: those of one unit together, and those of a class spread evenly."""
    return torch.from_numpy(np.unique(units, return_inverse=True)[1] % count)  # class folders' keys go by class


def fitting_seconds(network: nn.Module, task: Task, rows: int, more: int, folds: bool) -> float:
    """About the seconds that `fit_head` takes beside its passes through the network: one look at the features, timed.

    Args:
        rows: of features of the training samples, one a sample or one a view.
        more: that a refit would add; 0 without one.
        folds: whether parts of them choose the penalty.
    """
    head = network.get_submodule(head_name(network))
    if not isinstance(head, nn.Linear):
        return 0.0
    with torch.random.fork_rng(devices=[]):
        shown = min(rows, CHOOSING)
        features = torch.randn(shown, head.in_features, dtype=torch.float64)
        targets = torch.eye(head.out_features)[torch.arange(shown) % head.out_features]
        ones = torch.ones(shown, dtype=torch.float64)
        known, found = Features(features, targets, ones, torch.arange(shown), shown), HeadFit.zeros(head)
    started = time.perf_counter()
    found.loss(task.unsmoothed(), known).backward()  # type: ignore[no-untyped-call]
    each = (time.perf_counter() - started) / shown
    choosing = FOLDS * rows if folds else shown
    return each * ITERATIONS / 2 * (len(PENALTIES) * choosing + rows + (rows + more if more else 0))


class Look:
    """A network's features, computed as predictions are."""

    def __init__(self, network: nn.Module, recipe: Recipe, reporter: Reporter) -> None:
        self.ready = made_ready(network, recipe.prediction, recipe.shape)
        self.received = HeadInputs(self.ready.network, recipe.normalize, self.ready)
        self.recipe, self.reporter = recipe, reporter

    @torch.no_grad()
    def at(self, samples: EvalBatches) -> Features:
        """The features of each view of each sample."""
        plan = self.recipe.plan
        views: Views = plan["predict.views"] if plan["transfer.probe_views"] else "single"
        features, targets, weights, ids = [], [], [], []
        for number, batch in enumerate(samples):
            for view in each_view(batch.images, views):
                features.append(self.received(view))
                targets.append(batch.targets)
                weights.append(batch.weights)
                ids.append(torch.from_numpy(batch.ids))
            self.reporter.progress(number + 1, len(samples))
        rows, targets_of, weights_of = (torch.cat(part).double() for part in (features, targets, weights))
        return Features(rows, targets_of, weights_of, torch.cat(ids), samples.count)
