"""What validation decides of predictions once the weights stand, in this order: how sure probabilities are, from which
on there is a decision, and what else is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.evaluate import (
    choose_box_thresholds,
    choose_thresholds,
    fit_sets,
    fit_temperature,
    judge_sets,
    move_thresholds,
    units_of,
)
from striate.evaluate.thresholds import LEAST_POSITIVES
from striate.metrics import METRICS
from striate.tasks import Task
from striate.workflows.materials import Materials

_OPTIMISTIC = "The thresholds were {how} by the validation samples, so that validation figures are a little optimistic."
CALIBRATED = ("log_loss", "brier", "calibration_error")
"""The metrics that a temperature changes."""


@dataclass(frozen=True)
class Decided:
    """What was decided, and why, as `metrics.json` holds it.

    Args:
        task: with what was decided.
        calibration, thresholds, sets, tidying: method, value and because of each; empty where nothing was to be
            decided.
    """

    task: Task
    calibration: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, Any] = field(default_factory=dict)
    sets: dict[str, Any] = field(default_factory=dict)
    tidying: dict[str, Any] = field(default_factory=dict)


def decide(materials: Materials, plan: Plan, outputs: Tensor | None, reporter: Reporter) -> Decided:
    """Decide by the raw outputs for validation, (N, K); None where there is no validation, which decides nothing."""
    found = Decided(materials.task)
    if outputs is None:
        return found
    targets = materials.targets["val"].numpy()
    units = materials.units("val")
    if plan["predict.calibration"] == "temperature":
        found = _calibrated(found, outputs, targets, units)
        reporter.line(_told("calibration", found.calibration, "temperature"))
    if plan["evaluate.thresholds"] == "moved":
        found = _moved(found, materials, outputs, targets, reporter)
    if plan["evaluate.label_thresholds"] == "f1":
        found = _of_things(found, outputs) if found.task.finds else _of_labels(found, outputs, targets)
        reporter.line(_told("thresholds", found.thresholds, None))
    if plan["evaluate.coverage"] is not None:
        found = _possible(found, outputs, targets, units, float(plan["evaluate.coverage"]))
        reporter.line(_told(f"possible at a coverage of {plan['evaluate.coverage']:g}", found.sets, None))
    return found


def decided_figures(
    decided: Decided, outputs: Mapping[str, Tensor], materials: Materials, seed: int
) -> dict[str, dict[str, Any]]:
    """What the decisions are worth on each held-out split, for `metrics.json`; empty where nothing was decided.

    Returns:
        `calibration`, with the metrics `before` and `after` by split where there is a temperature; `thresholds`;
        `possible`, with figures by split; `tidying`, with what was tried.
    """
    found: dict[str, dict[str, Any]] = {}
    if decided.calibration:
        found["calibration"] = dict(decided.calibration)
        tasks = {"before": decided.task.uncalibrated(), "after": decided.task}
        for when, task in tasks.items() if decided.task.settings.temperature is not None else ():
            found["calibration"][when] = {
                part: _probabilities(task, one, materials, part) for part, one in outputs.items()
            }
    if decided.thresholds:
        found["thresholds"] = decided.thresholds
    if decided.tidying:
        found["tidying"] = decided.tidying
    if decided.sets:
        found["possible"] = dict(decided.sets)
        for part, one in outputs.items() if decided.task.settings.sets is not None else ():
            units = units_of([sample.group for sample in materials.samples[part]])
            scores = _scores(decided.task, one)
            found["possible"][part] = judge_sets(
                decided.task, scores, materials.targets[part].numpy(), units, seed=seed
            )
    return found


def not_held_out(decided: Decided, refitted: bool) -> list[str]:
    """What is to be said of the decisions: they rest on samples that chose the epoch too."""
    settings, said = decided.task.settings, []
    for how in ("moved" if settings.factors is not None else "", "chosen" if settings.thresholds is not None else ""):
        said += [_OPTIMISTIC.format(how=how)] if how else []
    if settings.temperature is not None:
        said.append(
            "The temperature was fitted to the validation samples: their log loss, Brier score and calibration error "
            "are a little optimistic."
        )
    if settings.tidying is not None:
        said.append(
            "How masks are tidied was chosen by the validation samples, so that validation figures are a little "
            "optimistic."
        )
    if settings.sets is not None:
        said.append(
            "What is held possible was found on the validation samples, which had chosen the weights too: on new ones "
            "coverage may be a little lower than stated."
        )
    if said and refitted:
        said.append(
            "The head was then fitted once more, to the validation samples too; temperature, thresholds and what is "
            "held possible are those found before."
        )
    return said


def _calibrated(found: Decided, outputs: Tensor, targets: NDArray[np.float32], units: NDArray[np.int64]) -> Decided:
    fitted = fit_temperature(outputs.numpy(), targets, found.task.kind, units)
    method = "none" if fitted.value is None else "temperature"
    said = {"method": method, "temperature": fitted.value, "because": fitted.because}
    task = found.task if fitted.value is None else found.task.with_decisions(temperature=fitted.value)
    return replace(found, task=task, calibration=said)


def _moved(
    found: Decided, materials: Materials, outputs: Tensor, targets: NDArray[np.float32], reporter: Reporter
) -> Decided:
    """The same with thresholds of classes moved."""
    frequencies = materials.targets["train"].sum(dim=0).tolist()
    moved = move_thresholds(_scores(found.task, outputs), targets, frequencies)
    reporter.line(
        f"thresholds: probabilities over the class's frequency to the power of {moved.strength:g}; on validation F1 "
        f"with classes alike {moved.before:.4f} → {moved.after:.4f}"
    )
    return replace(found, task=found.task.with_factors(moved.factors))


def _of_labels(found: Decided, outputs: Tensor, targets: NDArray[np.float32]) -> Decided:
    chosen = choose_thresholds(_scores(found.task, outputs), targets)
    names = found.task.target_names
    because = f"macro F1 on validation {chosen.before:.4f} → {chosen.after:.4f}"
    if chosen.kept:
        few = ", ".join(names[place] for place in chosen.kept)
        because += f"; a half for {few}: fewer than {LEAST_POSITIVES} samples have it, or have it not"
    said = {"method": "f1", "values": dict(zip(names, chosen.values, strict=True)), "because": because}
    return replace(found, task=found.task.with_decisions(thresholds=chosen.values), thresholds=said)


def _of_things(found: Decided, outputs: Tensor) -> Decided:
    """The same with the score from which on things of a class are held to be there."""
    names = found.task.target_names
    chosen = choose_box_thresholds(outputs.numpy(), names)
    because = "; ".join([f"F1 of things on validation {chosen.before:.4f} → {chosen.after:.4f}", *chosen.notes])
    said = {"method": "f1", "values": dict(zip(names, chosen.values, strict=True)), "because": because}
    return replace(found, task=found.task.with_decisions(thresholds=chosen.values), thresholds=said)


def _possible(
    found: Decided, outputs: Tensor, targets: NDArray[np.float32], units: NDArray[np.int64], coverage: float
) -> Decided:
    fitted = fit_sets(found.task, _scores(found.task, outputs), targets, units, coverage)
    said: dict[str, Any] = {"wanted": coverage, "by_class": fitted.by_class, "because": fitted.because, "bounds": None}
    if fitted.sets is None:
        return replace(found, sets=said)
    said["bounds"] = dict(zip(found.task.target_names, asdict(fitted.sets)["bounds"], strict=True))
    return replace(found, task=found.task.with_decisions(sets=fitted.sets), sets=said)


def _scores(task: Task, outputs: Tensor) -> NDArray[np.float32]:
    return np.asarray(task.scores(outputs).numpy(), np.float32)


def _probabilities(task: Task, outputs: Tensor, materials: Materials, part: str) -> dict[str, float]:
    """The metrics of probabilities on a split."""
    scores, targets = _scores(task, outputs).astype(np.float64), materials.targets[part].numpy().astype(np.float64)
    return {name: METRICS.get(name)(task.kind, task.outputs).measure(scores, targets) for name in CALIBRATED}


def _told(what: str, said: Mapping[str, Any], value: str | None) -> str:
    number = said.get(value) if value else None
    return f"{what}: {'' if number is None else f'{value} {number:.3f}, '}{said['because']}"
