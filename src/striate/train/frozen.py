"""Epochs in which only the head learns: where nothing random acts ahead of it, on features that are computed once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.events import Reporter
from striate.infer import wait_for
from striate.train.features import find_features, hindrance, only_head_learns
from striate.train.recipe import Recipe
from striate.train.state import State
from striate.train.step import computing, train_step


def remember_features(state: State, recipe: Recipe, reporter: Reporter) -> None:
    """Set `state.features` to what the coming epoch's head learns from; to None where features are computed anew.

    They are a function of weights that do not move, of the samples, and of the parts a batch is computed in, so that a
    resumed training finds the same. Where the plan asks for them and they cannot be had, it is said.
    """
    plan, networks = recipe.plan, list(state.networks.values())
    if not plan["transfer.cached_features"]:
        state.features = None
        return
    if not all(map(only_head_learns, networks)):
        state.features = None
        if state.counters.epoch == 0:
            _say_why_not("more than the head learns from the first epoch on", reporter)
        return
    if state.features is not None and state.features.stand(networks[0]):
        return
    state.features = None
    why = _hindrance(state, recipe)
    if why is None:
        count, most = len(recipe.batches.pictures), int(plan["execution.pack_bytes"])
        with computing(state, recipe):
            found = find_features(networks[0], _shown(state, recipe), count, most)
        if not isinstance(found, str):
            state.features = found
            reporter.line(f"what the head receives of {count} samples is computed once: nothing below it learns")
            return
        why = found
    if state.counters.epoch in (0, int(plan["transfer.frozen_epochs"])):
        _say_why_not(why, reporter)


def _say_why_not(why: str, reporter: Reporter) -> None:
    reporter.line(f"transfer.cached_features: what the head receives is computed in every epoch, as {why}")


def cached_seconds(state: State, recipe: Recipe, times: int = 4) -> float | None:
    """Seconds of a step of the head on features that are known; None where an epoch would compute them anew.

    Args:
        state: of the epochs that it is asked of, see `Recipe.set_learning`; its head is used up.
        recipe: resolved, but for the epochs.
        times: steps, of which the median is taken.
    """
    networks = list(state.networks.values())
    if not recipe.plan["transfer.cached_features"] or not all(map(only_head_learns, networks)):
        return None
    if _hindrance(state, recipe) is not None:
        return None
    batch = next(recipe.batches.in_order())
    count, most = len(batch.ids), int(recipe.plan["execution.pack_bytes"]) * len(batch.ids)
    shown = (
        recipe.normalize(one.images).contiguous(memory_format=recipe.layout)
        for one in batch.split(state.counters.accumulate)
    )
    with computing(state, recipe):
        found = find_features(networks[0], shown, count, most // len(recipe.batches.pictures))
    if isinstance(found, str):
        return None
    state.features, known, seconds = found, replace(batch, images=found.rows), []
    with torch.random.fork_rng(devices=[]):
        for _ in range(times):
            started = time.perf_counter()
            train_step(state, recipe, known)
            wait_for(recipe.device.type)
            seconds.append(time.perf_counter() - started)
    state.features = None
    return sorted(seconds)[times // 2]


def _hindrance(state: State, recipe: Recipe) -> str | None:
    """Why the features of one epoch are not those of the next."""
    reasons = {
        "there are several networks": len(state.networks) > 1,
        "pictures are altered at random": not recipe.batches.augmenter.idle,
        "pictures keep their own sizes": recipe.batches.augmenter.size is None,
        "pictures grow": recipe.plan["train.start_size"] < 1,
        "steps are compiled": recipe.plan["execution.compile"],
    }
    found = next((why for why, holds in reasons.items() if holds), None)
    return found or hindrance(next(iter(state.networks.values())))


def _shown(state: State, recipe: Recipe) -> Iterator[Tensor]:
    """All training pictures in the order of their positions, as a step shows them, in the parts of a batch."""
    for batch in recipe.batches.in_order():
        for portion in batch.split(state.counters.accumulate):
            yield recipe.normalize(portion.images).contiguous(memory_format=recipe.layout)
