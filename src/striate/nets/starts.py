"""First weights that were drawn badly: too large, too small, all zero, or the same in every unit.

A layer's gain is the root mean square of its outputs, without the bias, over that of its inputs, on one batch. He et
al. 2015, equation 10, draw weights for a gain of √2, Glorot and Bengio 2010 for about 1, and torch's own give 0.58. The
bounds lie between what was measured of every family as it begins, on noise and on smooth pictures (layers from 0.14 to
2.2, their geometric mean from 0.29 to 1.4), and the same with all weights ten times as large or a tenth (means from
2.8, and up to 0.15). Networks of libraries are no wider (means from 0.21) but for layers whose variance follows the
outputs, which is allowed for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from striate.core.wording import plural, some
from striate.nets.nodes.attention import ChannelLinear

LARGE, SMALL = 4.0, 0.14
"""The gain above which a layer is too loud, and the share of the median gain below which it is too quiet."""
LOUD, QUIET = 2.5, 0.17
"""Bounds of the geometric mean of all gains but the head's."""
FEW = 3
"""Layers below which none is held against the others."""


@dataclass(frozen=True)
class FirstWeights:
    """A layer's first weights, and what they did to one batch.

    Args:
        name: dotted.
        gain: of outputs, without the bias, over inputs; NaN where either is nothing.
        fans: fan-out over fan-in; weights may be drawn for the gradient's size in place of the signal's.
        groups: of a convolution.
        zero: whether all are 0.
        equal: whether all units that see the same inputs have the same.
        gradient: the norm of theirs.
    """

    name: str
    gain: float
    fans: float
    groups: int
    zero: bool
    equal: bool
    gradient: float


def first_weights(name: str, part: nn.Module, inputs: float, outputs: float, gradient: float) -> FirstWeights | None:
    """What is judged of a layer; None of one that is neither dense nor a convolution.

    Args:
        inputs, outputs: root mean squares, of the latter without the bias.
        gradient: the norm of the weights' gradient.
    """
    if not isinstance(part, nn.Linear | _ConvNd):
        return None
    weight = part.weight.detach()
    groups = part.groups if isinstance(part, _ConvNd) else 1
    units = _units(weight, groups, transposed=isinstance(part, _ConvTransposeNd))
    known = math.isfinite(inputs) and math.isfinite(outputs) and inputs > 0 and outputs > 0
    fan_in, fan_out = units.shape[2], units.shape[1] * units.shape[2] * groups / _inputs_of(part)
    return FirstWeights(
        name,
        gain=outputs / inputs if known else math.nan,
        fans=fan_out / fan_in,
        groups=groups,
        zero=not bool(weight.any()),
        equal=units.shape[1] > 1 and bool((units == units[:, :1]).all()),
        gradient=gradient,
    )


def without_bias(part: nn.Module, output: Tensor) -> Tensor:
    """What a layer's weights alone made of its inputs; of small inputs a bias is the larger part.

    Of a layer that arranges its units another way the bias stays.
    """
    if not isinstance(part, nn.Linear | _ConvNd) or part.bias is None:
        return output
    bias, first = part.bias.detach(), isinstance(part, _ConvNd | ChannelLinear)
    if output.shape[1 if first else -1] != len(bias):
        return output
    return output - (bias.reshape(-1, *[1] * (output.dim() - 2)) if first else bias)


def _units(weight: Tensor, groups: int, transposed: bool) -> Tensor:
    """The weights of each unit, (groups, units of each, fan-in)."""
    if transposed:  # (inputs, outputs of each group, …)
        inputs, outputs = weight.shape[:2]
        return weight.reshape(groups, inputs // groups, outputs, -1).transpose(1, 2).flatten(2)
    return weight.reshape(groups, len(weight) // groups, -1)


def _inputs_of(part: nn.Linear | _ConvNd) -> float:
    """Channels that a group sees."""
    return part.in_features if isinstance(part, nn.Linear) else part.in_channels / part.groups


@dataclass(frozen=True)
class Fault:
    """Something wrong with first weights: its kind, the layer that shows it most, and a sentence with all of them."""

    kind: str
    layer: str
    finding: str


def judge_start(layers: Sequence[FirstWeights], head: str | None) -> list[Fault]:
    """What is wrong with the first weights of layers in the order of their execution, each kind once.

    Args:
        head: the last layer, which may begin at zero, or quietly.
    """
    body = [one for one in layers if one.name != head]
    reached = layers[0].gradient > 0 if layers else True
    zero = [one for one in body if one.zero and not (reached and one.gradient > 0)]
    equal = [one for one in body if one.equal and not one.zero]
    plain = [one for one in layers if not (one.equal or one.zero or math.isnan(one.gain))]
    found = []
    if zero:
        found.append(_fault("all zero", zero, zero[0], "so that no gradient passes"))
    if equal:
        found.append(_fault("all equal", equal, equal[0], "so that their units begin as one"))
    return found + _scales(plain, head)


def _scales(layers: Sequence[FirstWeights], head: str | None) -> list[Fault]:
    body = [one for one in layers if one.name != head]
    mean = math.exp(sum(math.log(one.gain) for one in body) / len(body)) if body else 1.0
    least = SMALL * median(map(_gain, body)) if len(body) >= FEW else 0.0
    # Drawn for gradients a squeezing layer is loud, and a grouped one quiet: torch counts its fan-out over all groups.
    large = [one for one in body if one.gain * min(1.0, math.sqrt(one.fans)) > LARGE] or (body if mean > LOUD else [])
    large += [one for one in layers if one.name == head and one.gain > LARGE]
    small = [one for one in body if one.gain * math.sqrt(one.groups) < least] or (body if mean < QUIET else [])
    found = []
    if large:
        found.append(_fault("too large", large, max(large, key=_gain), _gains(large, mean, len(body))))
    if small:
        found.append(_fault("too small", small, min(small, key=_gain), _gains(small, mean, len(body))))
    return found


def _gain(one: FirstWeights) -> float:
    return one.gain


def _gains(wrong: Sequence[FirstWeights], mean: float, count: int) -> str:
    least, most = min(map(_gain, wrong)), max(map(_gain, wrong))
    span = f"{least:.2g}" if len(wrong) == 1 or f"{least:.2g}" == f"{most:.2g}" else f"{least:.2g} to {most:.2g}"
    layers = plural(count, "layer", "layers")
    return f"whose outputs are {span} times their inputs; over the {layers} before the head {mean:.2g}"


def _fault(kind: str, wrong: Iterable[FirstWeights], worst: FirstWeights, figures: str) -> Fault:
    names = [worst.name, *(one.name for one in wrong if one is not worst)]
    return Fault(f"first weights {kind}", worst.name, f"{some(names)}, {figures}")
