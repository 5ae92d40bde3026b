"""One optimizer step: forward and backward over the parts of a batch, checks, clipping, update, average."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from striate.core.errors import NonFinite
from striate.core.seeds import derive
from striate.data.loader import Batch
from striate.nets import folded, head_parameters
from striate.train.averaging import ema_decay
from striate.train.clipping import clip
from striate.train.lookahead import Lookahead
from striate.train.penalties import draw_back, penalise
from striate.train.recipe import Recipe
from striate.train.sharpness import uphill
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
    plan, counters = recipe.plan, state.counters
    total = _backward(state, recipe, batch)
    if plan["optimizer.sam"] > 0:
        with uphill(list(state.networks.values()), plan["optimizer.sam"]):
            _backward(state, recipe, batch)
    for name, optimizer in state.optimizers.items():
        if plan["optimizer.l1"] > 0:
            penalise(optimizer.param_groups, plan["optimizer.l1"])
        if name in state.anchors:
            draw_back(state.networks[name], state.anchors[name], plan["transfer.l2_sp"])
    learning = {name: _learning(optimizer) for name, optimizer in state.optimizers.items()}
    norms = {name: _gradient_norm(parameters) for name, parameters in learning.items()}
    figures = torch.stack([total, *(norm.to(total.dtype) for norm in norms.values())])
    # A processor is asked before any weight moves. To ask a GPU is to wait for it, so it is given the update too, which
    # its kernels leave out where a figure is not finite, and is asked once.
    guard = None
    if recipe.device.type == "cuda" and all(map(_fused, state.optimizers.values())):
        guard = 1 - figures.isfinite().all().float()
    else:
        _check(figures, norms, state, recipe, batch)
    rate = recipe.rate(counters.step, counters.drops)
    for name, optimizer in state.optimizers.items():
        bounds = {bound: plan[f"optimizer.{leaf}"] for bound, leaf in _BOUNDS.items()}
        clip(learning[name], norms[name], **bounds, head=_head(state.networks[name]) if bounds["adaptive"] else ())
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.found_inf = guard  # type: ignore[attr-defined]  # what torch's gradient scaler hands to fused updates
        optimizer.step()
    clear_gradients(state)
    figure = _check(figures, norms, state, recipe, batch)
    for average in state.averages.values():
        average.update(ema_decay(counters.step, recipe.average_horizon(counters.step)))
    counters.step += 1
    return figure


_BOUNDS = {"most": "clip", "value": "clip_value", "adaptive": "adaptive_clip"}


def _backward(state: State, recipe: Recipe, batch: Batch) -> torch.Tensor:
    """Gradients of a batch, added part by part; the loss, on the device, in float64 where that has it."""
    total = torch.zeros((), dtype=_wide(recipe), device=recipe.device)
    for part, portion in enumerate(batch.split(recipe.parts(batch, state.counters.accumulate))):
        torch.manual_seed(derive(recipe.plan["train.seed"], "step", state.counters.step, part))  # for dropout
        losses = losses_of(state, recipe, portion)
        loss = sum(losses.values(), torch.zeros((), device=recipe.device))
        total += loss.detach()
        loss.backward()  # type: ignore[no-untyped-call]
    return total


def _wide(recipe: Recipe) -> torch.dtype:
    return torch.float32 if recipe.device.type == "mps" else torch.float64


def _head(network: nn.Module) -> list[nn.Parameter]:
    return [network.get_parameter(name) for name in head_parameters(network)]


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an update is one kernel, which leaves it out where it is told to."""
    return not isinstance(optimizer, Lookahead) and all(group.get("fused") for group in optimizer.param_groups)


def _learning(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters that have a gradient."""
    return [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]


def _gradient_norm(parameters: Sequence[nn.Parameter]) -> torch.Tensor:
    return torch.nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])


def _check(
    figures: torch.Tensor, norms: Mapping[str, torch.Tensor], state: State, recipe: Recipe, batch: Batch
) -> float:
    """The loss. Raises `NonFinite` where it or the norm of a gradient is not finite."""
    loss, *others = figures.tolist()
    named = {"loss": loss, **{f"gradient of {name!r}": norm for name, norm in zip(norms, others, strict=True)}}
    for name, figure in named.items():
        if not math.isfinite(figure):
            clear_gradients(state)
            raise NonFinite(_non_finite(name, state, recipe, batch), fix=_REMEDY)
    return float(loss)


def losses_of(state: State, recipe: Recipe, batch: Batch) -> Mapping[str, torch.Tensor]:
    """The task's losses on a batch, in the recipe's precision and layout.

    Args:
        batch: of pictures; or of features, where the state has them.
    """
    batch = batch.to(recipe.device)
    if state.features is None:
        images = recipe.normalize(batch.images).contiguous(memory_format=recipe.layout)
        batch = replace(batch, images=images)
    with computing(state, recipe):
        return recipe.task.step(state.learning(), batch)


@contextlib.contextmanager
def computing(state: State, recipe: Recipe) -> Iterator[None]:
    """Within, the networks compute as in a step: norms folded, in the recipe's precision."""
    low = recipe.plan["execution.precision"] == "bfloat16"
    with contextlib.ExitStack() as stack:
        for name, folds in state.folds.items():
            stack.enter_context(folded(state.networks[name], folds))
        stack.enter_context(torch.autocast(recipe.device.type, torch.bfloat16, enabled=low))
        yield


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
