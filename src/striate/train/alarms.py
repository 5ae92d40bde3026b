"""Looking for alarms while a network learns: at the first step, and ever more rarely after it.

A copy is looked at, on a few samples of the batch that comes next, so that no bit of the training changes; the epochs
looked at are 0, 1, 2, 4, 8, …, so that the time for it is that of a few steps in all.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from striate.core.events import Reporter
from striate.core.memory import ran_out_of_memory
from striate.core.seeds import derive
from striate.core.wording import some
from striate.data.loader import Batch
from striate.nets.alarms import Alarm, find_alarms
from striate.train.recipe import Recipe
from striate.train.state import State
from striate.train.step import losses_of

SAMPLES = 32
"""Of a batch, that are computed at once."""


def is_looked_at(epoch: int) -> bool:
    """Whether alarms are looked for before an epoch.

    >>> [epoch for epoch in range(20) if is_looked_at(epoch)]
    [0, 1, 2, 4, 8, 16]
    """
    return epoch & (epoch - 1) == 0


def look(state: State, recipe: Recipe, batch: Batch, reporter: Reporter) -> None:
    """Tell of each alarm that was not told yet, and keep it in the counters.

    Args:
        batch: the next one to learn from, altered already.
    """
    told = {(one["kind"], one["layer"]) for one in state.counters.alarms}
    parts = batch.split(math.ceil(len(batch.ids) / SAMPLES))
    new: list[Alarm] = []
    for name in state.networks:

        def loss(network: nn.Module, part: int, name: str = name) -> Tensor:
            torch.manual_seed(derive(recipe.plan["train.seed"], "alarms", part))  # each step sets its own again
            copied = replace(state, networks={**state.networks, name: network}, folds={}, replays={}, features=None)
            return sum(losses_of(copied, recipe, parts[part]).values(), torch.zeros((), device=recipe.device))

        try:
            start = state.counters.step == 0
            drawn = recipe.plan.get("network.weights") is None
            new += find_alarms(state.networks[name], loss, len(parts), start=start, drawn=start and drawn)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            reporter.line("dead units and lost gradients are not looked for: memory does not hold a second network")
    new = [one for one in new if (one.kind, one.layer) not in told]
    state.counters.alarms += [{"epoch": state.counters.epoch, **asdict(one)} for one in new]
    for kind in dict.fromkeys(one.kind for one in new):
        alike = [one for one in new if one.kind == kind]
        when = "at the first step" if state.counters.step == 0 else f"after epoch {state.counters.epoch}"
        reporter.warn(f"{kind} {when}: {some([one.finding for one in alike])}. What helps: {alike[0].remedy}")
