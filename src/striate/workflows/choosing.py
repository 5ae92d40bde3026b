"""Which of several weights: by a head on the features that each gives of the same training samples.

A linear head on frozen features tells what weights know of the data before anything is trained (Kornblith, Shlens and
Le 2019, "Do better ImageNet models transfer better?", section 4.1). Each candidate sees the samples as its own plan
would prepare them, and its head is judged by parts of them in turn.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.cache import Cache
from striate.core.errors import UsageError
from striate.core.events import Reporter, Silent
from striate.core.plan import Plan
from striate.core.records import Dataset, Sample
from striate.data.audit import Audit
from striate.data.loader import EvalBatches
from striate.data.pack import pack
from striate.data.prepare import Preprocessing
from striate.data.split import units_of_samples
from striate.evaluate import units_of
from striate.infer.features import head_inputs
from striate.nets import Normalize, Weights, build, head_name, load_weights, profile
from striate.plan.rules.network import ProbedWeights, chosen_weights
from striate.tasks import Task
from striate.train.pilots import HeadPilot, head_pilots
from striate.train.probe import Features
from striate.workflows.trials import Trials, time_for

MOST, LEAST, TIMED, AT_ONCE = 1000, 60, 16, 32
"""Samples that features are of at most, below which a ranking says nothing, that are timed, and at once."""
SECONDS, SHARE = 240.0, 0.1
"""For all candidates: at most, and of a time budget."""


@dataclass(frozen=True)
class Candidate:
    """Weights, and how a training with them would begin.

    Args:
        plan: that the rules make for them.
        task, preprocessing, spec: of that plan.
    """

    weights: Weights
    plan: Plan
    task: Task
    preprocessing: Preprocessing
    spec: dict[str, Any]

    def network(self) -> nn.Module:
        """With the weights, on the plan's device."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of the head, which nothing looks at
            network = build(self.spec)
        load_weights(network, self.weights, head=head_name(network))
        return network.to(self.plan["execution.device"])

    def features(self, network: nn.Module, dataset: Dataset, samples: Sequence[Sample], workers: int) -> Tensor:
        """What the head of its network would receive of the samples, (N, D).

        Args:
            workers: processes that decode; 0 decodes in this one.
        """
        pictures = pack(
            dataset,
            [sample.key for sample in samples],
            self.preprocessing,
            keep_margin=False,
            workers=workers,
            memory_bytes=self.plan["execution.pack_bytes"] // 3,
            reporter=Silent(),
        )
        normalize = Normalize(self.preprocessing.mean, self.preprocessing.std).to(self.plan["execution.device"])
        batches = EvalBatches(pictures, batch_size=AT_ONCE, ahead=0)
        try:
            return batches.sorted(head_inputs(network, normalize, (batch.images for batch in batches)))
        finally:
            pictures.close()


def choose_weights(
    candidates: Sequence[Candidate],
    dataset: Dataset,
    known: Sequence[Sample],
    audit: Audit,
    *,
    minutes: float | None,
    cache: Cache,
    reporter: Reporter,
) -> tuple[int, str]:
    """The place of the candidate to take, and the because with the ranking.

    Args:
        known: the training samples.
        audit: of the data.
        minutes: the time budget, if there is one.
        cache: where what was found before is.
    """
    reporter.stage("choosing among weights")
    digests = [digest(one.weights) for one in candidates]
    for place, one in enumerate(digests):
        if one in digests[:place]:
            same, other = (candidates[at].weights.source for at in (digests.index(one), place))
            raise UsageError(f"{same} and {other} hold the same weights", fix="give one of them")
    about = {"known": [sample.key for sample in known], "data": audit.fingerprint, "weights": digests}
    units = units_of_samples(known, audit)
    if units.tolist() != units_of([sample.group for sample in known]).tolist():
        about["together"] = units.tolist()  # whether near-duplicates are looked for is not of the data
    leaves = [
        {key: value for key, value in one.plan.items() if key.split(".")[0] in ("task", "input", "normalize", "loss")}
        for one in candidates
    ]
    trials = Trials(cache, {**about, "plans": leaves}, reporter)
    question = {"choosing": [MOST, LEAST], "specs": [one.spec for one in candidates]}
    allowed = time_for(SECONDS, SHARE, None if minutes is None else 60 * minutes)
    found = trials.known(
        question, lambda: [asdict(one) for one in _probed(candidates, dataset, known, units, allowed, reporter)]
    )
    place, because = chosen_weights([one.weights.source for one in candidates], [ProbedWeights(**one) for one in found])
    reporter.line(f"weights: {candidates[place].weights.source} ({because})")
    return place, because


def digest(weights: Weights) -> str:
    """A hash of the tensors, by name."""
    known = hashlib.sha256()
    for name, tensor in sorted(weights.tensors.items()):
        known.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        known.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return known.hexdigest()


def _probed(
    candidates: Sequence[Candidate],
    dataset: Dataset,
    known: Sequence[Sample],
    units: NDArray[np.int64],
    allowed: float,
    reporter: Reporter,
) -> Iterator[ProbedWeights]:
    """How each did; nothing where the time carries too few samples.

    Args:
        units: (N,), what each of the known ones must stay with.
    """
    networks = [one.network() for one in candidates]
    count = _affordable(candidates, networks, dataset, known, allowed)
    if count < min(LEAST, len(known)):
        reporter.line(
            f"no weights are probed: {allowed:.0f} s carry {count} samples of each, and below {LEAST} they say little"
        )
        return
    places = places_by_class(known, candidates[0].task, count)
    samples, units = [known[place] for place in places], _numbered(units[places])
    right = []
    for number, (one, network) in enumerate(zip(candidates, networks, strict=True)):
        features = one.features(network, dataset, samples, one.plan["execution.workers"])
        right.append(probe(features, one.task, samples, units))
        reporter.progress(number + 1, len(candidates), Path(one.weights.source).name)
    best = max(right, key=lambda each: float(each.mean()))
    for one, each in zip(candidates, right, strict=True):
        behind = best - each
        yield ProbedWeights(
            one.task.kind,
            len(samples),
            float(each.mean()),
            standard_error(each, units),
            float(behind.mean()),
            standard_error(behind, units),
            profile(one.spec).macs,
        )


def _affordable(
    candidates: Sequence[Candidate],
    networks: Sequence[nn.Module],
    dataset: Dataset,
    known: Sequence[Sample],
    allowed: float,
) -> int:
    """How many samples each candidate can look at in the time, by how long a few take that one process decodes."""
    few = [known[place] for place in places_by_class(known, candidates[0].task, min(TIMED, len(known)))]
    started = time.perf_counter()
    for one, network in zip(candidates, networks, strict=True):
        one.features(network, dataset, few, 0)
    each = (time.perf_counter() - started) / len(few)
    return min(MOST, len(known), int(allowed / each))


def places_by_class(samples: Sequence[Sample], task: Task, count: int) -> list[int]:
    """The places of so many of the samples, evenly spread, those of a class by its share of all."""
    order = np.arange(len(samples))
    if task.kind == "label":
        order = np.argsort(task.encode(samples).argmax(dim=1).numpy(), kind="stable")
    chosen = np.floor((np.arange(count) + 0.5) * len(samples) / count).astype(np.int64)
    return sorted(order[chosen].tolist())


def _numbered(units: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same units numbered in the order in which they are met, so that what is left out stirs no other.

    >>> _numbered(np.array([7, 3, 7, 9]))
    array([0, 1, 0, 2])
    """
    return units_of(list(map(str, units.tolist())))


def probe(features: Tensor, task: Task, samples: Sequence[Sample], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """How right a head on the features is for each sample, (N,), fitted to the parts in which it is not.

    Features are standardised one by one, so that the penalty means the same for all networks.

    Args:
        units: (N,), what must not straddle two parts.

    Returns:
        1 where the likeliest class is the right one, else 0; of several labels the share that is right; of values the
        error in deviations of the targets, below zero.
    """
    rows = (features - features.mean(0)) / (features.std(0) + 1e-6)
    targets, count = task.encode(samples), len(samples)
    ones = torch.ones(count, dtype=torch.float64)
    known = Features(rows, targets.double(), ones, torch.arange(count), count)
    head = nn.Linear(rows.shape[1], task.outputs, device="meta")
    pilot = {"probe": HeadPilot(task, ones)}
    scores = head_pilots(head, known, units, pilot, seed=0, seconds=float("inf"))["probe"].astype(np.float64)
    true = targets.numpy().astype(np.float64)
    if task.kind == "label":
        return np.asarray(scores.argmax(1) == true.argmax(1), np.float64)
    if task.kind == "labels":
        return np.asarray(((scores >= 0.5) == (true > 0.5)).mean(1), np.float64)
    deviation = true.std(0)
    return np.asarray(-(np.abs(scores - true) / np.where(deviation > 0, deviation, 1)).mean(1), np.float64)


def standard_error(figures: NDArray[np.float64], units: NDArray[np.int64]) -> float:
    """Of a mean, where the samples of a unit may err together.

    >>> round(standard_error(np.array([0.0, 1, 0, 1]), np.arange(4)), 3)
    0.289
    """
    sums = np.bincount(units, figures - figures.mean())
    return float(np.sqrt((sums**2).sum() * len(sums) / max(1, len(sums) - 1)) / len(figures))
