"""Short trials of a training that differ in one decision: what each gives on samples that it did not learn from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.core.errors import NonFinite
from striate.core.options import with_options
from striate.core.plan import Decision
from striate.tasks import Task
from striate.train.probe import Features, HeadFit, parts_of
from striate.train.recipe import Recipe
from striate.train.schedules import SCHEDULES
from striate.train.speed import endless, learning_state
from striate.train.state import State
from striate.train.step import train_step

PARTS = 3
"""That a fitted head is tried on in turn."""


def step_pilot(recipe: Recipe, networks: dict[str, nn.Module], steps: int) -> State | None:
    """What so many steps make of fresh networks, the rate rising and falling over them as the schedule has it.

    Returns:
        the state after them, without an average of weights; None where the loss or a gradient was not finite.
    """
    plan = recipe.plan.replace(
        transfer={"frozen_epochs": Decision(0, "in a pilot", "measured")},
        train={"ema": Decision(0.0, "in a pilot", "measured"), "epochs": Decision(1, "in a pilot", "measured")},
    )
    name = plan["schedule.name"]
    schedule = with_options(SCHEDULES.get(name), plan["schedule.options"], f"the schedule {name}")
    peak, warmup = float(plan["optimizer.rate"]), float(plan["schedule.warmup"])
    recipe = replace(recipe, plan=plan, rates=lambda step: peak * schedule(step, steps, warmup))
    state, batches = learning_state(recipe, networks), endless(recipe)
    try:
        for _ in range(steps):
            train_step(state, recipe, next(batches))
    except NonFinite:  # the caller says so, and judges it no further
        return None
    finally:
        batches.close()
    for network in state.networks.values():
        network.eval()
    return state


@dataclass(frozen=True)
class HeadPilot:
    """A remedy as a fitted head knows it.

    Args:
        task: with its loss.
        weights: of the samples, (N,).
        neighbours: of SMOTE; 0 makes nothing up.
    """

    task: Task
    weights: torch.Tensor
    neighbours: int = 0


def head_pilots(
    head: nn.Linear,
    features: Features,
    units: NDArray[np.int64],
    pilots: Mapping[str, HeadPilot],
    *,
    seed: int,
    seconds: float,
) -> dict[str, NDArray[np.float32]]:
    """What each pilot's head, fitted to some parts of the samples, gives for the others, part by part.

    Args:
        head: of the shape that is fitted.
        features: of the N training samples, a row each.
        units: (N,), what must not straddle two parts.
        pilots: by name; the first is fitted from zeros, the others from where it ended.
        seed: of what SMOTE draws.
        seconds: after which no further pilot begins.

    Returns:
        probabilities of each sample, (N, K), by the name of each pilot that began.
    """
    parts = parts_of(units, PARTS)
    found: dict[str, NDArray[np.float32]] = {}
    starts: dict[int, HeadFit] = {}
    began = time.monotonic()
    for name, pilot in pilots.items():
        if found and time.monotonic() - began > seconds:
            break
        found[name] = np.zeros((features.count, head.out_features), np.float32)
        for part in range(PARTS):
            others, judged = parts != part, parts == part
            if not others.any():  # all stays with all: no head can be judged by what it has not seen
                continue
            weighed = replace(features, weights=pilot.weights.double()).take(others)
            known = weighed.with_made_up(weighed.most_neighbours(pilot.neighbours), seed)
            fitted = starts[part].copy() if part in starts else HeadFit.zeros(head)
            fitted.minimise(pilot.task.unsmoothed(), known, 1.0)
            starts.setdefault(part, fitted)
            with torch.no_grad():
                outputs = features.rows[judged] @ fitted.matrix.T + fitted.bias
                found[name][judged.numpy()] = pilot.task.scores(outputs).numpy()
    return found
