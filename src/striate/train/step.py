"""One optimizer step: forward and backward over the parts of a batch, checks, clipping, update, average."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from striate.core.errors import NonFinite
from striate.core.seeds import derive
from striate.data.loader import Batch
from striate.nets import folded
from striate.train.averaging import ema_decay, update_average
from striate.train.recipe import Recipe
from striate.train.state import State


def train_step(state: State, recipe: Recipe, batch: Batch) -> float:
    """Learn from one batch.

    Args:
        batch: pixels on a 0 to 255 scale, mixed already.

    Returns:
        the loss, the sum over all networks.

    Raises:
        NonFinite: a loss or gradient is not finite; names the samples. The weights are as before the step.
    """
    counters = state.counters
    total = 0.0
    for part, portion in enumerate(batch.split(counters.accumulate)):
        torch.manual_seed(derive(recipe.plan["train.seed"], "step", counters.step, part))  # for dropout
        losses = losses_of(state, recipe, portion)
        loss = sum(losses.values(), torch.zeros(()))
        total += float(loss.detach())
        if not math.isfinite(total):
            clear_gradients(state)
            raise NonFinite(_non_finite("loss", state, recipe, batch), fix=_REMEDY)
        loss.backward()  # type: ignore[no-untyped-call]
    norms = {name: _gradient_norm(network) for name, network in state.networks.items()}
    for name, norm in norms.items():  # all of them before any weight moves
        if not bool(torch.isfinite(norm)):
            clear_gradients(state)
            raise NonFinite(_non_finite(f"gradient of {name!r}", state, recipe, batch), fix=_REMEDY)
    rate, clip = recipe.rate(counters.step), recipe.plan["optimizer.clip"]
    for name, optimizer in state.optimizers.items():
        if clip > 0:
            torch.nn.utils.clip_grads_with_norm_(_learning(state.networks[name]), clip, norms[name])
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.step()
    clear_gradients(state)
    for name, average in state.averages.items():
        update_average(average, state.networks[name], ema_decay(counters.step, recipe.average_horizon()))
    counters.step += 1
    return total


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.grad is not None]


def _gradient_norm(network: nn.Module) -> torch.Tensor:
    return torch.nn.utils.get_total_norm([p.grad for p in _learning(network) if p.grad is not None])


def losses_of(state: State, recipe: Recipe, batch: Batch) -> Mapping[str, torch.Tensor]:
    """The task's losses on a batch, in the recipe's precision and layout."""
    batch = batch.to(recipe.device)
    images = recipe.normalize(batch.images).contiguous(memory_format=recipe.layout)
    low = recipe.plan["execution.precision"] == "bfloat16"
    with contextlib.ExitStack() as stack:
        for name, folds in state.folds.items():
            stack.enter_context(folded(state.networks[name], folds))
        stack.enter_context(torch.autocast(recipe.device.type, torch.bfloat16, enabled=low))
        return recipe.task.step(state.networks, replace(batch, images=images))


def clear_gradients(state: State) -> None:
    """Forget all gradients."""
    for optimizer in state.optimizers.values():
        optimizer.zero_grad(set_to_none=True)


_REMEDY = "look at those samples, or lower the rate with `--set optimizer.rate=…`"


def _non_finite(what: str, state: State, recipe: Recipe, batch: Batch) -> str:
    names = [recipe.keys[int(number)] for number in batch.ids]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"the {what} is not finite at step {state.counters.step} (epoch {state.counters.epoch + 1}); "
        f"the batch holds {shown}. The weights from before it are kept"
    )
