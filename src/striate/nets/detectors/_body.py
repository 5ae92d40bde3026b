"""A classifier as the body of a detector: the maps at its strides, without what lies behind the last of them."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.detectors._taps import Body, Tap
from striate.nets.node import Shape
from striate.nets.nodes.auxiliary import AuxiliaryHead
from striate.nets.surgery import ModuleStage, module_stages

_LEAST_SIDE = 128
"""Pixels of the smaller side at which stages are told apart: at fewer, the last ones all have a grid of one position.
Of multiples of it every grid is whole, so that one that lacks a position, as without padding, is told from one that was
rounded down.
"""


class Through(nn.Module):
    """Stands where a detector needs nothing: hands on what it receives."""

    def forward(self, x: Any, *others: Any, **named: Any) -> Any:
        """The first that it is given."""
        return x


def made_body(backbone: nn.Module, shape: Shape, strides: Sequence[int]) -> Body:
    """The body that a classifier becomes.

    The map of a stride is the output of the last part of the network on that grid. Strides beyond its last map are made
    by the pyramid, see `Pyramid`.

    Args:
        backbone: any network that gives channels on grids that shrink; changed.
        shape: of a picture, (C, H, W).
        strides: of the maps that the detector is to have, powers of two in rising order.

    Raises:
        NetworkError: it has no such maps, or does not do without what lies behind them.
    """
    strides = _checked_strides(strides)
    seen = _seen(backbone, shape)
    there = _taps(seen)
    last = max(there)
    wanted = [stride for stride in strides if stride <= last] or [last]
    lacking = [stride for stride in wanted if stride not in there]
    if lacking:
        raise NetworkError(
            f"{type(backbone).__name__} gives no map at the stride {lacking[0]}, only at {_listed(there)}",
            fix="choose strides from these, or powers of two beyond the last",
        )
    for stride in wanted:
        _check_grid(backbone, stride, there[stride].grid, seen.shape)
    taps = tuple(there[stride].tap for stride in wanted)
    return Body(backbone, taps, _cut(backbone, seen, taps))


def _checked_strides(strides: Sequence[int]) -> list[int]:
    whole = [int(stride) for stride in strides]
    if not whole or whole != sorted(set(whole)) or any(one < 1 or one & (one - 1) for one in whole):
        raise NetworkError(
            f"strides must be powers of two in rising order, not {list(strides)}", fix="give [8, 16, 32, 64], say"
        )
    return whole


@dataclass(frozen=True)
class _Seen:
    """What was seen of a classifier in one pass.

    Args:
        stages: of it.
        shape: of the pictures.
        calls: dotted names of its modules as each began ("+") and ended ("-").
        altered: the names of those whose first output was written over behind them.
    """

    stages: list[ModuleStage]
    shape: Shape
    calls: list[tuple[str, str]]
    altered: frozenset[str]


class _There(NamedTuple):
    """A map: where it is taken, and how many positions it has along each axis."""

    tap: Tap
    grid: tuple[int, ...]


def _seen(backbone: nn.Module, shape: Shape) -> _Seen:
    """A pass through a classifier: through a copy without memory where that can be run."""
    times = math.ceil(_LEAST_SIDE / min(shape[1:]))
    larger = (shape[0], *(times * size for size in shape[1:]))
    whole = (shape[0], *(_LEAST_SIDE * math.ceil(size / _LEAST_SIDE) for size in shape[1:]))
    refused: NetworkError | None = None
    for module in (copy.deepcopy(backbone).to("meta"), backbone):
        for side in dict.fromkeys((whole, larger, shape)):  # some take no size but their own
            try:
                with _noting(module) as (calls, outputs):
                    stages = module_stages(module, side)
                altered = frozenset(name for name, (one, before) in outputs.items() if one._version != before)
                return _Seen(stages, side, calls, altered)
            except NetworkError as error:
                refused = error
    assert refused is not None
    raise refused


@contextlib.contextmanager
def _noting(module: nn.Module) -> Iterator[tuple[list[tuple[str, str]], dict[str, tuple[Tensor, int]]]]:
    """The calls of a module's parts, while entered, and the first output of each with its version then."""
    calls: list[tuple[str, str]] = []
    outputs: dict[str, tuple[Tensor, int]] = {}

    def ended(name: str, output: Any) -> None:
        calls.append(("-", name))
        if isinstance(output, Tensor) and not output.is_inference():  # such a tensor counts no versions
            outputs.setdefault(name, (output, output._version))

    handles = []
    for name, one in module.named_modules():
        handles.append(one.register_forward_pre_hook(lambda *_, name=name: calls.append(("+", name))))
        handles.append(one.register_forward_hook(lambda _, __, output, name=name: ended(name, output)))
    try:
        yield calls, outputs
    finally:
        for handle in handles:
            handle.remove()


def _taps(seen: _Seen) -> dict[int, _There]:
    """By stride, where its map is taken: the last there is."""
    found = {}
    for stage in seen.stages:
        channels, *grid = stage.output
        stride, name = 2 ** round(math.log2(seen.shape[1] / grid[0])), stage.parts[-1]
        found[stride] = _There(Tap(name, stride, channels, name in seen.altered), tuple(grid))
    return found


def _check_grid(backbone: nn.Module, stride: int, grid: Sequence[int], shape: Shape) -> None:
    """Raise `NetworkError` where positions of a map do not lie a stride apart, as anchors would.

    Rounding down is taken where the side is no multiple of the stride: what lacks is at the border.
    """
    for side, positions in zip(shape[1:], grid, strict=True):
        if not side // stride <= positions <= math.ceil(side / stride):
            fewer = positions < side // stride
            reason = "it does without padding" if fewer else "it strides otherwise"
            raise NetworkError(
                f"{type(backbone).__name__} gives no map that boxes could be told by: of {side} pixels its map at the "
                f"stride {stride} has {positions} positions in place of {math.ceil(side / stride)}: {reason}",
                fix="choose a backbone whose convolutions are padded, such as resnet18 or mobilenet_v2",
            )


def _cut(backbone: nn.Module, seen: _Seen, taps: Sequence[Tap]) -> tuple[str, ...]:
    """Put `Through` in place of what has parameters and is called behind the last of the maps; return the names."""
    end = max(seen.calls.index(("-", tap.name)) for tap in taps)
    before = {name for sign, name in seen.calls[:end] if sign == "+"}
    late = [name for sign, name in seen.calls[end:] if sign == "+" and name not in before]
    auxiliary = [name for name, one in backbone.named_modules() if isinstance(one, AuxiliaryHead)]
    gone: list[str] = []
    for name in [*late, *auxiliary]:
        inside = any(name.startswith(f"{other}.") for other in gone)
        if not inside and next(backbone.get_submodule(name).parameters(), None) is not None:
            backbone.set_submodule(name, Through())
            gone.append(name)
    return tuple(gone)


def _listed(strides: Iterable[int]) -> str:
    return ", ".join(str(one) for one in sorted(strides))
