"""What a plan asks for that cannot be, said before anything is measured or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from striate.core.errors import DataError, PlanError, UsageError
from striate.core.plan import Plan
from striate.core.records import Dataset, Sample
from striate.data.audit import Audit
from striate.data.augment import Augmenter
from striate.data.buckets import sides
from striate.data.prepare import Preprocessing
from striate.infer import Model
from striate.nets import read_base
from striate.nets.sizes import AnySize
from striate.tasks import TASKS, Task
from striate.train.recipe import refuse_contradictions
from striate.workflows.augmenting import refuse_values

TRIED = 32
"""Sizes that a network is tried on, evenly spread over those that there are."""


def check_learnable(dataset: Dataset) -> None:
    """Raise `DataError` where the data asks for a task that is not trained yet, before all of it is read."""
    if dataset.task is not None and dataset.task not in TASKS.names():
        raise DataError(
            f"{dataset.path} is for the task {dataset.task!r}, which can be read, audited and converted, but not "
            f"trained yet; trained are {', '.join(TASKS.names())}",
            fix="`striate audit` says what is there, and `striate convert` writes it in other formats",
        )


def check_plan(plan: Plan, task: Task, samples: Sequence[Sample]) -> None:
    """Raise an error where what the user set cannot be done, or would do nothing.

    Args:
        plan: what is still to be measured in it excludes nothing.
        task: of the plan.
        samples: for training.
    """
    _refuse_sizing(plan, task)
    if task.kind != "boxes":
        settings = {name: value for name, value in plan.section("augment").items() if name != "function"}
        Augmenter(settings, plan["train.seed"], None).refuse_scenes()
    refuse_contradictions(plan)
    _try_loss(plan, task, samples)
    _refuse_pull(plan)
    _refuse_first_weights(plan)
    momentum = plan.decisions["optimizer.momentum"]
    if plan["optimizer.name"] == "adagrad" and momentum.by == "user" and momentum.value:
        raise PlanError(
            f"optimizer.momentum is set to {momentum.value:g}, and adagrad has none: it would do nothing",
            fix="leave optimizer.momentum out, or choose another optimizer, such as adam",
        )


def _refuse_first_weights(plan: Plan) -> None:
    """Raise `PlanError` where the user sets how weights are drawn that are read."""
    for leaf in ("network.init", "network.last_norm"):
        decision = plan.decisions[leaf]
        if decision.by == "user" and decision.value != "own" and plan["network.weights"] is not None:
            raise PlanError(
                f"{leaf} is set to {decision.value}, and the weights are read: it would do nothing",
                fix=f"leave {leaf} out, or train from scratch with `--weights none`",
            )


def _refuse_sizing(plan: Plan, task: Task) -> None:
    """Raise `PlanError` where pixels have classes and pictures are not seen in patches, or the other way round; and
    `UsageError` for an augmentation that masks could not follow."""
    sizing = plan["input.sizing"]
    if task.per_pixel != (sizing == "patch"):
        why = "a mask follows a picture at its own scale" if task.per_pixel else "patches are for masks"
        raise PlanError(
            f"input.sizing={sizing} is not for the task {task.name}: {why}",
            fix="leave input.sizing out",
        )
    if task.finds:
        _refuse_unplaced(plan, task)
    if not task.one_answer:
        augmenter = Augmenter(plan.section("augment"), plan["train.seed"], (plan["input.height"], plan["input.width"]))
        augmenter.refuse_boxes() if task.finds else augmenter.refuse_masks()
        if plan["augment.minority"] != 1:
            refuse_values(plan, float(plan["augment.minority"]))


def _refuse_unplaced(plan: Plan, task: Task) -> None:
    """Raise `PlanError` for what boxes do not allow: pictures whose border is cut off, or of their own sizes, and views
    whose mean is none."""
    refused = {
        "input.sizing": ("one", "boxes are looked for in pictures of one size"),
        "input.margin": (1, "things may lie at the border"),
        "predict.views": ("single", "what is found in several views has no mean"),
        "train.start_size": (1, "anchors and boxes are of one size"),
        "evaluate.shortcuts": (False, "it is told by accuracy, which it does not have"),
        "transfer.probe": (False, "its head is no dense layer that could be fitted alone"),
    }
    for leaf, (wanted, why) in refused.items():
        if plan[leaf] != wanted:
            raise PlanError(f"{leaf}={plan[leaf]} is not for the task {task.name}: {why}", fix=f"leave {leaf} out")
    if plan["input.policy"] == "crop":
        raise PlanError(
            f"input.policy=crop is not for the task {task.name}: it would cut off things at the border",
            fix="leave input.policy out, or set it to pad or squash",
        )


def check_sizes(spec: Mapping[str, Any], audit: Audit, preprocessing: Preprocessing) -> None:
    """Raise `NetworkError` where pictures keep their own sizes and the network does not take some of them.

    Args:
        spec: of the network.
        audit: which sizes there are.
        preprocessing: what becomes of them.
    """
    if preprocessing.sizing != "own":
        return
    network, bounds = AnySize(spec), preprocessing.bounds
    network.refuse_one_grid()
    made = sorted({bounds.place(*sides(size)).bucket for size in audit.by_size})
    every = max(1, len(made) // TRIED)
    network.refuse([*made[::every], *made[-1:]])


def _try_loss(plan: Plan, task: Task, samples: Sequence[Sample]) -> None:
    """Raise `UsageError` where the loss does not take its options."""
    if not samples:
        return
    try:
        task.tried(samples[0])
    except (TypeError, ValueError) as error:  # of a loss that does not check them itself
        raise UsageError(
            f"the loss {plan['loss.name']} does not take {plan['loss.options']}: {error}", fix="set other values"
        ) from error


def _refuse_pull(plan: Plan) -> None:
    """Raise `PlanError` where there is nothing learnt that weights could be drawn back to."""
    if plan["transfer.l2_sp"] == 0:
        return
    fix = "leave transfer.l2_sp out, or give weights by --weights"
    if plan["network.weights"] is None:
        raise PlanError("transfer.l2_sp draws weights back to pretrained ones, and there are none", fix=fix)
    if read_base(plan["network.name"]) is not None:
        raise PlanError(
            "transfer.l2_sp draws weights back to those they began with, and of a network with edits the new layers "
            "began with none that mean anything",
            fix="leave transfer.l2_sp out, or train the network without edits",
        )


def check_one_answer(model: Model, verb: str, fix: str) -> None:
    """Raise `UsageError` for a Model of masks or boxes, where one answer a picture is needed."""
    if not model.task.one_answer:
        raise UsageError(
            f"`striate {verb}` is for Models that give one answer a picture; this one is of the task {model.task.name}",
            fix=fix,
        )
