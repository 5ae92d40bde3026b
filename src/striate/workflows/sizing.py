"""The batch by noise and memory, where it is asked for with `batch.size=auto`: measured, then handed to its rule."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from striate.core.events import Reporter
from striate.core.plan import AUTO, Decision, Plan
from striate.nets import memory
from striate.plan.rules.batch import chosen_size, most_in
from striate.plan.rules.optimizer import rate_power, usual_rate
from striate.train.noise import LEAST, WARM, Noise, measure_noise
from striate.train.recipe import Recipe
from striate.train.speed import safe_ways, with_execution
from striate.workflows.materials import Materials
from striate.workflows.measure import RANGE_SECONDS, RANGE_SHARE, in_parts_that_fit
from striate.workflows.stages import machine
from striate.workflows.trials import Trials

STEPS = 64
"""That the measurement takes at most, as many as a range test."""


def with_measured_batch(materials: Materials, seconds: float | None, reporter: Reporter) -> Materials:
    """The same with `batch.size` measured, and with what hangs on it.

    Args:
        seconds: left for the training; None without a time budget.
    """
    reporter.stage("measuring the noise of gradients")
    recipe, trials = materials.recipe(materials.plan), materials.trials(reporter)
    allowed = RANGE_SECONDS if seconds is None else 0.04 * seconds
    resolve = partial(_resolved, materials, allowed=allowed, trials=trials, reporter=reporter)
    return materials.under(in_parts_that_fit(recipe, resolve, reporter))


def _resolved(materials: Materials, recipe: Recipe, *, allowed: float, trials: Trials, reporter: Reporter) -> Plan:
    plan, start, count = recipe.plan, recipe.batches.batch_size, materials.count("train")
    noise = _noise(recipe, materials, allowed, trials)
    if noise is None:
        size = start
        because = (
            f"the usual: noise shows in {LEAST} gradients or more, for which there were too few batches, steps (1 in "
            f"{RANGE_SHARE} is spent on it) or seconds"
        )
    else:
        parts = 1 if plan.decisions["batch.accumulate"].by == "rule" else plan["batch.accumulate"]
        free = machine(plan["execution.device"]).memory_bytes
        most = most_in(free, lambda size: memory(materials.spec, max(2, -(-size // parts)), copies=3).training)
        size, why = chosen_size(noise.scale, count, most, tuned=plan["network.weights"] is not None)
        because = f"{_words(noise)}: {why}; {free / 1e9:.1f} GB were free"
    plan = scaled(plan, size, start, because)
    reporter.line(f"batch: {size} ({plan.decisions['batch.size'].because})")
    return plan


def _noise(recipe: Recipe, materials: Materials, allowed: float, trials: Trials) -> Noise | None:
    """The noise of gradients, found again or measured after steps whose rate rises to the plan's, or the usual."""
    plan = recipe.plan
    steps = STEPS if plan["train.epochs"] == AUTO else min(STEPS, recipe.steps // RANGE_SHARE)
    rate = plan["optimizer.rate"]
    if rate == AUTO:
        rate = usual_rate(plan, recipe.batches.batch_size, materials.count("train"))
    question: dict[str, Any] = {"noise": [rate, steps, recipe.batches.batch_size], "seed": plan["train.seed"]}
    question["parts"] = plan["batch.accumulate"]

    def measured() -> dict[str, Any] | None:
        ways, _ = safe_ways(plan, materials.networks())
        tried = with_execution(recipe, ways[0])
        tried = replace(tried, rates=lambda step: rate * min(1.0, (step + 1) / WARM))
        noise = measure_noise(tried, materials.networks(), steps=steps, seconds=allowed)
        return None if noise is None else asdict(noise)

    found = trials.known(question, measured)
    return None if found is None else Noise(**found)


def _words(noise: Noise) -> str:
    scale = "beyond measure" if noise.signal <= 0 else f"{noise.scale:.3g} samples"
    return (
        f"the gradient's noise scale is {scale}, by {noise.gradients} gradients of {noise.batch} after "
        f"{noise.steps} steps"
    )


def scaled(plan: Plan, size: int, start: int, because: str) -> Plan:
    """The plan with a batch of that size, computed at once unless the user says otherwise, and with the rate for it."""
    power, words = rate_power(plan["optimizer.name"])
    factor = (size / start) ** power
    grown = f"the rate goes with the batch {words}: {factor:.3g} times that of the usual {start}"
    rate, parts = plan.decisions["optimizer.rate"], plan.decisions["batch.accumulate"]
    if size != start and rate.by != "user":
        because = f"{because}; {grown}"
    batch = {"size": Decision(size, because, "measured")}
    if parts.by == "rule":
        batch["accumulate"] = Decision(1, "memory holds the batch that was chosen, by prediction", "measured")
    plan = plan.replace(batch=batch)
    if size != start and rate.by == "rule" and rate.value != AUTO:
        known = Decision(float(f"{rate.value * factor:.4g}"), f"{rate.because}; {grown}", "measured")
        plan = plan.replace(optimizer={"rate": known})
    return plan
