"""`train`: from data to a finished Run. Each stage finds its result or makes it, so resuming is the same walk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.core.artifacts import write_json
from striate.core.errors import Interrupted, NetworkError, StriateError, UsageError, WeightsError
from striate.core.events import Reporter
from striate.core.memory import keep_freed_memory, release_freed_memory
from striate.core.plan import AUTO, Plan
from striate.core.run import RunFolder
from striate.train.checkpoints import list_checkpoints
from striate.train.followers import require
from striate.train.loop import fit
from striate.train.probe import PENALTIES, fit_head
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import Counters
from striate.workflows.augmenting import tell_minority
from striate.workflows.deciding import decide
from striate.workflows.extend import extend, longer_plan
from striate.workflows.finish import finish
from striate.workflows.follow import catch_up, following
from striate.workflows.judging import judging_seconds
from striate.workflows.keeping import keeping_classes
from striate.workflows.leak import measure_leak
from striate.workflows.materials import Materials, gather
from striate.workflows.measure import first_of, passes_after, resolve_plan, resolve_steps, scored_seconds
from striate.workflows.origin import keep_origin, measure_forgetting
from striate.workflows.planned import Prepared
from striate.workflows.referee import referee
from striate.workflows.request import Request, environment, keep_given, kept_list
from striate.workflows.shortcuts import searching_seconds
from striate.workflows.sizing import with_measured_batch
from striate.workflows.stages import prepare
from striate.workflows.tidying import tidy


@dataclass(frozen=True)
class Clock:
    """The time budget: counted from the command's start; the fit aims at 95 % of it and stops so as to end by 110 %."""

    started: float
    minutes: float | None

    def left(self) -> float | None:
        """Seconds left for fit and scoring; None without a budget."""
        if self.minutes is None:
            return None
        return 0.95 * 60 * self.minutes - (time.monotonic() - self.started)

    def deadline(self, scoring: float) -> float | None:
        """When the fit must stop so that the scoring and drawing after it still end by 110 %.

        They get the time that scoring takes and a twentieth of the budget, or the 8 seconds that the rest takes at
        least; never more than a quarter, or a budget of seconds would leave nothing to learn in: it may then end later.

        Args:
            scoring: seconds, as measured.

        >>> Clock(100.0, minutes=10).deadline(scoring=12.0), Clock(100.0, minutes=0.1).deadline(scoring=0.0)
        (718.0, 105.1)
        """
        if self.minutes is None:
            return None
        budget = 60 * self.minutes
        return self.started + 1.1 * budget - min(0.25 * budget, scoring + max(8.0, 0.05 * budget))


def train(
    request: Request,
    path: Path,
    device: str,
    reporter: Reporter,
    started: float,
    begin: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Train into a new Run.

    Args:
        request: what was asked for.
        path: the Run's folder, new or empty.
        device: "auto", or where to compute.
        started: `time.monotonic()` at the command's start.
        begin: writes what is found already, such as the audit, into the Run.
    """
    keep_freed_memory()
    require(request.follow)
    existed = path.exists()
    run = RunFolder.create(path, {**environment(request), "device": device})
    try:
        request = keep_given(run, request)
        if begin is not None:
            begin(run)
        _walk(run, request, device, reporter, Clock(started, request.minutes))
    except KeyboardInterrupt:
        raise _stopped(run) from None
    except StriateError as error:
        misfit = isinstance(error, WeightsError) and not list_checkpoints(run.checkpoints)
        mistake = isinstance(error, UsageError | NetworkError) and not run.plan.exists()
        if misfit or mistake or not run.audit.exists():  # there is nothing to go on with
            run.discard(stays=existed)
        raise
    finally:
        run.unlock()
    return run


def resume(
    path: Path, reporter: Reporter, epochs: int | None = None, more: int | None = None, follow: Sequence[str] = ()
) -> RunFolder:
    """Go on with a Run from wherever it was stopped; one that is scored is left as it is, unless it is extended.

    Args:
        epochs, more: to extend it to, or by; see `longer_plan`.
        follow: followers to tell of the training from here on, beside those that it has.
    """
    keep_freed_memory()
    require(follow)
    run = RunFolder.open(path)
    run.lock()
    try:
        longer = None if epochs is None and more is None else longer_plan(run, epochs, more, reporter)
        content = run.read_environment()
        if run.metrics.exists() and longer is None:
            reporter.line(f"{path} is trained and scored already")
            _follow_late(run, content, follow, reporter)
            return run
        arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
        request = kept_list(run, Request.from_dict(content["request"], arrays))
        if not set(follow) <= set(request.follow):
            request = replace(request, follow=tuple(dict.fromkeys((*request.follow, *follow))))
            write_json(run.environment, {**content, "request": request.to_dict()})
        # No deadline: a clock would cut the run at another step than the one that was never stopped.
        budget = None if run.plan.exists() else request.minutes
        _walk(run, request, content.get("device", "auto"), reporter, Clock(time.monotonic(), budget), longer)
    except KeyboardInterrupt:
        raise _stopped(run) from None
    finally:
        run.unlock()
    return run


def _follow_late(run: RunFolder, content: dict[str, Any], follow: Sequence[str], reporter: Reporter) -> None:
    """Let followers that a finished Run had not know its epochs, and keep their names."""
    known = content["request"].get("follow", [])
    fresh = [name for name in dict.fromkeys(follow) if name not in known]
    if fresh:
        catch_up(run, fresh, reporter)
        write_json(run.environment, {**content, "request": {**content["request"], "follow": [*known, *fresh]}})


def _stopped(run: RunFolder) -> Interrupted:
    return Interrupted("stopped between two saves", fix=f"go on with `striate train --resume {run.path}`")


def _walk(
    run: RunFolder, request: Request, device: str, reporter: Reporter, clock: Clock, longer: Plan | None = None
) -> None:
    prepared = prepare(request, run, device, reporter)
    if longer is not None:  # only now: data that has gone or changed leaves the Run as it is
        extend(run, longer, reporter)
        prepared = replace(prepared, plan=longer)
    reporter.line(f"the Run is {run.path}")  # said now: a call that could not be understood has left none
    threads = torch.get_num_threads()
    torch.set_num_threads(prepared.plan["execution.threads"])
    try:
        exact = prepared.plan["execution.deterministic"]
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=exact):
            _train(run, prepared, request.follow, reporter, clock)
    finally:
        torch.set_num_threads(threads)


def _train(run: RunFolder, prepared: Prepared, follow: Sequence[str], reporter: Reporter, clock: Clock) -> None:
    materials = gather(run, prepared, reporter)
    if not run.plan.exists():
        tell_minority(materials.plan, materials.samples["train"], reporter)
        materials = keeping_classes(materials, reporter, clock.left())
    recipe = materials.recipe(materials.plan)
    if not run.plan.exists():
        keep_origin(run, materials, reporter)
        measure_leak(run, materials, clock.left(), reporter)
        if materials.plan["batch.size"] == AUTO:
            materials = with_measured_batch(materials, clock.left(), reporter)
            recipe = materials.recipe(materials.plan)
        if prepared.plan["imbalance.remedy"] == AUTO:
            materials = _refereed(run, materials, recipe, reporter, clock)
            recipe = materials.recipe(materials.plan)
        plan = resolve_plan(
            recipe,
            materials.networks,
            materials.unseen("val") if "val" in materials.held_out else None,
            seconds=clock.left,
            scored=materials.count(*materials.held_out),
            folder=run.checkpoints,
            ranged=run.range_test,
            trials=materials.trials(reporter),
            reporter=reporter,
        )
        write_json(run.network, materials.spec)  # a network file may change or go; the Run keeps what it says
        plan.write(run.plan)
        recipe = materials.recipe(plan)
    head = _Head(materials, recipe, reporter)
    networks = materials.networks()
    report = materials.load(networks["network"])
    if report is not None:
        reporter.line(report.describe())
        if report.kept and recipe.plan["transfer.probe"]:
            reporter.line(
                "transfer.probe fits the whole head anew on frozen features, so those rows are not what training "
                "starts from; `--set transfer.probe=false` keeps them"
            )
    if recipe.plan["transfer.probe"] and not list_checkpoints(run.checkpoints):
        head.fit(networks["network"])
    deadline = clock.deadline(0.0 if clock.minutes is None else _seconds_after(materials, recipe))
    reporter.stage("training")
    state = fresh_state(recipe, networks)
    release_freed_memory()  # of the measurements
    with following(run, recipe.plan, follow, reporter) as followed:
        fit(state, recipe, run, followed, deadline=deadline)
    reporter.stage("evaluating")
    release_freed_memory()  # of the training
    network = state.judged()["network"]
    outputs, views = {}, recipe.plan["predict.views"]
    if "val" in materials.held_out:  # first: what it finds out about the head that it chose stands
        outputs["val"] = materials.outputs(network, "val", recipe.plan, views=views)
    materials, tidier, tidying = tidy(materials, network, recipe.plan, reporter)
    if tidier is not None:
        outputs["val"] = tidier
    decided = decide(materials, recipe.plan, outputs.get("val"), reporter)
    decided = replace(decided, tidying=tidying)
    materials = replace(materials, task=decided.task)
    learnt = materials.learnt(network, recipe.plan)
    refits = head.judges is not None and _refits(recipe.plan, state.counters)
    refitted = head.refit(network) if refits else None
    if "test" in materials.held_out:
        outputs["test"] = materials.outputs(network, "test", recipe.plan, views=views)
    forgotten = measure_forgetting(materials, network, reporter) if recipe.plan["transfer.forgetting"] else None
    finish(run, materials, recipe, state, outputs, decided, learnt, refitted, forgotten, reporter)


def _refereed(run: RunFolder, materials: Materials, recipe: Recipe, reporter: Reporter, clock: Clock) -> Materials:
    """The same with the remedy for unequal classes that trials found, and with what they needed measured."""
    trials = materials.trials(reporter)
    plan = resolve_steps(
        recipe, materials.networks, seconds=clock.left, ranged=run.range_test, trials=trials, reporter=reporter
    )
    return materials.under(referee(materials, plan, clock.left(), trials, reporter))


class _Head:
    """The head on frozen features, fitted before training and, where no epoch was better, once more after it."""

    def __init__(self, materials: Materials, recipe: Recipe, reporter: Reporter) -> None:
        self.materials, self.recipe, self.reporter = materials, recipe, reporter
        teaches = any(sample.weight for sample in materials.samples["val"])
        self.judges = materials.unaltered("val") if teaches else None

    def fit(self, network: nn.Module) -> None:
        """Fit it to the training samples."""
        self.reporter.stage("fitting the head on frozen features")
        penalty = self._fit(network, refit=False)
        folded = self.recipe.plan["transfer.probe_folds"]
        where = "parts of the training samples" if folded else "validation samples"
        usual = self.judges is None and not folded
        why = "the usual one" if usual else f"of {len(PENALTIES)} tried that which {where} like best"
        self.reporter.line(f"head: penalty {penalty:g}, {why}")

    def refit(self, network: nn.Module) -> int:
        """Fit it to the validation samples too. Returns how many samples that makes."""
        self._fit(network, refit=True)
        count = self.materials.count("train", "val")
        self.reporter.line(f"that head is fitted once more, to all {count} samples of training and validation")
        return count

    def _fit(self, network: nn.Module, refit: bool) -> float:
        known, units = self.materials.unaltered("train"), self.materials.units("train")
        return fit_head(network, self.recipe, known, self.judges, self.reporter, units=units, refit=refit)


def _seconds_after(materials: Materials, recipe: Recipe) -> float:
    """What scoring takes after the fit: measured here, since a plan with given epochs has not measured it."""
    held_out, plan = materials.held_out, recipe.plan
    passes = passes_after(plan, materials.count("train"), materials.count("val"), materials.count(*held_out))
    own = materials.preprocessing.sizing == "own"  # then the first batch that is scored is of the smallest
    shown = recipe.batches.epoch(0, recipe.batches.usual()) if own or not held_out else materials.unseen(held_out[0])
    judged = judging_seconds(materials.task, materials.count(*held_out))
    if plan["evaluate.shortcuts"] and materials.task.one_answer:
        judged += searching_seconds(materials.count(*held_out), materials.shape)
    pictures = materials.pictures[held_out[0]] if held_out else None
    each, more = scored_seconds(recipe, materials.networks(), first_of(shown), pictures)
    return passes * each + more * materials.count(*held_out) + judged


def _refits(plan: Plan, counters: Counters) -> bool:
    """Whether the head is fitted once more, to the validation samples too: where no epoch was better than it."""
    return bool(plan["transfer.refit"] and plan["transfer.probe"] and counters.best_epoch == 0)
