"""Turning a plan's `auto` into values: runs the trials of `train` and hands their figures back to the rules."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from striate.core.artifacts import finite, write_json
from striate.core.errors import PlanError
from striate.core.events import Reporter
from striate.core.memory import ran_out_of_memory
from striate.core.plan import AUTO, Decision, Plan
from striate.core.seeds import generator
from striate.data.loader import Batch, EvalBatches
from striate.data.pictures import Pictures
from striate.infer import VIEWS, ForwardWay, batch_rates, forward_rates, in_parts, made_ready, wait_for
from striate.plan.rules.execution import Way, fastest
from striate.plan.rules.growing import size_at
from striate.plan.rules.length import epochs_in
from striate.plan.rules.optimizer import chosen_rate, usual_rate
from striate.plan.rules.prediction import batches_of, best_batch, forward_ways
from striate.tasks import Task
from striate.train.checkpoints import save_checkpoint
from striate.train.frozen import cached_seconds
from striate.train.lengths import refuse_longer
from striate.train.probe import fitting_seconds
from striate.train.recipe import Recipe, refuse_contradictions
from striate.train.speed import (
    READABLE,
    TIMED,
    awake,
    learning_state,
    range_test,
    safe_ways,
    try_ways,
    with_execution,
)
from striate.train.step import train_step
from striate.workflows.judging import judging_seconds
from striate.workflows.known_body import KnownBody
from striate.workflows.materials import watched
from striate.workflows.quiet import Quiet
from striate.workflows.shortcuts import passes, searching_seconds
from striate.workflows.trials import Trials, time_for

RANGE_STEPS, RANGE_SECONDS, RANGE_SHARE = 60, 60.0, 10
"""Of a range test: steps, seconds where no minutes are given, and the share of all steps, 1 in so many, at most."""
TRIAL_SECONDS, FORWARD_SECONDS = 15.0, 5.0


def resolve_plan(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    validation: EvalBatches | None,
    *,
    seconds: Callable[[], float | None],
    scored: int,
    folder: Path,
    ranged: Path,
    trials: Trials,
    reporter: Reporter,
) -> Plan:
    """The plan with nothing left to measure.

    Args:
        recipe: with the plan as the rules left it.
        networks: makes the networks with their first weights, equal each time.
        validation: the validation batches, timed for what an epoch costs.
        seconds: the time left for fit and scoring at the moment of the call; None without a time budget.
        scored: samples that will be scored after the fit.
        folder: where checkpoints will be, to time one; what is written there is removed again.
        ranged: the file that the curve of a range test is written to, where one is run or known.
        trials: what was measured before.
    """
    quiet = Quiet(reporter, recipe.device.type)
    return in_parts_that_fit(
        recipe,
        lambda recipe: _resolved(recipe, networks, validation, seconds, scored, folder, ranged, trials, quiet),
        reporter,
    )


def resolve_steps(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    *,
    seconds: Callable[[], float | None],
    ranged: Path,
    trials: Trials,
    reporter: Reporter,
) -> Plan:
    """The plan with all measured that a step hangs on: how it and predictions are computed, and the rate.

    Args:
        recipe, networks, seconds, ranged, trials: as for `resolve_plan`.
    """
    quiet = Quiet(reporter, recipe.device.type)
    return in_parts_that_fit(
        recipe, lambda recipe: _steps_resolved(recipe, networks, seconds, ranged, trials, quiet), reporter
    )


def in_parts_that_fit(recipe: Recipe, resolve: Callable[[Recipe], Plan], reporter: Reporter) -> Plan:
    """What resolves a plan, with batches in more parts where memory runs out."""
    refuse_contradictions(recipe.plan)
    if recipe.plan["train.epochs"] != AUTO:
        refuse_longer(recipe)
    while True:
        try:
            return resolve(recipe)
        except (RuntimeError, MemoryError) as error:
            parts = recipe.plan["batch.accumulate"] * 2
            if not ran_out_of_memory(error) or parts > recipe.batches.batch_size:
                raise
        because = f"memory ran out while measuring: each batch is computed in {parts} parts"
        reporter.warn(because)
        plan = recipe.plan.replace(batch={"accumulate": Decision(parts, because, "measured")})
        if plan["execution.graphed"] == AUTO:
            why = f"{because}, whose gradients add up, and graphs overwrite them"
            plan = plan.replace(execution={"graphed": Decision(False, why, "measured")})
        recipe = replace(recipe, plan=plan)


def _resolved(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    validation: EvalBatches | None,
    seconds: Callable[[], float | None],
    scored: int,
    folder: Path,
    ranged: Path,
    trials: Trials,
    quiet: Quiet,
) -> Plan:
    if recipe.plan.resolved:
        return recipe.plan
    plan = _steps_resolved(recipe, networks, seconds, ranged, trials, quiet)
    if plan["train.epochs"] == AUTO:
        plan = _length(replace(recipe, plan=plan), networks, validation, seconds, scored, folder, quiet)
        refuse_longer(replace(recipe, plan=plan))
    return plan


def _steps_resolved(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    seconds: Callable[[], float | None],
    ranged: Path,
    trials: Trials,
    quiet: Quiet,
) -> Plan:
    plan, reporter = recipe.plan, quiet.reporter
    reporter.stage("measuring")
    if any(plan[f"execution.{leaf}"] == AUTO for leaf in Way._fields):
        left = seconds()
        plan = _execution(recipe, networks, time_for(TRIAL_SECONDS, 0.03, left), trials, quiet)
    if any(plan[f"predict.{leaf}"] == AUTO for leaf in (*ForwardWay._fields, "batch")):
        left = seconds()
        allowed = time_for(FORWARD_SECONDS, 0.01, left)
        plan = _prediction(replace(recipe, plan=plan), networks, allowed, trials, quiet)
    if plan["optimizer.rate"] == AUTO:
        left = seconds()
        tried = with_execution(replace(recipe, plan=plan), Way(*(plan[f"execution.{leaf}"] for leaf in Way._fields)))
        allowed = RANGE_SECONDS if left is None else 0.04 * left
        rate = _rate(tried, plan["train.epochs"], networks, allowed, ranged, trials, reporter)
        plan = plan.replace(optimizer={"rate": rate})
    return plan


def _execution(
    recipe: Recipe, networks: Callable[[], dict[str, nn.Module]], allowed: float, trials: Trials, quiet: Quiet
) -> Plan:
    reporter = quiet.reporter
    found, unsafe = safe_ways(recipe.plan, networks())
    if unsafe is not None:
        reporter.line(f"channels-last is not tried: torch would corrupt memory in the backward pass of {unsafe}")
    if len(found) == 1:
        way, because = found[0], "the only way that what you set leaves"
    else:
        question = {"ways": found, "parts": recipe.plan["batch.accumulate"]}
        rates = trials.recall(question)
        if rates is None:
            trial = partial(try_ways, recipe, networks, found, seconds=allowed)
            rates = [[*way, rate] for way, rate in quiet.measure(trial, seconds=allowed).items()]
            if quiet.undisturbed:
                trials.keep(question, rates)
        way, because = fastest({Way(*way): rate for *way, rate in rates})
    decisions = {
        leaf: Decision(value, because, "measured")
        for leaf, value in way._asdict().items()
        if recipe.plan[f"execution.{leaf}"] == AUTO
    }
    reporter.line(f"execution: {way} ({because})")
    return recipe.plan.replace(execution=decisions)


def _prediction(
    recipe: Recipe, networks: Callable[[], dict[str, nn.Module]], allowed: float, trials: Trials, quiet: Quiet
) -> Plan:
    plan, shape = recipe.plan, recipe.shape
    network = awake(networks())["network"].to(recipe.device)
    found, counts_tried = forward_ways(plan), batches_of(recipe.device.type)
    shown = counts_tried[0 if recipe.device.type == "cpu" else 1]
    if len(found) == 1:
        way, because = found[0], "the only way that what you set leaves"
    else:
        question: dict[str, Any] = {"forward": found, "parts": plan["batch.accumulate"]}
        rates = trials.recall(question)
        if rates is None:
            trial = partial(forward_rates, network, shape, found, count=shown, seconds=allowed / 2)
            rates = [[*way, rate] for way, rate in quiet.measure(trial, seconds=allowed / 2).items()]
            if quiet.undisturbed:
                trials.keep(question, rates)
        way, because = fastest({ForwardWay(*way): rate for *way, rate in rates}, what="pictures")
    batch, why = plan["predict.batch"], ""
    if batch == AUTO:
        question = {"forward": way, "batches": counts_tried, "parts": plan["batch.accumulate"]}
        rates = trials.recall(question)
        if rates is None:
            counts = partial(batch_rates, network, shape, way, counts_tried, seconds=allowed / 2)
            rates = [*quiet.measure(counts, seconds=allowed / 2).items()]
            if quiet.undisturbed:
                trials.keep(question, rates)
        batch, why = best_batch(dict(rates))
    decisions = {leaf: Decision(value, because, "measured") for leaf, value in way._asdict().items()}
    decisions["batch"] = Decision(batch, why, "measured")
    quiet.reporter.line(f"prediction: {way}, {batch} at once ({because})")
    return plan.replace(predict={leaf: one for leaf, one in decisions.items() if plan[f"predict.{leaf}"] == AUTO})


def _rate(
    recipe: Recipe,
    epochs: Any,
    networks: Callable[[], dict[str, nn.Module]],
    allowed: float,
    ranged: Path,
    trials: Trials,
    reporter: Reporter,
) -> Decision:
    plan = recipe.plan
    usual = usual_rate(plan, recipe.batches.batch_size, len(recipe.batches.pictures))
    low, high, steps = usual / 300, usual * 30, RANGE_STEPS
    if epochs != AUTO:
        steps = min(steps, recipe.steps // RANGE_SHARE)
    if steps < READABLE:
        rate = usual
        because = f"a range test would take more than 1 in {RANGE_SHARE} of the {recipe.steps} steps, so the usual"
    else:
        question: dict[str, Any] = {"range": [low, high, steps], "seed": plan["train.seed"]}
        question["way"] = [plan[f"execution.{leaf}"] for leaf in (*Way._fields, "device")]
        question["parts"] = plan["batch.accumulate"]
        curve = trials.recall(question)
        if curve is None:
            curve = range_test(recipe, networks(), low=low, high=high, steps=steps, seconds=allowed).curve
            trials.keep(question, curve)
        rate, because = chosen_rate([(at, loss) for at, loss in curve], usual)
        write_json(ranged, {"curve": finite(curve), "rate": rate, "usual": usual, "because": because})
    reporter.line(f"rate: {rate:.3g} ({because})")
    return Decision(rate, because, "measured")


def _length(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    validation: EvalBatches | None,
    seconds: Callable[[], float | None],
    scored: int,
    folder: Path,
    quiet: Quiet,
) -> Plan:
    plan, left = recipe.plan, seconds()
    if left is None:
        raise PlanError(
            "train.epochs is auto, which needs a time budget", fix="add --minutes M, or --set train.epochs=N"
        )
    rate = max(plan["optimizer.rate"], 1e-9)  # of 0 there is no rising
    timed = with_execution(recipe, Way(*(plan[f"execution.{leaf}"] for leaf in Way._fields)))
    whole, start = recipe.shape[1:], plan["train.start_size"]
    own = recipe.batches.augmenter.size is None
    allowed = 0.04 * left

    def step_seconds(size: tuple[int, int]) -> float:
        limits: dict[str, Any] = {"low": rate / 300, "high": rate, "steps": TIMED + 1, "seconds": allowed}
        return range_test(timed, networks(), size=None if own else size, **limits).step_seconds

    sizes = dict.fromkeys((whole, size_at(0, 1000, whole, start)))
    steps = {size: quiet.measure(partial(step_seconds, size), seconds=allowed) for size in sizes}
    shown = first_of(recipe.batches.epoch(0, recipe.batches.usual()) if validation is None or own else validation)
    pictures = None if validation is None else validation.pictures
    timing = partial(scored_seconds, recipe, networks(), shown, pictures)
    sample, once = quiet.measure(timing, seconds=allowed)
    saving = _save_seconds(timed, networks(), folder)
    saving += _ready_seconds(recipe, networks())
    validated = len(validation.pictures) if validation is not None else 0
    trained = len(recipe.batches.pictures) if recipe.task.per_pixel else recipe.batches.shown
    beside = sample * validated + saving
    if recipe.task.finds:  # what was found is matched with the truth after each epoch
        beside += quiet.measure(partial(_metrics_seconds, recipe.task, validated), seconds=allowed)
    judged = quiet.measure(partial(judging_seconds, recipe.task, scored), seconds=allowed)
    if plan["evaluate.shortcuts"] and recipe.task.one_answer:
        judged += quiet.measure(partial(searching_seconds, scored, shown.images.shape[1:]), seconds=allowed)
    left = (seconds() or 0.0) - sample * passes_beside(plan, trained, validated, scored) - judged - once * scored
    if plan["transfer.probe"]:
        views = views_of(plan) if plan["transfer.probe_views"] else 1
        more = views * validated if plan["transfer.refit"] else 0
        folds = plan["transfer.probe_folds"]
        left -= fitting_seconds(networks()["network"], recipe.task, views * trained, more, folds)

    still = replace(timed, rates=lambda step: 0.0)
    head = quiet.measure(lambda: cached_seconds(learning_state(still, networks()), still), seconds=allowed)
    known = head is not None and _validates_from_memory(recipe, networks(), shown)

    def spent(epochs: int) -> float:
        frozen = min(int(plan["transfer.frozen_epochs"]), epochs - 1)
        if head is not None:  # the body is looked at once, or once more where frozen epochs have it in another mode
            looks = (1 + (frozen > 0)) * trained + (validated if known else epochs * validated)
            return sample * looks + epochs * (head * len(recipe.batches) + saving)
        sizes = Counter(size_at(epoch, epochs, whole, start) for epoch in range(frozen, epochs))
        learning = sum(count * len(recipe.batches) * _between(steps, size) for size, count in sizes.items())
        looks = min(frozen, 1) if plan["transfer.cached_features"] else frozen
        return looks * sample * trained + learning + epochs * beside

    epochs, because = epochs_in(max(0.0, left), spent)
    quiet.reporter.line(f"epochs: {epochs} ({because})")
    return plan.replace(train={"epochs": Decision(epochs, because, "measured")})


def _metrics_seconds(task: Task, samples: int) -> float:
    """Seconds that all metrics of so many samples take."""
    if not samples:
        return 0.0
    scores, targets = task.made(samples, generator(0, "metrics"))
    started = time.perf_counter()
    task.metrics(scores, targets)
    return time.perf_counter() - started


def _validates_from_memory(recipe: Recipe, networks: dict[str, nn.Module], shown: Batch) -> bool:
    """Whether a validation is the head alone, where the body is that of the validation before."""
    network, known = networks["network"].to(recipe.device), KnownBody()
    images = recipe.normalize(shown.images.to(recipe.device))
    ready = made_ready(network, recipe.prediction, images.shape[1:])
    with torch.no_grad():
        known.watch(network, ready, lambda one: in_parts(one, images).float().cpu())
    return known.outputs(network) is not None


def _between(seconds: Mapping[tuple[int, int], float], size: tuple[int, int]) -> float:
    """The seconds of a step on pictures of a size, from those of one or two others: they grow with the area.

    >>> _between({(8, 8): 5.0, (4, 4): 2.0}, (6, 6))
    3.25
    """
    areas = {math.prod(each): found for each, found in seconds.items()}
    small, large = min(areas), max(areas)
    if small == large:
        return areas[small]
    share = (math.prod(size) - small) / (large - small)
    return areas[small] + share * (areas[large] - areas[small])


def _save_seconds(recipe: Recipe, networks: dict[str, nn.Module], folder: Path) -> float:
    """Seconds to save a checkpoint, as after each epoch: with small samples, the larger part of it."""
    state = learning_state(recipe, networks)
    train_step(state, recipe, next(iter(recipe.batches.epoch(0, 0))))  # so that the optimizer has what it saves
    aside = folder / ".timed"
    try:
        started = time.perf_counter()
        save_checkpoint(aside, state)
        return time.perf_counter() - started
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _ready_seconds(recipe: Recipe, networks: dict[str, nn.Module]) -> float:
    """Seconds to make the networks ready to be validated, as after each epoch."""
    started = time.perf_counter()
    for network in networks.values():
        made_ready(network.to(recipe.device), recipe.prediction, recipe.shape)
    return time.perf_counter() - started


def passes_beside(plan: Plan, trained: int, validated: int, scored: int) -> int:
    """Forward passes of one sample before and after the epochs: fitting and judging the head, and what comes after.

    Args:
        trained, validated, scored: samples.
    """
    after = passes_after(plan, trained, validated, scored)
    return after + (_fitting(plan, trained, validated) + validated if plan["transfer.probe"] else 0)


def passes_after(plan: Plan, trained: int, validated: int, scored: int) -> int:
    """Forward passes of one sample after the epochs: a mean of weights, scoring, with parts hidden too, some training
    samples, what is forgotten, masks that are tidied, and the head.

    Fitting that again, and tidying what is scored, are counted though it may not come to them.

    Args:
        trained, validated, scored: samples.
    """
    again = plan["transfer.probe"] and plan["transfer.refit"]
    mean = trained + validated if plan["train.swa"] > 0 else 0  # its statistics, and its validation
    fitted = _fitting(plan, trained, validated) if again else 0
    compared = 2 * validated if plan["transfer.forgetting"] else 0
    hidden = passes(scored) if plan["evaluate.shortcuts"] else 0
    tidied = 2 * validated if plan["evaluate.tidying"] != "none" else 0  # masks to choose by, and then the tidied ones
    return (scored + hidden + tidied + watched(trained, validated)) * views_of(plan) + mean + fitted + compared


def _fitting(plan: Plan, trained: int, validated: int) -> int:
    return (trained + validated) * (views_of(plan) if plan["transfer.probe_views"] else 1)


def views_of(plan: Plan) -> int:
    """Forward passes that a scored sample takes."""
    return len(VIEWS[plan["predict.views"]])


def first_of(batches: Iterable[Batch]) -> Batch:
    """The first batch; what would prepare more is ended."""
    with contextlib.closing(cast(Generator[Batch], iter(batches))) as running:
        return next(running)


def scored_seconds(
    recipe: Recipe, networks: dict[str, nn.Module], batch: Batch, pictures: Pictures | None
) -> tuple[float, float]:
    """Seconds a sample that is validated, and what one that is scored after the fit takes beside them, once.

    Args:
        batch: of pictures to be scored, or of what is trained on.
        pictures: those to be scored; of whole ones, of many sizes, those of a batch are not all as large as the rest.
    """
    seconds, more = forward_seconds(recipe, networks, batch), 0.0
    if recipe.task.per_pixel:
        few = replace(batch, images=batch.images[:1], targets=batch.targets[:1])
        outputs = recipe.task.guessed(few.targets)
        started = time.perf_counter()
        recipe.task.collected(outputs, few.targets)
        more = time.perf_counter() - started
        if pictures is not None and pictures.sizes is not None:
            larger = float(pictures.sizes.prod(1).mean()) / math.prod(batch.images.shape[2:])
            seconds, more = seconds * larger, more * larger
    return seconds, more


def forward_seconds(recipe: Recipe, networks: dict[str, nn.Module], batch: Batch) -> float:
    """Seconds a sample of the forward pass alone, as predictions compute it, and of what is kept of its outputs."""
    images = recipe.normalize(batch.images.to(recipe.device))
    times = []
    for network in networks.values():
        ready = recipe.ready(network.to(recipe.device), images.shape[1:])
        with torch.no_grad():
            for _ in range(3):
                started = time.perf_counter()
                outputs = in_parts(ready, images)
                wait_for(recipe.device.type)
                recipe.task.collected(outputs.float().cpu(), batch.targets.cpu(), brief=True)
                times.append(time.perf_counter() - started)
    return min(times) * len(networks) / len(batch.images)
