"""Alarms: units that are dead, activations that are saturated, and scales that are lost on the way, layer by layer.

Activations are seen where they are modules of their own, as in all nodes; a function called inside another module is
not. Gradients are judged as `striate.nets.gradients` does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.wording import plural
from striate.nets.anatomy import head_name
from striate.nets.gradients import EXPLODED, VANISHED, LayerGradient, flow_verdict, layers_with_weights
from striate.nets.starts import FirstWeights, first_weights, judge_start, without_bias

DEAD, SATURATED = 0.5, 0.5
"""Shares of a layer above which it is told: half of its units, or of its numbers, hand no gradient on."""
PLACES = 100
"""Places at which a unit must have been silent: then it fires at fewer than 3 in 100 (the rule of three, Hanley and
Lippman-Hand 1983)."""
FLAT = 0.01
"""The slope of an activation, as a share of its steepest, below which it is saturated."""
_RECTIFIERS = (nn.ReLU, nn.ReLU6)

Losses = Callable[[nn.Module, int], Tensor]


@dataclass(frozen=True)
class Alarm:
    """Something that will keep a layer from learning.

    Args:
        kind: "dead units", "saturated activations", or "vanishing" or "exploding" "gradients" or "activations", or
            "first weights" that are "too large", "too small", "all zero" or "all equal".
        layer: its dotted name.
        finding: a sentence that names the layer, with its figures.
        remedy: what helps.
    """

    kind: str
    layer: str
    finding: str
    remedy: str


_DEAD = (
    "a lower rate (`--set optimizer.rate=…`), a norm before each activation (`BatchNorm`), or `leaky_relu`, whose "
    "slope is nowhere zero"
)
_SATURATED = "`relu` in its place, a norm before it (`BatchNorm`), or smaller first weights (`xavier_normal`)"
_DRAWN = (
    "`--set network.init=by_activation`, or `init: he_normal` in the layer's node (`xavier_normal` before sigmoid and "
    "tanh); of a network that is no page of nodes, weights drawn anew"
)
_SCALE = (
    "first weights by the activation behind (`--set network.init=by_activation`), or a norm after each layer "
    "(`BatchNorm`)"
)


def find_alarms(module: nn.Module, losses: Losses, parts: int, *, start: bool, drawn: bool = False) -> list[Alarm]:
    """Watch a copy of a network while it is computed forward and backward, as it is: modes and weights stay.

    Args:
        module: the network; a head of zeros gets small numbers in the copy, or nothing would come back through it.
        losses: from a network and the number of a part of a batch to the loss, one number. Only part 0 is computed
            backward; the others are asked for where units look dead, to see whether they are silent there too.
        parts: how many parts there are.
        start: whether these are the first weights: the scale of the activations is then judged as well.
        drawn: whether they were drawn at random: then each layer's are judged too, see `striate.nets.starts`.
    """
    module = copy.deepcopy(module)
    module.zero_grad(set_to_none=True)
    _wake(module)
    watch = _Watch(module)
    try:
        with torch.enable_grad():
            losses(module, 0).backward()  # type: ignore[no-untyped-call]
        gradients = watch.gradients()
        first = watch.first_weights(gradients) if drawn else []
        with torch.no_grad():
            for part in range(1, parts):
                if not any(one.share > DEAD for one in watch.units.values()):
                    break
                losses(module, part)
    finally:
        watch.remove()
    found = [*_dead(watch.units), *_saturated(watch.saturated), *_flow(gradients)]
    if not start:
        return found
    head = _head(module)
    faults = [Alarm(one.kind, one.layer, one.finding, _DRAWN) for one in judge_start(first, head)]
    if any(one.kind == "first weights all zero" for one in faults):
        return faults  # what is dead or lost behind them follows from it
    return [*found, *_scale(watch.scales, head), *faults]


@dataclass
class _Units:
    """Which channels of a rectifier have fired, over how many places each."""

    fired: Tensor
    places: int

    @property
    def share(self) -> float:
        """Of the channels that never fired."""
        return 1.0 - float(self.fired.float().mean())


@dataclass
class _Watch:
    """What hooks note of a network's layers, by name; a module that is used more than once has a number too."""

    module: nn.Module
    units: dict[str, _Units] = field(default_factory=dict)
    saturated: dict[str, Tensor] = field(default_factory=dict)
    scales: dict[str, Tensor] = field(default_factory=dict)
    passed: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    executed: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._uses: dict[str, int] = {}
        learning = set(layers_with_weights(self.module))
        self._handles = [self.module.register_forward_pre_hook(lambda *_: self._uses.clear())]
        for name, part in self.module.named_modules():
            note = self._noted(part, name in learning)
            if note is not None:
                self._handles.append(part.register_forward_hook(partial(self._seen, name, note)))

    def _noted(self, part: nn.Module, learns: bool) -> Callable[[str, nn.Module, Tensor], None] | None:
        if isinstance(part, _RECTIFIERS):
            return self._rectified
        if isinstance(part, nn.Sigmoid | nn.Tanh):
            return self._squashed
        return self._scaled if learns else None

    def _seen(
        self, name: str, note: Callable[[str, nn.Module, Tensor], None], part: Any, given: Any, output: Any
    ) -> None:
        if isinstance(output, Tensor):
            self._uses[name] = number = self._uses.get(name, 0) + 1
            name = name if number == 1 else f"{name} (use {number})"
            note(name, part, output.detach())
            if name in self.scales and name not in self.passed and given and isinstance(given[0], Tensor):
                self.passed[name] = _size(given[0].detach()), _size(without_bias(part, output.detach()))

    def _rectified(self, name: str, part: nn.Module, output: Tensor) -> None:
        if output.dim() not in (2, 4):
            return  # of three axes it is not known which holds the channels
        fired = (output > 0).transpose(0, 1).flatten(1)
        known = self.units.get(name)
        now = _Units(fired.any(1), fired.shape[1])
        self.units[name] = now if known is None else _Units(known.fired | now.fired, known.places + now.places)

    def _squashed(self, name: str, part: nn.Module, output: Tensor) -> None:
        wide = output.float()
        slope = 4 * wide * (1 - wide) if isinstance(part, nn.Sigmoid) else 1 - wide * wide
        self.saturated.setdefault(name, (slope < FLAT).float().mean())

    def _scaled(self, name: str, part: nn.Module, output: Tensor) -> None:
        self.executed.setdefault(name)
        self.scales.setdefault(name, _size(output))

    def gradients(self) -> list[LayerGradient]:
        """Of the layers' weights, in the order in which they were executed."""
        found = []
        for name in self.executed:
            if " (use " in name:
                continue  # the same weights once more
            part = self.module.get_submodule(name)
            gradient = part.get_parameter("weight").grad
            norm = 0.0 if gradient is None else float(gradient.float().norm())
            found.append(LayerGradient(name, type(part).__name__, (norm,)))
        return found

    def first_weights(self, gradients: Sequence[LayerGradient]) -> list[FirstWeights]:
        """Of the layers that were executed, in that order."""
        found = []
        for one in gradients:
            if one.name in self.passed:
                given, output = map(float, self.passed[one.name])
                part = self.module.get_submodule(one.name)
                found.append(first_weights(one.name, part, given, output, one.largest))
        return [one for one in found if one is not None]

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


def _size(tensor: Tensor) -> Tensor:
    """The root mean square."""
    return tensor.float().square().mean().sqrt()


@torch.no_grad()
def _wake(module: nn.Module) -> None:
    head = _head(module)
    weight = None if head is None else module.get_submodule(head)._parameters.get("weight")
    if weight is not None and not weight.any():
        draws = torch.Generator().manual_seed(0)
        weight.copy_(0.01 * torch.randn(weight.shape, generator=draws))


def _head(module: nn.Module) -> str | None:
    layers = layers_with_weights(module)
    return head_name(module) if layers else None


def _dead(units: dict[str, _Units]) -> list[Alarm]:
    found = []
    for name, one in units.items():
        if one.share > DEAD and one.places >= PLACES:
            silent, count = int((~one.fired).sum()), len(one.fired)
            finding = f"{name}: {silent} of {plural(count, 'unit', 'units')} never fire, at {one.places:,} places each"
            found.append(Alarm("dead units", name, finding, _DEAD))
    return found


def _saturated(shares: dict[str, Tensor]) -> list[Alarm]:
    return [
        Alarm(
            "saturated activations",
            name,
            f"{name}: {float(share):.0%} of its numbers are where its slope is below {FLAT:.0%} of the steepest",
            _SATURATED,
        )
        for name, share in shares.items()
        if share > SATURATED
    ]


def _flow(layers: Sequence[LayerGradient]) -> list[Alarm]:
    if not layers:
        return []
    verdict, finding, remedy = flow_verdict(layers)
    if verdict == "steady":
        return []
    sizes = [one.largest for one in layers]
    worst = min(sizes) if verdict == "vanishing" else max(sizes)
    name = next((one.name for one in layers if one.largest == worst), layers[0].name)
    return [Alarm(f"{verdict} gradients", name, finding, remedy)]


def _scale(scales: dict[str, Tensor], head: str | None) -> list[Alarm]:
    """The first layer whose outputs are out of proportion to the first layer's; one of zeros starts a branch."""
    sizes = {name: float(size) for name, size in scales.items() if name != head and float(size) > 0}
    for name, size in sizes.items():
        first = next(iter(sizes.values()))
        kind = "vanishing" if size < VANISHED * first else "exploding" if not size <= EXPLODED * first else None
        if kind is not None:
            finding = (
                f"{name}: at the first weights its outputs are {size / first:.1g} times those of {next(iter(sizes))}"
            )
            return [Alarm(f"{kind} activations", name, finding, _SCALE)]
    return []
