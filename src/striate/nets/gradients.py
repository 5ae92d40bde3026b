"""Gradients proved and watched: analytic against central differences, and their size from layer to layer.

A loss with ReLU or max-pooling has kinks, at which a difference tells nothing of the derivative. They are recognised by
the differences alone, never by what the analytic gradient says: where the slopes to both sides stay apart as the step
shrinks, or where two step sizes disagree.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError

RELATIVE, NORMALISED = 1e-4, 1e-2
STEPS = (1e-5, 1e-6, 1e-7)
_ROUNDING = 64 * torch.finfo(torch.float64).eps
VANISHED, EXPLODED = 1e-4, 1e4

Loss = Callable[[Tensor], Tensor]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TensorCheck:
    """One parameter tensor.

    Args:
        name: dotted.
        entries: how many numbers it has.
        sampled: how many of them were compared.
        kinks: how many more were drawn and left out, as the loss has a kink there.
        still: how many more were left out, as neither gradient is larger than the rounding: 0 = 0 proves nothing.
        relative: the largest |a − n| / (|a| + |n|).
        normalised: ‖a − n‖ / (‖a‖ + ‖n‖) of those compared.
    """

    name: str
    entries: int
    sampled: int
    kinks: int
    still: int
    relative: float
    normalised: float

    @property
    def passed(self) -> bool:
        """Whether nothing disagrees: both differences are below their thresholds. Neither kinks nor numbers that move
        nothing disagree."""
        return self.relative < RELATIVE and self.normalised < NORMALISED


@dataclass(frozen=True)
class GradientCheck:
    """What came out.

    Args:
        tensors: in the order of the parameters.
        wrong: dotted names of the layers whose own backward pass disagrees with their forward pass.
        mode: how dropout and norms ran.
    """

    tensors: tuple[TensorCheck, ...]
    wrong: tuple[str, ...]
    mode: str

    @property
    def passed(self) -> bool:
        """Whether every tensor did, and something was compared at all: kinks alone prove nothing."""
        return any(tensor.sampled for tensor in self.tensors) and all(tensor.passed for tensor in self.tensors)


def check_gradients(
    module: nn.Module,
    images: Tensor,
    loss: Loss,
    *,
    entries: int = 8,
    seed: int = 0,
    redraw_zeros: bool = False,
    progress: Progress | None = None,
) -> GradientCheck:
    """Compare the gradients of a loss with central differences, in float64, on a copy of the module.

    Dropout and what else is random is off; batch norms use the statistics of the batch where it has two samples or
    more, and running ones else.

    Args:
        images: (N, …), what the module takes.
        loss: of the module's outputs, one number, differentiable.
        entries: how many numbers of each tensor are compared at most, drawn by `seed`.
        redraw_zeros: give tensors that are zero throughout random values first: a branch that begins at zero would
            hide every mistake in it. For networks that are not trained.
        progress: told of the tensors done and of all.

    Raises:
        NetworkError: two forward passes give different numbers, so that differences mean nothing.
    """
    module = copy.deepcopy(module).double().eval()
    batch = len(images) > 1
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train(batch)
    images = images.double() if images.is_floating_point() else images
    generator = torch.Generator().manual_seed(seed)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.data = parameter.data.contiguous()  # so that its numbers can be counted through
            parameter.requires_grad_()
            if redraw_zeros and not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.1)
    module.zero_grad()
    with torch.enable_grad():
        start = loss(module(images))
        start.backward()  # type: ignore[no-untyped-call]

    def value() -> float:
        with torch.no_grad():
            return float(loss(module(images)))

    if abs(value() - float(start.detach())) > _ROUNDING * max(1.0, abs(float(start.detach()))):
        raise NetworkError(
            "two forward passes on the same input give different numbers, so no difference tells a gradient",
            fix="make what is random in the module's forward depend on its mode: `self.training`",
        )
    found = []
    for number, (name, parameter) in enumerate(parameters.items()):
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        found.append(
            _compare(
                name, parameter.data.view(-1), gradient.reshape(-1), value, float(start.detach()), entries, generator
            )
        )
        if progress is not None:
            progress(number + 1, len(parameters))
    wrong = [] if all(one.passed for one in found) else _wrong_layers(module, images, generator)
    used = "its batch" if batch else "training so far"
    mode = "float64, dropout off" + (f", batch norms by the statistics of {used}" if norms else "")
    return GradientCheck(tuple(found), tuple(wrong), mode)


def _compare(
    name: str, flat: Tensor, gradient: Tensor, value: Callable[[], float], start: float, entries: int, generator: Any
) -> TensorCheck:
    """One tensor: numbers are drawn until so many are compared that move the loss without a kink, or four times as many
    were drawn."""
    pairs: list[tuple[float, float, float]] = []
    kinks = still = 0
    for place in torch.randperm(len(flat), generator=generator)[: 4 * entries].tolist():
        if len(pairs) == entries:
            break
        kept = float(flat[place])

        def along(offset: float, place: int = place, kept: float = kept) -> float:
            flat[place] = kept + offset
            found = value()
            flat[place] = kept
            return found

        slope = derivative(along, start, max(1.0, abs(kept)))
        if slope is None:
            kinks += 1
        elif max(abs(float(gradient[place])), abs(slope[0])) <= slope[1]:
            still += 1
        else:
            pairs.append((float(gradient[place]), *slope))
    relative = max((_relative(*pair) for pair in pairs), default=0.0)
    apart = math.sqrt(sum((a - n) ** 2 for a, n, noise in pairs if _relative(a, n, noise)))
    sizes = math.sqrt(sum(a * a for a, _, _ in pairs)) + math.sqrt(sum(n * n for _, n, _ in pairs))
    return TensorCheck(name, len(flat), len(pairs), kinks, still, relative, apart / sizes if apart else 0.0)


def derivative(along: Callable[[float], float], start: float, scale: float) -> tuple[float, float] | None:
    """The slope of a function of one number at 0 by central differences, with the rounding that is in it.

    Args:
        along: the function.
        start: its value at 0.
        scale: of the steps.

    Returns:
        the slope and its error by rounding; None at a kink.

    >>> derivative(lambda x: (1 + x) ** 2, 1.0, 1.0)[0], derivative(abs, 0.0, 1.0)
    (2.0000000000131024, None)
    """
    for step in (one * scale for one in STEPS):
        noise = _ROUNDING * max(abs(start), 1e-3) / step
        slopes, gaps = [], []
        for size in (step, step / 2):
            up, down = along(size), along(-size)
            slopes.append((up - down) / (2 * size))
            gaps.append(abs(up - 2 * start + down) / size)  # between the slopes to both sides
        small = 1e-6 * sum(map(abs, slopes)) + 4 * noise
        if gaps[1] > small and gaps[1] > 0.75 * gaps[0]:
            continue  # it does not halve with the step: a corner, here or nearer than the step
        if abs(slopes[0] - slopes[1]) <= 10 * small:
            return slopes[1], 4 * noise
    return None


def _relative(analytic: float, numeric: float, noise: float) -> float:
    """|a − n| / (|a| + |n|); 0 where it is large only because both are smaller than what float64 can tell apart."""
    apart = abs(analytic - numeric)
    if math.isnan(apart):
        return math.inf
    share = apart / (abs(analytic) + abs(numeric)) if apart else 0.0
    return 0.0 if share >= RELATIVE and apart <= noise else share


def _wrong_layers(module: nn.Module, images: Tensor, generator: torch.Generator) -> list[str]:
    """The innermost parts whose gradient towards their inputs and parameters is not that of what they compute."""
    calls: dict[str, tuple[Any, Any]] = {}

    def note(name: str) -> Any:
        return lambda _, args, kwargs: calls.setdefault(name, (args, kwargs)) and None

    handles = [
        part.register_forward_pre_hook(note(name), with_kwargs=True) for name, part in module.named_modules() if name
    ]
    with torch.no_grad():
        module(images)
    for handle in handles:
        handle.remove()
    wrong: list[str] = []
    for name in sorted(calls, key=lambda one: -one.count(".")):  # parts before what they are parts of
        inside = any(other.startswith(name + ".") for other in wrong)
        if not inside and not _agrees(module.get_submodule(name), *calls[name], generator):
            wrong.append(name)
    order = list(calls)
    return sorted(wrong, key=order.index)


def _agrees(part: nn.Module, args: Any, kwargs: Any, generator: torch.Generator) -> bool:
    """Whether one part's derivative in a random direction is what its backward pass says."""
    inputs = [one.detach().clone() if isinstance(one, Tensor) else one for one in args]
    moved = [one.requires_grad_() for one in inputs if isinstance(one, Tensor) and one.is_floating_point()]
    moved += list(part.parameters())
    if not moved:
        return True
    directions = [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in moved]
    with torch.enable_grad():
        output = _first(part(*(one.clone() if isinstance(one, Tensor) else one for one in inputs), **kwargs))
        if not output.requires_grad:
            return True
        weights = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        gradients = torch.autograd.grad((output * weights).sum(), moved, allow_unused=True)
    analytic = sum(float((g * u).sum()) for g, u in zip(gradients, directions, strict=True) if g is not None)
    kept = [one.detach().clone() for one in moved]

    def along(offset: float) -> float:
        with torch.no_grad():
            for one, base, direction in zip(moved, kept, directions, strict=True):
                one.copy_(base + offset * direction)
            found = float(
                (_first(part(*(x.clone() if isinstance(x, Tensor) else x for x in inputs), **kwargs)) * weights).sum()
            )
            for one, base in zip(moved, kept, strict=True):
                one.copy_(base)
        return found

    slope = derivative(along, float((output * weights).sum().detach()), 1.0)
    return slope is None or _relative(analytic, *slope) < RELATIVE


def _first(output: Any) -> Tensor:
    found: Tensor = output[0] if isinstance(output, tuple | list) else output
    return found


@dataclass(frozen=True)
class LayerGradient:
    """The gradient of one layer's weights.

    Args:
        name, kind: of the layer.
        norms: ‖∂L/∂W‖ at each step.
    """

    name: str
    kind: str
    norms: tuple[float, ...]

    @property
    def largest(self) -> float:
        """Over the steps."""
        return max(self.norms)


@dataclass(frozen=True)
class GradientFlow:
    """How gradients fare on their way back.

    Args:
        layers: in the order in which they are executed.
        verdict: "steady", "vanishing" or "exploding".
        finding: a sentence that names the layers.
        remedy: what helps; empty where nothing is wrong.
    """

    layers: tuple[LayerGradient, ...]
    verdict: str
    finding: str
    remedy: str


def gradient_flow(module: nn.Module, batches: Iterable[tuple[Tensor, Loss]], *, rate: float = 0.01) -> GradientFlow:
    """Train a copy for a few steps of plain gradient descent and watch the gradients of each layer's weights.

    Args:
        batches: images and the loss of the outputs for them, a step each.
        rate: of the descent.

    Raises:
        NetworkError: no layer has weights.
    """
    module = copy.deepcopy(module).train()
    watched = layers_with_weights(module)
    if not watched:
        raise NetworkError("the network has no layer with weights that are trained, so there is no gradient to watch")
    norms: dict[str, list[float]] = {}  # filled in the order in which layers are first executed
    handles = [
        module.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: _begin(norms, name))
        for name in watched
    ]
    for images, loss in batches:
        module.zero_grad()
        loss(module(images)).backward()  # type: ignore[no-untyped-call]
        for name, found in norms.items():
            gradient = module.get_submodule(name).get_parameter("weight").grad
            found.append(0.0 if gradient is None else float(gradient.norm()))
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=rate)
    for handle in handles:
        handle.remove()
    if not norms:
        raise NetworkError("the network has no layer with weights that are trained and used: no gradient to watch")
    layers = [
        LayerGradient(name, type(module.get_submodule(name)).__name__, tuple(found)) for name, found in norms.items()
    ]
    return GradientFlow(tuple(layers), *flow_verdict(layers))


def _begin(norms: dict[str, list[float]], name: str) -> None:
    norms.setdefault(name, [])


def layers_with_weights(module: nn.Module) -> list[str]:
    """Layers with a matrix or filters of their own that are trained: what is frozen is not lost."""
    return [
        name
        for name, part in module.named_modules()
        if isinstance(weight := part._parameters.get("weight"), Tensor) and weight.dim() > 1 and weight.requires_grad
    ]


def flow_verdict(layers: Sequence[LayerGradient]) -> tuple[str, str, str]:
    """The verdict, the finding and the remedy of a `GradientFlow`, from the layers in the order of their execution."""
    last = layers[-1]
    if any(not math.isfinite(norm) for one in layers for norm in one.norms):
        first = next(one for one in layers if not all(map(math.isfinite, one.norms)))
        return "exploding", f"the gradient of {first.name} is not a finite number", _EXPLODING
    largest = max(layers, key=lambda one: one.largest)
    if largest.largest > EXPLODED * max(last.norms[0], 1e-30) and largest is not last:
        return (
            "exploding",
            f"the gradient of {largest.name} is {largest.largest / max(last.norms[0], 1e-30):.1g} times that of the "
            f"last layer, {last.name}",
            _EXPLODING,
        )
    # Lost on the way is what no layer from some depth on to the input gets; a branch that begins at zero is no loss.
    lost = list(takewhile(lambda one: one.largest < VANISHED * largest.largest, layers))
    if lost:
        least = min(lost, key=lambda one: one.largest)
        share = f"{least.largest / largest.largest:.1g}" if least.largest else "0"
        return (
            "vanishing",
            f"{len(lost)} of {len(layers)} layers, {lost[0].name} to {lost[-1].name}, hardly learn: the gradient of "
            f"{least.name} is {share} of the largest, that of {largest.name}",
            _VANISHING,
        )
    return "steady", "no layer's gradient is lost or out of bounds", ""


_VANISHING = (
    "add shortcuts (`Residual`), a norm after each convolution or dense layer (`BatchNorm`), and use `relu` with "
    '`init: he_normal` in place of "sigmoid" or "tanh"'
)
_EXPLODING = (
    "lower the rate or clip the gradients, add a norm after each layer (`BatchNorm`), and draw first weights by "
    "`he_normal` or `xavier_normal`"
)
