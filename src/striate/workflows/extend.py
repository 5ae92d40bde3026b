"""Extending a Run: more epochs than were planned, with what was scored before kept and counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.core.artifacts import make_folder, read_json
from striate.core.errors import CheckpointError, RunError, UsageError
from striate.core.events import Reporter
from striate.core.plan import Decision, Plan
from striate.core.run import RunFolder
from striate.core.wording import plural
from striate.infer.artifact import DESCRIPTION, WEIGHTS
from striate.train.checkpoints import newest_counters
from striate.workflows.planned import whole_plan


def longer_plan(run: RunFolder, epochs: int | None, more: int | None, reporter: Reporter) -> Plan | None:
    """The plan of a Run with more epochs; nothing is written.

    They follow those done where the training has ended, be it early, else those planned, so that what is under way ends
    as it would have.

    Args:
        epochs: in all.
        more: in place of that, beside those done or planned.

    Returns:
        None where these epochs are planned already and still under way.

    Raises:
        UsageError: that is not more than there is.
        RunError: there is no plan to extend yet.
        CheckpointError: there is no checkpoint to go on from.
    """
    if epochs is not None and more is not None:
        raise UsageError("epochs in all and more epochs are two lengths; a training has one", fix="give one of them")
    if more is not None and more < 1:
        raise UsageError(f"{more} more epochs are none", fix="give a number from 1 on, such as +10")
    if not run.plan.exists():
        raise RunError(
            f"{run.path} was stopped before its plan stood, so there are no epochs to add to",
            fix=f"go on with `striate train --resume {run.path}` first",
        )
    plan, counters = whole_plan(run), newest_counters(run.checkpoints, reporter)
    if counters is None and run.metrics.exists():
        raise CheckpointError(
            f"{run.path} has no checkpoint left to go on from",
            fix=f"train on from its Model: `striate train DATA --weights {run.path}`",
        )
    planned, before = int(plan["train.epochs"]), _extensions(plan)
    ended = counters is not None and counters.done and counters.epoch not in before
    base = counters.epoch if counters is not None and ended else planned
    target = base + more if more is not None else epochs
    if target == planned and not ended:
        reporter.line(f"{planned} epochs are what the Run is planned for: it goes on")
        return None
    if target is None or target <= base:
        raise UsageError(
            f"{run.path} has {plural(base, 'epoch', 'epochs')} {'done' if ended else 'planned'}; {target} in all is "
            "not more",
            fix=f"give more than {base}, or --epochs +N for N more than these",
        )
    return _extended(plan, base, planned, target, "done" if ended else "planned")


def extend(run: RunFolder, plan: Plan, reporter: Reporter) -> None:
    """Give a Run a longer plan, which makes a finished one unfinished; what it had scored is kept.

    The report goes first and the plan changes last: killed in between, the Run ends as it was planned before.
    """
    run.report.unlink(missing_ok=True)
    if run.metrics.exists():
        number = len(earlier_scores(run)) + 1
        os.replace(run.metrics, make_folder(run.earlier) / f"metrics-{number}.json")
    plan.write(run.plan)
    reporter.line(f"the Run is extended to {plan['train.epochs']} epochs: {plan.decisions['train.epochs'].because}")
    for sentence in scored_before(run):
        reporter.warn(sentence.replace("was scored", "will have been scored"))
    stale = sorted(path.name for path in run.model.glob("*") if path.name not in (WEIGHTS, DESCRIPTION))
    if stale:
        reporter.warn(f"{', '.join(stale)} in {run.model}: of the Model before the extension; export it again after it")


def earlier_scores(run: RunFolder) -> list[dict[str, Any]]:
    """The metrics that a Run had before each extension, in their order."""
    return [read_json(path) for path in sorted(run.earlier.glob("metrics-*.json"), key=_number)]


def scored_before(run: RunFolder) -> list[str]:
    """What is said where the test split was scored before, and the training went on."""
    figures = [
        f"{_headline(found)} after {found['training']['epochs']} epochs"
        for found in earlier_scores(run)
        if found.get("test")
    ]
    if not figures:
        return []
    return [
        f"The test split was scored {len(figures) + 1} times: before the Run was extended it gave "
        f"{', '.join(figures)}. "
        "Who trains on because of such a figure chooses by the test, which then says a little too much."
    ]


def _headline(found: Mapping[str, Any]) -> str:
    name, figure = found["headline"], found["test"].get(found["headline"])
    return f"{name} {figure:.4f}" if isinstance(figure, int | float) else f"no {name}, which was not defined,"


def _extensions(plan: Plan) -> dict[int, int]:
    return {int(done): int(planned) for done, planned in plan["train.extensions"].items()}


def _extended(plan: Plan, base: int, planned: int, target: int, words: str) -> Plan:
    extensions = {done: until for done, until in _extensions(plan).items() if done < base} | {base: planned}
    early = f", of {planned} planned" if base < planned else ""
    because = f"you asked for {target - base} more than the {base} {words}{early}"
    train = {
        "epochs": Decision(target, because, "user"),
        "extensions": Decision(extensions, "the added epochs are a cycle of the schedule of their own", "user"),
    }
    if plan["train.minutes"] is not None:
        minutes = f"the Run was extended by epochs; {plan['train.minutes']:g} minutes were planned before"
        train["minutes"] = Decision(None, minutes, "user")
    return plan.replace(train=train)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
