"""What a training works with, once the plan stands: pictures, targets and weights by split, and fresh networks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.artifacts import read_json
from striate.core.cache import Cache, cache_folder
from striate.core.errors import DataError
from striate.core.events import Reporter
from striate.core.plan import AUTO, Plan
from striate.core.records import Sample
from striate.core.run import RunFolder
from striate.core.seeds import derive, permutation
from striate.core.wording import plural
from striate.data.audit import Audit
from striate.data.buckets import count_batches, numbered
from striate.data.loader import Batch, EvalBatches, TrainBatches
from striate.data.pack import pack
from striate.data.pictures import Pictures, patches_of
from striate.data.placed import placed
from striate.data.prepare import Preprocessing
from striate.data.sampling import Draws, Repeats, patch_counts, sampler
from striate.data.split import units_of_samples
from striate.evaluate import units_of
from striate.infer import ForwardWay, Ready, Views, made_ready, on_whole, predict_outputs
from striate.nets import LoadReport, Normalize, build, head_parameters, load_weights
from striate.nets.detectors import Detector
from striate.plan.rules.batch import usual_size
from striate.tasks import Task
from striate.tasks.detect import Detect
from striate.train.recipe import Recipe, Validate
from striate.workflows.augmenting import augmenter_of
from striate.workflows.fitting import answering, how
from striate.workflows.known_body import KnownBody
from striate.workflows.planned import Prepared, preprocessing_of, spec_of, task_of
from striate.workflows.reading import small_cache
from striate.workflows.trials import Trials

PARTS = ("train", "val", "test")
WATCHED_LEAST, WATCHED_MOST = 200, 2000
"""Training samples that are scored as they are, to be held beside validation."""
SLOW = ("boundary_f1", "hausdorff95")
"""Metrics of boundaries, which validation leaves out unless one of them chooses the weights."""
COSTLY = 10**6
"""Numbers of scores beyond which metrics of their order would take longer in an epoch than they are worth."""


class Learnt(NamedTuple):
    """What a network gives for some training samples.

    Args:
        scores, targets: (N, K) of each.
        groups: what each belongs with, or None.
    """

    scores: NDArray[Any]
    targets: NDArray[np.float32]
    groups: list[str | None]


@dataclass(frozen=True)
class Materials:
    """What a training works with.

    Args:
        prepared: what stood before.
        task, preprocessing, spec: of the plan.
        normalize: from pixels to what the networks take.
        samples: each split's, in the order of its keys; an empty split is there and empty.
        pictures, targets: of the splits that have samples.
        boxes: of the same splits what batches have in place of targets, where things are looked for, see
            `striate.data.placed`; else empty.
    """

    prepared: Prepared
    task: Task
    preprocessing: Preprocessing
    spec: dict[str, Any]
    normalize: Normalize
    samples: Mapping[str, Sequence[Sample]]
    pictures: Mapping[str, Pictures]
    targets: Mapping[str, Tensor]
    boxes: Mapping[str, Tensor]

    @property
    def plan(self) -> Plan:
        """The plan before anything was measured, or the Run's."""
        return self.prepared.plan

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) that the networks take; of own sizes that of a training picture which stands for all, of patches
        theirs."""
        if self.preprocessing.sizing == "own":
            return self.pictures["train"].shape
        return self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) that whole pictures are cut to; None where they keep their own."""
        return None if self.preprocessing.own else self.shape[1:]

    @property
    def trained_size(self) -> tuple[int, int] | None:
        """(H, W) of what is trained on: of a patch, or of a whole picture; None where each has its own."""
        return self.shape[1:] if self.preprocessing.patches else self.size

    @property
    def held_out(self) -> list[str]:
        """The splits that are scored and have samples, validation first."""
        return [part for part in PARTS[1:] if part in self.pictures]

    def count(self, *parts: str) -> int:
        """Samples in these splits."""
        return sum(len(self.samples[part]) for part in parts)

    def keys(self, part: str) -> list[str]:
        """A split's keys."""
        return [sample.key for sample in self.samples[part]]

    def units(self, part: str) -> NDArray[np.int64]:
        """What each sample of a split must stay with where the split is divided once more, see `units_of_samples`."""
        return units_of_samples(self.samples[part], self.prepared.audit)

    def unseen(self, part: str) -> EvalBatches:
        """A held-out split, to be scored."""
        return EvalBatches(self.pictures[part], batch_size=self._at_once, targets=self._shown_targets(part))

    def unaltered(self, part: str) -> EvalBatches:
        """The samples of a split as they are, with their weights: what a head is fitted to."""
        return EvalBatches(
            self.pictures[part],
            self.targets[part],
            self.task.weights(self.samples[part]),
            batch_size=self._at_once,
            size=self.size,
        )

    def _shown_targets(self, part: str) -> Tensor:
        """What batches of a split have for targets."""
        return self.boxes.get(part, self.targets[part])

    @property
    def _at_once(self) -> int:
        """Evaluation keeps no activations, so it takes more at once; of whole pictures about as many pixels."""
        if self.preprocessing.patches:
            part, whole = math.prod(self.shape[1:]), math.prod(self.pictures["train"].shape[1:])
            return max(1, min(32, 2 * self.batch_size(self.plan) * part // whole))
        return max(32, min(256, 2 * self.batch_size(self.plan)))

    def batch_size(self, plan: Plan) -> int:
        """Samples a step by a plan; where that is still to be measured, the usual number, by which it is."""
        if plan["batch.size"] == AUTO:
            return usual_size(self.shown, tuned=plan["network.weights"] is not None)
        return int(plan["batch.size"])

    @property
    def shown(self) -> int:
        """What an epoch of training shows: samples, or patches of them."""
        return sum(self._patches) if self.preprocessing.patches else self.count("train")

    @property
    def _patches(self) -> tuple[int, ...]:
        """How many patches an epoch shows of each training picture."""
        sizes = self.pictures["train"].sizes
        assert sizes is not None
        return patch_counts(sizes, self.shape[1:])

    def networks(self) -> dict[str, nn.Module]:
        """Networks with their first weights, equal each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.plan["train.seed"], "initial weights"))
            network = build(self.spec)
        report = self.load(network)
        if report is not None and set(head_parameters(network)) & set(report.reinitialised):
            clear_head(network)
        return {"network": network}

    def load(self, network: nn.Module) -> LoadReport | None:
        """Give a network the weights that there are; None where there are none."""
        weights = self.prepared.weights
        if weights is None:
            return None
        ways = how(network, self.plan["network.name"], self.task)
        return load_weights(network, answering(weights, network, self.task), **ways)

    def trials(self, reporter: Reporter) -> Trials:
        """What was measured before for such a training: with this network, these weights and these samples."""
        known = hashlib.sha256("\0".join(self.keys("train")).encode("utf-8", "surrogateescape"))
        known.update(self.task.weights(self.samples["train"]).numpy().tobytes())
        for name, tensor in (self.prepared.weights.tensors if self.prepared.weights else {}).items():
            known.update(name.encode() + tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        data = self.prepared.audit.fingerprint, known.hexdigest()
        about = {"network": self.spec, "data": data}
        return Trials.of(small_cache("trials", self.plan), self.plan, about, reporter)

    def under(self, plan: Plan) -> Materials:
        """The same by a plan that differs in what is asked of the samples, not in the pictures."""
        prepared = replace(self.prepared, plan=plan)
        return replace(self, prepared=prepared, task=task_of(prepared))

    def recipe(self, plan: Plan) -> Recipe:
        """What the training follows, by a plan of which something may be left to measure."""
        pictures = self.pictures["train"]
        batches = TrainBatches(
            patches_of(pictures, self.shape[1:]) if self.preprocessing.patches else pictures,
            self._shown_targets("train"),
            self.task.weights(self.samples["train"]),
            batch_size=min(self.batch_size(plan), self.shown),
            seed=plan["train.seed"],
            sampler=self._sampler(plan),
            augmenter=augmenter_of(plan, self.samples["train"], self.trained_size),
            device=plan["execution.device"],
        )
        independent = len(set(units_of([sample.group for sample in self.samples["val"]]).tolist()))
        keys = self.keys("train")
        return Recipe(plan, self.task, batches, keys, self.normalize, self._validation(plan), independent)

    def _sampler(self, plan: Plan) -> Draws | None:
        """What draws the training samples, where they have one class each, or are shown in patches."""
        if self.preprocessing.patches:
            return Repeats(self._patches, plan["train.seed"])
        if self.task.kind != "label":
            return None
        classes = self.targets["train"].argmax(dim=1).numpy()
        return sampler(plan["batch.sampling"], classes, plan["train.seed"])

    def scores(
        self, network: nn.Module, part: str, plan: Plan, views: Views = "single", known: KnownBody | None = None
    ) -> NDArray[Any]:
        """What a network says of a held-out split, (N, K), by what is kept of it in brief; see `outputs`."""
        return rows_of(self.task, self.outputs(network, part, plan, views, known, brief=True))

    def outputs(
        self,
        network: nn.Module,
        part: str,
        plan: Plan,
        views: Views = "single",
        known: KnownBody | None = None,
        *,
        brief: bool = False,
    ) -> Tensor:
        """What is kept of what a network gives for a held-out split, (N, …), computed as the plan's predictions are.

        That is its raw outputs, (N, K), or what the task collects of them.

        Args:
            known: of the same split and view, where the body may be that of the call before.
            brief: whether what chooses nothing may be left out.
        """
        brief = brief and plan["train.metric"] not in SLOW
        way, keys = ForwardWay(plan["predict.precision"], plan["predict.channels_last"]), self.keys(part)
        batches = self.unseen(part)

        def compute(ready: nn.Module) -> Tensor:
            outputs, _ = predict_outputs(
                ready,
                self.normalize,
                batches,
                views=views,
                device=plan["execution.device"],
                name=lambda number: keys[number],
                kept=self._kept(brief),
            )
            return outputs

        outputs = known.outputs(network) if known is not None else None
        if outputs is None:
            ready = self.ready(network, way)
            if known is not None and isinstance(ready, Ready):
                outputs = known.watch(network, ready, compute)
            else:
                outputs = compute(ready)
        return batches.sorted(outputs)

    def _kept(self, brief: bool = False) -> Callable[[Tensor, Batch], Tensor]:
        """What is kept of the outputs of a batch."""
        return lambda outputs, batch: self.task.collected(outputs, batch.targets, brief=brief)

    def ready(self, network: nn.Module, way: ForwardWay) -> nn.Module:
        """A copy of a network that only predicts, whole pictures of any size where pixels have classes."""
        return on_whole(made_ready(network, way, self.shape), self.preprocessing)

    def learnt(self, network: nn.Module, plan: Plan) -> Learnt:
        """What a network gives for some of the training samples as they are, computed as the scores of others are.

        They are as many as `watched` says.
        """
        count = watched(self.count("train"), self.count("val"))
        rows = np.sort(permutation(self.count("train"), plan["train.seed"], "watched")[:count])
        keys = self.keys("train")
        way = ForwardWay(plan["predict.precision"], plan["predict.channels_last"])
        batches = EvalBatches(
            self.pictures["train"],
            self._shown_targets("train"),
            batch_size=self._at_once,
            size=self.size,
            rows=rows,
        )
        outputs, _ = predict_outputs(
            self.ready(network, way),
            self.normalize,
            batches,
            views=plan["predict.views"],
            device=plan["execution.device"],
            name=lambda number: keys[number],
            kept=self._kept(brief=True),
        )
        scores = rows_of(self.task, batches.sorted(outputs))
        return Learnt(scores, self.targets["train"][rows].numpy(), [self.samples["train"][row].group for row in rows])

    def _validation(self, plan: Plan) -> Validate:
        """From networks to metrics on the validation split."""
        if "val" not in self.pictures:
            return lambda networks: {}
        targets, known = self.targets["val"].numpy(), KnownBody() if plan["transfer.cached_features"] else None
        slow = {name for name, metric in self.task.measures().items() if metric.costly and targets.size > COSTLY}
        slow -= {plan["train.metric"]}
        return lambda networks: self.task.metrics(
            self.scores(networks["network"], "val", plan, known=known), targets, without=slow
        )


def rows_of(task: Task, outputs: Tensor) -> NDArray[Any]:
    """What people read, (N, K), as numbers: of what is kept of a network's outputs."""
    return np.asarray(task.scores(outputs).numpy())


def watched(trained: int, validated: int) -> int:
    """How many training samples are scored: as many as validation has, within bounds.

    >>> watched(5000, 300), watched(5000, 20), watched(50, 10), watched(10**6, 5000)
    (300, 200, 50, 2000)
    """
    return min(trained, WATCHED_MOST, max(validated, WATCHED_LEAST))


def gather(run: RunFolder | None, prepared: Prepared, reporter: Reporter) -> Materials:
    """Prepare the pictures of each split, and all else that the plan names.

    Args:
        run: keeps the network, once the plan is resolved; None where there is no Run.
    """
    plan = prepared.plan
    task, preprocessing = task_of(prepared), preprocessing_of(plan)
    task.higher_is_better(plan["train.metric"])  # a misspelt metric should be said at once
    spec = read_json(run.network) if run is not None and run.network.exists() else spec_of(prepared, task)
    known = {sample.key: sample for sample in prepared.dataset.samples}
    samples = {part: [known[key] for key in prepared.split.keys(part)] for part in PARTS}
    if not samples["train"]:
        raise DataError("no sample is left to train on", fix="look at split.csv for what became of each")
    cache = Cache(cache_folder("packs"), plan["execution.cache_bytes"])
    pictures = {
        part: pack(
            prepared.dataset,
            [sample.key for sample in found],
            preprocessing,
            keep_margin=part == "train",
            workers=plan["execution.workers"],
            memory_bytes=plan["execution.pack_bytes"] // 3,
            reporter=reporter,
            cache=cache,
            digests=prepared.audit.hashes,
            accord=part == "train",
            masks=task.per_pixel,
        )
        for part, found in samples.items()
        if found
    }
    sizes = pictures["train"].sizes
    if preprocessing.sizing == "own" and sizes is not None:
        _tell_sizes(numbered(sizes), plan, reporter)
    targets = {part: task.encode(samples[part]) for part in pictures}
    boxes = {part: boxes_of(task, samples[part], prepared.audit, preprocessing) for part in pictures if task.finds}
    normalize = Normalize(preprocessing.mean, preprocessing.std).to(plan["execution.device"])
    return Materials(prepared, task, preprocessing, spec, normalize, samples, pictures, targets, boxes)


def boxes_of(task: Task, samples: Sequence[Sample], audit: Audit, preprocessing: Preprocessing) -> Tensor:
    """What batches of these samples have for targets, where things are looked for."""
    assert isinstance(task, Detect)
    sides = [audit.sides[sample.key] for sample in samples]
    return placed([task.truths(sample) for sample in samples], sides, preprocessing)


def _tell_sizes(codes: NDArray[np.int64], plan: Plan, reporter: Reporter) -> None:
    """Say how full the batches of an epoch are, where pictures keep their own sizes."""
    made = count_batches(codes, min(plan["batch.size"], len(codes)))
    reporter.line(
        f"input.sizing: {plural(len(codes), 'training picture', 'training pictures')} in "
        f"{plural(int(codes.max()) + 1, 'size', 'sizes')} make {plural(made, 'batch', 'batches')} of "
        f"{len(codes) / made:.3g} in the mean"
    )


@torch.no_grad()
def clear_head(network: nn.Module) -> None:
    """Start a new head at zero: the first outputs then say nothing, instead of something wrong and loud. That of a
    detector, of many layers, would stay there: it draws outputs that say nothing by itself."""
    if isinstance(network, Detector):
        return
    for name in head_parameters(network):
        network.get_parameter(name).zero_()
