"""What a training follows: everything that stays the same from its first step to its last."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from striate.core.errors import PlanError, UsageError
from striate.core.memory import ran_out_of_memory
from striate.core.options import options_of, with_options
from striate.core.plan import Plan
from striate.data.loader import Batch, TrainBatches
from striate.infer import ForwardWay, Whole, evaluating, made_ready, waves
from striate.nets import Folds, Normalize, find_folds, head_parameters, unsafe_channels_last
from striate.plan.rules.growing import size_at
from striate.tasks import Task
from striate.train.averaging import Average, EqualAverage
from striate.train.course import Cycle, cycles
from striate.train.graphs import Replayed
from striate.train.groups import freeze_body, parameter_groups
from striate.train.lookahead import Lookahead
from striate.train.optimizers import make_optimizer
from striate.train.own_sizes import refuse_own_sizes
from striate.train.schedules import SCHEDULES
from striate.train.state import Counters, State

Validate = Callable[[Mapping[str, nn.Module]], dict[str, float]]


@dataclass(frozen=True)
class Recipe:
    """A resolved plan with the objects that it names.

    Args:
        plan: the plan; the leaves that the loop reads must not be "auto".
        task: gives the losses of a batch.
        batches: the training batches, a function of (epoch, batch).
        keys: the training samples' keys, by the batches' ids.
        normalize: from pixels to what the networks take.
        validate: from networks to metrics on the validation split; empty where there is none.
        validated: independent samples in the validation split: groups, and samples without.
        rates: the rate at each step, in place of the plan's schedule (the range test's).
    """

    plan: Plan
    task: Task
    batches: TrainBatches
    keys: Sequence[str]
    normalize: Normalize
    validate: Validate
    validated: int = 0
    rates: Callable[[int], float] | None = None

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return torch.device(self.plan["execution.device"])

    @property
    def layout(self) -> torch.memory_format:
        """The memory layout of pictures and filters."""
        return torch.channels_last if self.plan["execution.channels_last"] else torch.contiguous_format

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) that the networks take; of own sizes that of a training picture which stands for all."""
        size, shape = self.batches.augmenter.size, self.batches.pictures.shape
        return shape if size is None else (shape[0], *size)

    def size(self, epoch: int) -> tuple[int, int] | None:
        """(H, W) of the pictures that an epoch trains on; they have grown by the end of the first cycle. None where
        they keep their own."""
        if self.batches.augmenter.size is None:
            return None
        first = cycles(self.plan)[0].end
        return size_at(min(epoch, first - 1), first, self.shape[1:], float(self.plan["train.start_size"]))

    def parts(self, batch: Batch, parts: int) -> int:
        """Into how many parts a batch is split: as many as whole ones are, but for small batches of own sizes, whose
        parts have two samples at least, as norms of vectors need them."""
        whole = self.batches.augmenter.size is not None or len(batch.ids) >= self.batches.batch_size
        return parts if whole else min(parts, max(1, len(batch.ids) // 2))

    @property
    def prediction(self) -> ForwardWay:
        """How predictions are computed, once that is measured."""
        return ForwardWay(self.plan["predict.precision"], self.plan["predict.channels_last"])

    def ready(self, network: nn.Module, shape: Sequence[int]) -> nn.Module:
        """A copy of a network that only predicts, see `striate.infer.made_ready`; of patches, whole pictures."""
        plan, found = self.plan, made_ready(network, self.prediction, shape)
        if plan["input.sizing"] != "patch":
            return found
        return Whole(found, plan["input.step"], plan["input.tile"], plan["input.overlap"])

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return int(self.plan["train.epochs"]) * len(self.batches)

    def frozen(self, epoch: int) -> bool:
        """Whether only the head learns in that epoch."""
        return epoch < min(int(self.plan["transfer.frozen_epochs"]), cycles(self.plan)[0].end - 1)

    def set_learning(self, network: nn.Module, epoch: int) -> None:
        """Set what learns in that epoch, and which norms keep their statistics."""
        norms, kept = self.plan["transfer.frozen_norms"], self.plan["transfer.kept_share"]
        freeze_body(network, self.frozen(epoch), norms, kept, self.opened(epoch))

    def opened(self, epoch: int) -> int | None:
        """How many groups of depth below the head learn in that epoch; None for all.

        Howard and Ruder 2018, "Universal language model fine-tuning for text classification", section 3.3: one more
        after each so many epochs, beginning with none, or with one where frozen epochs have taught the head.
        """
        each, frozen = int(self.plan["transfer.unfreeze_epochs"]), int(self.plan["transfer.frozen_epochs"])
        return max(0, epoch - frozen) // each + (frozen > 0) if each else None

    @property
    def plateau(self) -> tuple[float, int] | None:
        """The factor on the rate, and the epochs without gain after which it falls; None of other schedules."""
        if self.plan["schedule.name"] != "plateau":
            return None
        plateau = SCHEDULES.get("plateau")
        options = {**options_of(plateau), **with_options(plateau, self.plan["schedule.options"], "plateau").keywords}
        return float(options["factor"]), int(options["patience"])

    def rate(self, step: int, drops: int = 0) -> float:
        """The learning rate of the head at a step: constant while the rest is frozen, then along the schedule.

        The epochs of an extension are a cycle of the same schedule of their own, warm-up and all, up to
        `schedule.extension_peak` of the rate; a schedule that does not fall goes on at its rate instead.

        Args:
            drops: how often validation has stood still, which lowers the rate of the schedule `plateau`.
        """
        if self.rates is not None:
            return self.rates(step)
        cycle, each = self.cycle(step), len(self.batches)
        frozen = sum(self.frozen(epoch) for epoch in range(cycle.end)) * each if cycle.first == 0 else 0
        if step < frozen:
            return float(self.plan["transfer.head_rate"])
        if self.plan["train.swa"] > 0:  # where the mean begins, the schedule stands still
            step = min(step, self.averaged_from(step // each) * each)
        schedule = self._schedule
        peak = float(self.plan["optimizer.rate"])
        factor = 1.0 if self.plateau is None else self.plateau[0] ** drops
        steps = cycle.epochs * each - frozen
        if cycle.first and self._falls:
            factor = float(self.plan["schedule.extension_peak"])
        return peak * factor * schedule(step - cycle.first * each - frozen, steps, self._warmup(cycle))

    @property
    def _schedule(self) -> Callable[[int, int, float], float]:
        name = self.plan["schedule.name"]
        return with_options(SCHEDULES.get(name), self.plan["schedule.options"], f"the schedule {name}")

    @property
    def _falls(self) -> bool:
        """Whether the schedule falls by itself."""
        return self._schedule(999, 1000, 0.0) < 1

    def _warmup(self, cycle: Cycle) -> float:
        """The share of a cycle's steps, after the frozen ones, over which the rate rises."""
        return 0.0 if cycle.first and not self._falls else float(self.plan["schedule.warmup"])

    def cycle(self, step: int) -> Cycle:
        """The cycle of the schedule that a step is in."""
        epoch = step // len(self.batches)
        return [cycle for cycle in cycles(self.plan) if cycle.first <= epoch][-1]

    def extended(self, epochs: int) -> bool:
        """Whether the Run was extended after so many epochs."""
        return any(cycle.first == epochs > 0 for cycle in cycles(self.plan))

    def averaged_from(self, epoch: int) -> int:
        """The first epoch whose end is in the mean of weights, in an epoch's cycle: two at least are.

        It begins when the warm-up has ended, or the rate would stand still before it has risen; the cycle's end where
        two epochs are not left then.
        """
        cycle, each = self.cycle(epoch * len(self.batches)), len(self.batches)
        count = max(2, round(float(self.plan["train.swa"]) * cycle.epochs))
        frozen = sum(self.frozen(one) for one in range(cycle.first, cycle.end)) if cycle.first == 0 else 0
        rising = math.ceil(round(self._warmup(cycle) * (cycle.epochs - frozen) * each) / each)
        first = max(cycle.first + frozen + rising, cycle.end - count)
        return first if cycle.end - first >= 2 else cycle.end

    def averaged(self, epoch: int) -> int:
        """How many epochs are in the mean of weights at the end of that one; 0 without one."""
        return max(0, epoch + 1 - self.averaged_from(epoch)) if self.plan["train.swa"] > 0 else 0

    def margin(self, start: float) -> float:
        """How far the validation metric must rise above that of the fitted head, for what was trained to replace it.

        The simplest model within a standard error of the best is taken (Breiman et al. 1984, "Classification and
        Regression Trees", section 3.4.3): here the head on frozen features, chosen from a few penalties and not from
        many epochs. The error is that of a share of so many samples; where the metric is none, such as R², any gain
        counts.
        """
        if not self.validated or self.task.kind == "value" or not 0 <= start <= 1:
            return 0.0
        return float(self.plan["transfer.margin"]) * math.sqrt(start * (1 - start) / self.validated)

    def average_horizon(self, step: int) -> float:
        """Steps that the average of weights looks back over, a share of those of the cycle; 0 is off."""
        return float(self.plan["train.ema"]) * self.cycle(step).epochs * len(self.batches)


def fresh_state(recipe: Recipe, networks: dict[str, nn.Module]) -> State:
    """The state before the first step.

    Args:
        networks: by name, with their first weights; each gets an optimizer of the same name. They are moved to the
            recipe's device and layout in place.
    """
    plan = recipe.plan
    refuse_contradictions(plan)
    averages: dict[str, Average] = {}
    optimizers: dict[str, torch.optim.Optimizer] = {}
    folds: dict[str, Folds] = {}
    replays: dict[str, Replayed] = {}
    anchors: dict[str, dict[str, torch.Tensor]] = {}
    means: dict[str, EqualAverage] = {}
    for name, network in networks.items():
        network.to(recipe.device).to(memory_format=recipe.layout)
        _refuse_unsafe(recipe, network)
        if plan["train.start_size"] < 1:
            _refuse_one_size(recipe, network)
        groups = parameter_groups(
            network,
            weight_decay=plan["optimizer.weight_decay"],
            stem_rate=plan["transfer.stem_rate"],
            kept_share=plan["transfer.kept_share"],
        )
        if plan["transfer.l2_sp"] > 0:
            head = set(head_parameters(network))
            for group in groups:
                if not head & set(group["names"]):
                    group["weight_decay"] = 0.0  # the pull takes its place (Li et al. 2018, eq. 2 and 3)
            own = network.named_parameters()
            anchors[name] = {key: one.detach().clone() for key, one in own if key not in head}
        made = make_optimizer(plan["optimizer.name"], groups, plan["optimizer.momentum"], plan["optimizer.options"])
        every, share = plan["optimizer.lookahead"], plan["optimizer.lookahead_share"]
        optimizers[name] = Lookahead(made, every, share) if every else made
        if plan["train.ema"] > 0:
            averages[name] = Average(network)
        if plan["train.swa"] > 0:
            means[name] = EqualAverage(network)
        if plan["execution.compile"]:
            network.compile(dynamic=False)  # at the first step; copies, which validate and predict, are not compiled
        if plan["execution.fold_norms"]:
            folds[name] = find_folds(network, _example(recipe))
        if plan["execution.graphed"]:
            replays[name] = Replayed(network, plan["execution.precision"] == "bfloat16")
    counters = Counters(accumulate=plan["batch.accumulate"])
    return State(networks, averages, optimizers, counters, folds, replays, anchors, means)


def refuse_contradictions(plan: Plan) -> None:
    """Raise `PlanError` where leaves exclude each other, or this machine; one still to be measured excludes none."""
    _try_options(plan)
    refuse_own_sizes(plan)
    if plan["train.swa"] > 0:
        _refuse_mean(plan)
    cycles(plan)
    folds, compiles = plan["execution.fold_norms"] is True, plan["execution.compile"]
    if folds and not plan["transfer.frozen_norms"]:
        raise PlanError(
            "execution.fold_norms needs norms that keep their statistics",
            fix="add --set transfer.frozen_norms=true, or leave execution.fold_norms out",
        )
    if plan["execution.graphed"] is True:
        _refuse_graphs(plan)
    if compiles and folds:
        raise PlanError(
            "execution.compile and execution.fold_norms exclude each other: folded filters are computed in each step",
            fix="add --set execution.fold_norms=false, or leave execution.compile out",
        )
    if compiles and plan["train.start_size"] < 1:
        raise PlanError(
            "execution.compile and train.start_size exclude each other: every size would be compiled",
            fix="add --set train.start_size=1, or leave execution.compile out",
        )
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    if compiles and plan["execution.device"] == "cpu" and not any(map(shutil.which, filter(None, compilers))):
        raise PlanError(
            "execution.compile needs a C++ compiler on a processor, and none is found",
            fix="install g++ or clang++, name yours in CXX, or leave execution.compile out",
        )


def _try_options(plan: Plan) -> None:
    """Raise `UnknownName` or `UsageError` where the optimizer or the schedule does not take the options given."""
    weight = nn.Parameter(torch.zeros(1, 1))
    groups = [{"params": [weight], "lr": 0.0, "weight_decay": 0.0}]
    make_optimizer(plan["optimizer.name"], groups, plan["optimizer.momentum"], plan["optimizer.options"])
    name = plan["schedule.name"]
    schedule = with_options(SCHEDULES.get(name), plan["schedule.options"], f"the schedule {name}")
    try:
        schedule(99, 100, 0.0)
    except (TypeError, ValueError, ArithmeticError) as error:  # of a schedule that does not check them itself
        raise UsageError(
            f"the schedule {name} does not take {plan['schedule.options']}: {error}", fix="set other values"
        ) from error


def _refuse_mean(plan: Plan) -> None:
    """Raise `PlanError` where weights are averaged twice, or while their rate still rises."""
    if plan["train.ema"] > 0:
        raise PlanError(
            "train.swa and train.ema exclude each other: an average of averages is judged by no paper",
            fix="add --set train.ema=0, or leave train.swa out",
        )
    if plan["train.swa"] + plan["schedule.warmup"] > 1:
        raise PlanError(
            f"train.swa averages the last {plan['train.swa']:g} of the epochs, in which the rate stands still, and "
            f"schedule.warmup lets it rise over the first {plan['schedule.warmup']:g}",
            fix="let the two add up to 1 at most",
        )


def _refuse_graphs(plan: Plan) -> None:
    """Raise `PlanError` where passes cannot be recorded as graphs."""
    why = {
        "execution.device": ("is for CUDA devices", plan["execution.device"] != "cuda"),
        "execution.compile": ("and execution.compile exclude each other", plan["execution.compile"]),
        "execution.fold_norms": ("and execution.fold_norms exclude each other", plan["execution.fold_norms"] is True),
        "batch.accumulate": ("needs whole batches: batch.accumulate must be 1", plan["batch.accumulate"] > 1),
        "optimizer.sam": ("and optimizer.sam exclude each other", plan["optimizer.sam"] > 0),
    }
    for words, excluded in why.values():
        if excluded:
            raise PlanError(f"execution.graphed {words}", fix="leave execution.graphed out, or set it to false")


def _refuse_unsafe(recipe: Recipe, network: nn.Module) -> None:
    """Raise `PlanError` where torch would write beyond its memory, which on less than 64 px it was not seen to do."""
    sizes = recipe.batches.pictures.sizes
    longest = max(recipe.shape[1:]) if sizes is None else int(sizes.max())
    large = recipe.device.type == "cpu" and longest >= 64
    if large and recipe.plan["execution.channels_last"] and (name := unsafe_channels_last(network)):
        raise PlanError(
            f"torch corrupts memory in the backward pass of {name} channels-last: a strided 1×1 convolution of few "
            "channels",
            fix="leave execution.channels_last out, or `--set execution.channels_last=false`",
        )


def _refuse_one_size(recipe: Recipe, network: nn.Module) -> None:
    """Raise `PlanError` where a network cannot take the pictures of every epoch, however many there will be."""
    start = recipe.plan["train.start_size"]
    for height, width in dict.fromkeys(size_at(epoch, 1000, recipe.shape[1:], start) for epoch in range(1000)):
        images = waves((recipe.shape[0], height, width)).to(recipe.device).contiguous(memory_format=recipe.layout)
        try:
            with evaluating(network), torch.no_grad():
                network(images)
        except (RuntimeError, AssertionError, ValueError) as error:
            if ran_out_of_memory(error):
                raise
            raise PlanError(
                f"the network takes no pictures of {height}×{width} px: {str(error).splitlines()[0]}",
                fix="leave train.start_size out, or `--set train.start_size=1`",
            ) from error


def _example(recipe: Recipe) -> torch.Tensor:
    """Two pictures as the network takes them, to find norms by."""
    return waves(recipe.shape).to(recipe.device).contiguous(memory_format=recipe.layout)
