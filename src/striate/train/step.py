"""One optimizer step: forward and backward over the parts of a batch, checks, clipping, update, average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from striate.core.errors import NonFinite
from striate.core.seeds import derive
from striate.data.loader import Batch
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
    rate = recipe.rate(counters.step)
    for name, optimizer in state.optimizers.items():
        parameters = [parameter for parameter in state.networks[name].parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if not bool(torch.isfinite(norm)):
            clear_gradients(state)
            raise NonFinite(_non_finite(f"gradient of {name!r}", state, recipe, batch), fix=_REMEDY)
        if recipe.plan["optimizer.clip"] > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, recipe.plan["optimizer.clip"], norm)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.step()
    clear_gradients(state)
    for name, average in state.averages.items():
        update_average(average, state.networks[name], ema_decay(counters.step, recipe.average_horizon()))
    counters.step += 1
    return total


def losses_of(state: State, recipe: Recipe, batch: Batch) -> Mapping[str, torch.Tensor]:
    """The task's losses on a batch, in the recipe's precision and layout."""
    batch = batch.to(recipe.device)
    images = recipe.normalize(batch.images).contiguous(memory_format=recipe.layout)
    low = recipe.plan["execution.precision"] == "bfloat16"
    with torch.autocast(recipe.device.type, torch.bfloat16, enabled=low):
        return recipe.task.step(state.networks, replace(batch, images=images))


def clear_gradients(state: State) -> None:
    """Forget all gradients."""
    for optimizer in state.optimizers.values():
        optimizer.zero_grad(set_to_none=True)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


_REMEDY = "look at those samples, or lower the rate with `--set optimizer.rate=…`"


def _non_finite(what: str, state: State, recipe: Recipe, batch: Batch) -> str:
    names = [recipe.keys[int(number)] for number in batch.ids]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"the {what} is not finite at step {state.counters.step} (epoch {state.counters.epoch + 1}); "
        f"the batch holds {shown}. The weights from before it are kept"
    )
