"""What only measuring can tell: how fast this machine convolves, and which execution is fastest for this network."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from striate.core.errors import NonFinite
from striate.core.memory import keep_freed_memory, ran_out_of_memory
from striate.core.plan import AUTO, Decision, Plan
from striate.data.loader import Batch
from striate.infer import wait_for
from striate.nets import build, depth_groups, find_folds, folded, head_parameters, unsafe_channels_last
from striate.plan.rules.execution import Way
from striate.plan.rules.execution import ways as ways_to_try
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import State
from striate.train.step import clear_gradients, losses_of, train_step

TIMED, READABLE = 4, 20  # steps that time a step, and that make a curve
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 0.05, 0.25
"""Relative differences from float32 that may always be: bfloat16 keeps 8 bits."""
NOISE_TOLERANCE, LAST_TOLERANCE = 1.25, 0.5
"""What the gradient may differ by, as a share of what it differs by on other samples: all of it, and that of the last
layers; its norm may be half to twice as large. Of random weights, on 16 photographs of 224 px, bfloat16 moves the
gradient of ResNet-18 by 0.26 of its norm, of EfficientNet-B0 by 0.41, of MobileNetV2 by 1.1 and of ResNet-50 by 1.5 (of
which float32 in another layout does 0.05); sixteen other photographs move them by 1.2 to 1.4. Rounding grows with the
depth that a gradient has come through, so that a way which computes something else shows in the last layers, which are
within 0.01 to 0.67. In 60 steps on 640 photographs MobileNetV2's loss went alike in both (the last ten: 1.97 and 2.01),
in 20 that of ResNet-50 (1.95 and 1.97)."""
HOPELESS = 3.0
"""A first step that takes a second, and as many steps of the fastest way so far, is not timed further."""
LONG, LEAST = 0.5, 16
"""Seconds above which a step is timed on fewer samples, and how many there are then at least."""
SHARE = 10
"""A trial takes 1 in so many parts of the training at most."""
DEVICE_LEAST = 2.0
"""Seconds that a trial on a GPU may take in any case: its ways differ several times over, and their steps are short."""
RIVALS = 2
"""Ways that are kept, each with its network and optimizer, to be timed again: the fastest, and float32's fastest."""


class _Found(NamedTuple):
    """A loss, all gradients in one row, and those of the last layers."""

    loss: float
    gradient: torch.Tensor
    last: torch.Tensor


def training_rate(device: str, threads: int) -> float:
    """Multiply-accumulates of a forward pass that this machine does a second while training, backward pass and all.

    Measured on a convolution of 64 channels with norm and activation, the larger part of most networks from scratch,
    under the conditions of a training: its threads, and memory that is kept (see `striate.core.memory`).

    Args:
        device: where to compute.
        threads: that compute; the number from before is given back.
    """
    count = 32 if device == "cpu" else 1024  # a small batch would not fill a GPU
    with _as_in_training(threads):
        block = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        block = block.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.randn(count, 64, 16, 16).to(device, memory_format=torch.channels_last).requires_grad_()
        return count * 16 * 16 * 64 * 64 * 9 / _pass_seconds(block, images, times=8, enough=math.inf)


def tuning_seconds(threads: int, spec: Mapping[str, Any], precisions: Sequence[str]) -> float | None:
    """Seconds that fine-tuning a network on a processor takes for a sample, forward and backward, in the faster way.

    Norms are fixed, and folded where they can be. A slow network is timed once, a fast one thrice.

    Args:
        threads: that compute; the number from before is given back.
        spec: the network, as `resolve` gives it.
        precisions: "float32", "bfloat16" or both.

    Returns:
        the seconds; None where memory does not hold a few samples at once.
    """
    count = 4
    try:
        with _as_in_training(threads):
            network = build(spec).eval()
            layout = torch.contiguous_format if unsafe_channels_last(network) else torch.channels_last
            network = network.to(memory_format=layout)
            images = torch.randn(count, *spec["input"]).contiguous(memory_format=layout)
            folds = find_folds(network, images)

            def forward(images: torch.Tensor, low: bool) -> torch.Tensor:
                with folded(network, folds), torch.autocast("cpu", torch.bfloat16, enabled=low):
                    return network(images)  # type: ignore[no-any-return]

            ways = (partial(forward, low=precision == "bfloat16") for precision in precisions)
            return min(_pass_seconds(way, images, times=3, enough=1.0) for way in ways) / count
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


@contextlib.contextmanager
def _as_in_training(threads: int) -> Iterator[None]:
    """The threads, the memory and the gradients of a training; the number of threads from before is given back."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(before)


def _pass_seconds(
    forward: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, times: int, enough: float
) -> float:
    """The least time of a forward and backward pass, of so many, or of as many as begin within `enough` seconds."""
    spent: list[float] = []
    while len(spent) < times and sum(spent) <= enough:
        started = time.perf_counter()
        forward(images).sum().backward()  # type: ignore[no-untyped-call]
        wait_for(images.device.type)
        spent.append(time.perf_counter() - started)
    return min(spent)


def try_ways(
    recipe: Recipe,
    networks: Callable[[], dict[str, nn.Module]],
    ways: Sequence[Way],
    *,
    seconds: float,
    rounds: int = 4,
) -> dict[Way, float]:
    """Samples a second of the ways to execute a step that agree with the first of them.

    Args:
        recipe: its plan's execution is replaced by each way in turn.
        networks: makes the networks with their first weights, equal each time.
        ways: in the order in which they are tried; the first is the reference, see `striate.plan.rules.execution.ways`.
        seconds: no further way is tried, and no further round is timed, after this time, nor after a tenth of the time
            that the steps would take, where their number is known.
        rounds: timed steps of each of the ways that are still in the running, in turn, so that a machine whose speed
            drifts is as fair to each; the fastest counts, as noise only adds.

    Returns:
        rates by way, of those whose loss and gradient are near the first's; it is always among them.
    """
    recipe = replace(
        recipe, plan=recipe.plan.replace(execution={"compile": Decision(False, "while measuring", "measured")})
    )
    batch, other, step = _enough(recipe, networks, ways[0])
    if recipe.plan["train.epochs"] != AUTO:
        seconds = min(seconds, max(recipe.steps * step / SHARE, 0.0 if recipe.device.type == "cpu" else DEVICE_LEAST))
    times: dict[Way, float] = {}
    live: dict[Way, tuple[State, Recipe]] = {}  # the one place that holds them, so that leaving it frees them
    known: _Reference | None = None
    started = time.perf_counter()
    for way in ways:
        if times and time.perf_counter() - started > seconds:
            break
        tried = with_execution(recipe, way)
        live[way] = learning_state(tried, awake(networks())), tried
        found, spent = _first_look(*live[way], batch, known, min(times.values(), default=None))
        known = known or _Reference(found, _loss_and_gradient(*live[way], other))
        if spent is None:
            del live[way]
            continue
        times[way] = spent
        if len(live) > RIVALS:
            _drop_slowest(live, times)
    for _ in range(rounds - 1):
        for way, (state, tried) in live.items():
            if time.perf_counter() - started <= seconds:
                times[way] = min(times[way], _step_seconds(state, tried, batch))
    return {way: len(batch.ids) / spent for way, spent in times.items()}


def safe_ways(plan: Plan, networks: Mapping[str, nn.Module]) -> tuple[list[Way], str | None]:
    """The ways to try that do not corrupt memory, and the layer for which channels-last is left out; None for none."""
    unsafe = None
    if plan["execution.device"] == "cpu" and plan["execution.channels_last"] == AUTO:
        unsafe = next(filter(None, map(unsafe_channels_last, networks.values())), None)
    if unsafe is not None:
        plan = plan.replace(execution={"channels_last": Decision(False, "the other layout is not safe", "measured")})
    return ways_to_try(plan), unsafe


def _enough(recipe: Recipe, networks: Callable[[], dict[str, nn.Module]], way: Way) -> tuple[Batch, Batch, float]:
    """Two batches whose step takes about half a second, or of 16 samples, and the seconds that a whole one's takes.

    Ways differ as much on them as on whole ones. The second is of other samples, or where there are no others of the
    same in another order and with other draws.
    """
    tried = with_execution(recipe, way)
    found = list(itertools.islice(recipe.batches.epoch(0, recipe.batches.usual()), 2))
    batch, other = found if len(found) == 2 else (found[0], next(iter(recipe.batches.epoch(1))))
    state = learning_state(tried, awake(networks()))
    least = max(LEAST, 2 * tried.plan["batch.accumulate"])
    few = batch
    if tried.device.type == "cpu":  # which few samples fill, at little memory in float32
        few = _part(batch, max(1, len(batch.ids) // least))
    _loss_and_gradient(state, tried, few)  # what is done once is done here
    wait_for(tried.device.type)
    begun = time.perf_counter()
    _loss_and_gradient(state, tried, few)
    wait_for(tried.device.type)
    spent = (time.perf_counter() - begun) * len(batch.ids) / len(few.ids)
    parts = max(1, len(batch.ids) // max(least, math.ceil(len(batch.ids) * LONG / spent)))
    return (batch, other, spent) if parts == 1 else (_part(batch, parts), _part(other, parts), spent)


def _part(batch: Batch, parts: int) -> Batch:
    """The first of so many parts, as a batch of its own."""
    part = batch.split(parts)[0]
    return replace(part, total_weight=float(part.weights.cpu().sum(dtype=torch.float64)))


def _drop_slowest(live: dict[Way, tuple[State, Recipe]], times: dict[Way, float]) -> None:
    """Free the slowest way, but never the fastest in float32, against which the others are judged."""
    exact = [way for way in live if way.precision == "float32"]
    kept = min(exact, key=lambda way: times[way], default=None)
    del live[max((way for way in live if way != kept), key=lambda way: times[way])]


def _first_look(
    state: State, recipe: Recipe, batch: Batch, reference: _Reference | None, least: float | None
) -> tuple[_Found, float | None]:
    """The loss and gradient of a way, and the seconds of a step; None where it may not win or is hopeless.

    Args:
        reference: what it must be near; None for the first way, whose step says it where it is not finite.
        least: seconds of a step of the fastest way so far; None before the first.
    """
    begun = time.perf_counter()
    found = _loss_and_gradient(state, recipe, batch)
    spent = time.perf_counter() - begun
    if reference is not None and not reference.allows(found):
        return found, None
    if any(replay.refused is not None for replay in state.replays.values()):
        return found, None
    if least is not None and spent > max(1.0, HOPELESS * least):
        return found, None
    return found, _step_seconds(state, recipe, batch)


@torch.no_grad()
def awake(networks: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The networks with small numbers in a head that is cleared, which would hand no gradient on to the rest."""
    draws = torch.Generator().manual_seed(0)
    for network in networks.values():
        for name in head_parameters(network):
            parameter = network.get_parameter(name)
            if not parameter.any():
                parameter.copy_(0.01 * torch.randn(parameter.shape, generator=draws))
    return networks


def _loss_and_gradient(state: State, recipe: Recipe, batch: Batch) -> _Found:
    """The loss of a batch and its gradients in float32; dropout draws the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        total = 0.0
        for portion in batch.split(state.counters.accumulate):
            loss = sum(losses_of(state, recipe, portion).values(), torch.zeros((), device=recipe.device))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
    rows, last = [], []
    for network in state.networks.values():
        ends = {name for group in depth_groups(network)[-2:] for name in group}
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                rows.append(parameter.grad.float().flatten())
                last += rows[-1:] if name in ends else []
    clear_gradients(state)
    return _Found(total, torch.cat(rows), torch.cat(last))


@dataclass(frozen=True)
class _Reference:
    """What the first way gives on a batch, and on another, which says how much gradients differ by chance."""

    found: _Found
    other: _Found

    def allows(self, found: _Found) -> bool:
        """Whether a loss and gradient may stand for the reference's; what is not a number may not."""
        exact = self.found
        return (
            abs(found.loss - exact.loss) <= LOSS_TOLERANCE * max(abs(exact.loss), 1e-3)
            and bool(0.5 <= found.gradient.norm() / exact.gradient.norm().clamp(min=1e-30) <= 2)
            and _within(found.gradient, exact.gradient, self.other.gradient, NOISE_TOLERANCE)
            and _within(found.last, exact.last, self.other.last, LAST_TOLERANCE)
        )


def _within(found: torch.Tensor, exact: torch.Tensor, other: torch.Tensor, share: float) -> bool:
    allowed = torch.maximum(GRADIENT_TOLERANCE * exact.norm(), share * (other - exact).norm())
    return bool((found - exact).norm() <= allowed)


def with_execution(recipe: Recipe, way: Way) -> Recipe:
    """The same recipe executed another way, with stand-ins for what the plan has not decided yet."""

    def stand_in(value: object) -> Decision:
        return Decision(value, "while measuring", "measured")

    plan = recipe.plan.replace(
        execution={leaf: stand_in(value) for leaf, value in way._asdict().items()},
        optimizer={"rate": stand_in(1e-6)},
    )
    if recipe.plan["train.epochs"] == "auto":
        plan = plan.replace(train={"epochs": stand_in(1)})
    return replace(recipe, plan=plan)


_AFTER_ALL = 10**9
"""An epoch after all in which something still waits to learn."""


def learning_state(recipe: Recipe, networks: dict[str, nn.Module]) -> State:
    """The state before the first step in which everything learns that ever will."""
    state = fresh_state(recipe, networks)
    for network in networks.values():
        recipe.set_learning(network, _AFTER_ALL)
    for replay in state.replays.values():
        replay.refresh()
    return state


@dataclass(frozen=True)
class RangeTest:
    """What a range test measured.

    Args:
        curve: (rate, smoothed loss) with rising rates.
        step_seconds: median time of one step, loading included.
    """

    curve: list[tuple[float, float]]
    step_seconds: float


def range_test(
    recipe: Recipe,
    networks: dict[str, nn.Module],
    *,
    low: float,
    high: float,
    steps: int,
    seconds: float,
    size: tuple[int, int] | None = None,
) -> RangeTest:
    """Train on rising rates and watch the loss (Smith 2017, "Cyclical learning rates", section 3.3).

    Args:
        networks: with their first weights; they are used up.
        low, high: the rates at the first and last step; the rise is geometric.
        steps: at most this many.
        seconds: the time for it; where that cannot hold 20 steps, it stops after 4, which time a step.
        size: (H, W) of the pictures in place of the networks' own.

    Returns:
        the curve, and what a step takes; of pictures of own sizes one of as many pixels as steps have in the mean.
    """
    plan = recipe.plan.replace(transfer={"frozen_epochs": Decision(0, "while measuring", "measured")})
    recipe = replace(recipe, plan=plan, rates=lambda step: low * (high / low) ** (step / max(1, steps - 1)))
    state = learning_state(recipe, networks)
    curve: list[tuple[float, float]] = []
    times: list[float] = []
    smooth, started, batches = 0.0, time.perf_counter(), endless(recipe, size)
    for step in range(steps):
        begun = time.perf_counter()
        try:
            batch = next(batches)
            loss = train_step(state, recipe, batch)
        except NonFinite:
            if step == 0:
                raise
            break  # the rate is too high: that is what the test looks for
        times.append((time.perf_counter() - begun) * _share(recipe, batch))
        smooth = 0.8 * smooth + 0.2 * loss
        curve.append((recipe.rate(step), smooth / (1 - 0.8 ** (step + 1))))
        spent = time.perf_counter() - started
        hopeless = step == TIMED - 1 and spent / TIMED * READABLE > seconds  # timed now, and never to be read
        if hopeless or spent > seconds or curve[-1][1] > 4 * min(figure for _, figure in curve):
            break
    batches.close()
    return RangeTest(curve, sorted(times)[len(times) // 2])


def _share(recipe: Recipe, batch: Batch) -> float:
    """What a batch of the mean number of pixels takes, as a share of what this one does; 1 where all have one size."""
    if recipe.batches.augmenter.size is not None:
        return 1.0
    return recipe.batches.pixels / (len(batch.ids) * math.prod(batch.images.shape[2:]))


def endless(recipe: Recipe, size: tuple[int, int] | None = None) -> Generator[Batch, None, None]:
    """The training batches, epoch after epoch; to be closed.

    Args:
        size: (H, W) in place of the networks' own.
    """
    epoch = 0
    while True:
        yield from recipe.batches.epoch(epoch, size=size)
        epoch += 1


def _step_seconds(state: State, recipe: Recipe, batch: Batch) -> float:
    started = time.perf_counter()
    train_step(state, recipe, batch)
    wait_for(recipe.device.type)
    return time.perf_counter() - started
