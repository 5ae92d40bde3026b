"""What a plan says of the data at hand: the preprocessing, the task and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from striate.core.errors import PlanError, RunError
from striate.core.plan import Plan
from striate.core.records import Dataset, Sample
from striate.core.run import RunFolder
from striate.data.audit import Audit
from striate.data.prepare import Preprocessing
from striate.data.split import SplitTable
from striate.nets import Weights, resolve
from striate.plan import leaves, read_plan
from striate.plan.context import as_planned
from striate.tasks import Task, make_task
from striate.tasks.detect import Detect


@dataclass(frozen=True)
class Prepared:
    """What stands before a training starts."""

    dataset: Dataset
    audit: Audit
    split: SplitTable
    plan: Plan
    weights: Weights | None


def whole_plan(run: RunFolder) -> Plan:
    """The Run's plan. Raises `RunError` where another version wrote it, with fewer leaves."""
    decisions = read_plan(run.plan)
    missing = sorted(set(leaves()) - set(decisions))
    if missing:
        raise RunError(
            f"{run.plan} lacks {', '.join(missing)}: another version of striate began this Run",
            fix="go on with that version (environment.json names it), or train again with `--plan` and this file",
        )
    return Plan(decisions)


def preprocessing_of(plan: Plan) -> Preprocessing:
    """The part of a plan that becomes the Model's preprocessing."""
    return Preprocessing(
        height=plan["input.height"],
        width=plan["input.width"],
        channels=plan["input.channels"],
        policy=plan["input.policy"],
        margin=plan["input.margin"],
        interpolation=plan["input.interpolation"],
        full_scale=plan["input.full_scale"],
        mean=tuple(plan["normalize.mean"]),
        std=tuple(plan["normalize.std"]),
        fill=tuple(255 * value for value in plan["normalize.mean"]),
        sizing=plan["input.sizing"],
        step=plan["input.step"],
        least=plan["input.least"],
        tile=plan["input.tile"],
        overlap=plan["input.overlap"],
    )


def task_of(prepared: Prepared) -> Task:
    """The task, with its loss, weights of classes and scale of values, or of things, from the training samples."""
    plan, samples = prepared.plan, training_samples(prepared)
    task = make_task(
        plan["task.kind"],
        prepared.dataset.target_names,
        samples,
        loss=plan["loss.name"],
        loss_options=_loss_options(plan),
        class_weights=plan["loss.class_weights"],
        costs=plan["evaluate.costs"],
    )
    sides = prepared.audit.sides
    if isinstance(task, Detect) and samples and all(sample.key in sides for sample in samples):
        return task.with_scale(samples, [sides[sample.key] for sample in samples])
    return task  # an audit that was read from its file knows no sides


def training_samples(prepared: Prepared) -> list[Sample]:
    keys = set(prepared.split.keys("train"))
    return [sample for sample in prepared.dataset.samples if sample.key in keys]


def _loss_options(plan: Plan) -> dict[str, Any]:
    """What the loss is told. Raises `PlanError` where the smoothing of labels is set beside its own leaf."""
    if "label_smoothing" in plan["loss.options"]:
        raise PlanError(
            "loss.options: label_smoothing has a leaf of its own, which would say something else",
            fix="set loss.label_smoothing in its place",
        )
    smoothing = plan["loss.label_smoothing"]  # of 0 it is not told: not every loss has that option
    return {**({"label_smoothing": smoothing} if smoothing else {}), **plan["loss.options"]}


def spec_of(prepared: Prepared, task: Task) -> dict[str, Any]:
    """The network of a plan, as data."""
    plan = prepared.plan
    spec = resolve(
        plan["network.name"],
        outputs=task.outputs,
        channels=plan["input.channels"],
        height=plan["input.height"],
        width=plan["input.width"],
        arguments=plan["network.arguments"],
        form=task.form,
    )
    return as_planned(spec, plan.__getitem__)
