"""Tasks, one a file: what is asked of a network, from encoded targets through losses to scores, metrics and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from striate.core.errors import RunError
from striate.core.records import Sample
from striate.core.registry import Registry
from striate.tasks._costs import cost_matrix
from striate.tasks._scale import Scale
from striate.tasks._settings import Sets, TaskSettings, Weighting
from striate.tasks._task import Task
from striate.tasks._tidying import Tidying, region_sizes, tidied

TASKS: Registry[type[Task]] = Registry("task", "striate.tasks")


def make_task(
    name: str,
    target_names: Sequence[str],
    samples: Sequence[Sample],
    *,
    loss: str,
    loss_options: Mapping[str, Any] | None = None,
    class_weights: Weighting = "none",
    costs: Any = None,
) -> Task:
    """A task as the training samples make it: the weights of its classes, or the mean and spread of its values.

    Args:
        name: "classify", "multilabel" or "regress".
        target_names: class names, or the names of the values, in the order of the outputs.
        samples: the training samples alone, so that nothing of the others is learnt.
        loss: the loss's name.
        loss_options: its options, such as {"label_smoothing": 0.1}.
        class_weights: one of `striate.losses.WEIGHTINGS`, or numbers by class, 1 for one that is not named.
        costs: of mistakes, {true class: {predicted class: cost}} or rows; None where all cost the same.

    Raises:
        UnknownName: there is no such task, loss, option, weighting or class.
        UsageError: the loss or the weighting is for other targets; a weight is negative or not finite, or all are 0.
        DataError: the samples cannot be learnt from: no target, one not finite, or a value that never changes.
    """
    return TASKS.get(name).from_samples(
        target_names, samples, loss=loss, loss_options=loss_options or {}, class_weights=class_weights, costs=costs
    )


LATER = ("temperature", "thresholds", "sets", "tidying", "scale")
"""Settings that Models from before they were known have not: None is what those do."""


def task_from_dict(content: Mapping[str, Any]) -> Task:
    """A task from what `Task.to_dict` gave.

    Raises:
        RunError: a key is missing or unknown.
        UnknownName: there is no such task or loss.
    """
    expected = {"name", "target_names", *TaskSettings.names()}
    content = {**dict.fromkeys(LATER), **content}
    if set(content) != expected:
        wrong = ", ".join(sorted(set(content) ^ expected))
        raise RunError(f"a task is described by {', '.join(sorted(expected))}; missing or unknown: {wrong}")
    settings = TaskSettings.from_dict({key: content[key] for key in TaskSettings.names()})
    return TASKS.get(content["name"])(tuple(content["target_names"]), settings)


__all__ = [
    "TASKS",
    "Scale",
    "Sets",
    "Task",
    "TaskSettings",
    "Tidying",
    "cost_matrix",
    "make_task",
    "region_sizes",
    "task_from_dict",
    "tidied",
]
