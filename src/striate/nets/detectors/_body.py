"""A classifier as the body of a detector: the maps at its strides, without what lies behind the last of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.detectors._taps import Body, Tap
from striate.nets.node import Shape
from striate.nets.nodes.auxiliary import AuxiliaryHead
from striate.nets.surgery import ModuleStage, module_stages, run_zeros

_LEAST_SIDE = 128
"""Pixels of the smaller side at which stages are told apart: at fewer, the last ones all have a grid of one position.
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
    module, side, stages = _found(backbone, shape)
    there = _taps(stages, side)
    last = max(there)
    wanted = [stride for stride in strides if stride <= last]
    lacking = [stride for stride in wanted if stride not in there]
    if lacking:
        raise NetworkError(
            f"{type(backbone).__name__} gives no map at the stride {lacking[0]}, only at {_listed(there)}",
            fix="choose strides from these, or powers of two beyond the last",
        )
    taps = tuple(there[stride] for stride in wanted or [last])
    left_out = _cut(backbone, module, side, taps)
    return Body(backbone, taps, left_out)


def _checked_strides(strides: Sequence[int]) -> list[int]:
    whole = [int(stride) for stride in strides]
    if not whole or whole != sorted(set(whole)) or any(one < 1 or one & (one - 1) for one in whole):
        raise NetworkError(
            f"strides must be powers of two in rising order, not {list(strides)}", fix="give [8, 16, 32, 64], say"
        )
    return whole


def _found(backbone: nn.Module, shape: Shape) -> tuple[nn.Module, Shape, list[ModuleStage]]:
    """The stages of a classifier, and by what and for which shape of pictures they were told: by a copy without memory
    where that can be run."""
    times = math.ceil(_LEAST_SIDE / min(shape[1:]))
    larger = (shape[0], *(times * size for size in shape[1:]))
    refused: NetworkError | None = None
    for module in (copy.deepcopy(backbone).to("meta"), backbone):
        for side in dict.fromkeys((larger, shape)):  # some take no size but their own
            try:
                return module, side, module_stages(module, side)
            except NetworkError as error:
                refused = error
    assert refused is not None
    raise refused


def _taps(stages: Sequence[ModuleStage], shape: Shape) -> dict[int, Tap]:
    """By stride, where its map is taken: the last there is."""
    found = {}
    for stage in stages:
        stride = 2 ** round(math.log2(shape[1] / stage.output[1]))
        found[stride] = Tap(stage.parts[-1], stride, stage.output[0])
    return found


def _cut(backbone: nn.Module, module: nn.Module, shape: Shape, taps: Sequence[Tap]) -> tuple[str, ...]:
    """Put `Through` in place of what has parameters and is called behind the last of the maps; return the names."""
    late: list[str] = []
    begun: set[str] = set()
    awaited = {tap.name for tap in taps}

    def begin(name: str) -> Any:
        def hook(_: nn.Module, __: Any) -> None:
            if name not in begun and not awaited:
                late.append(name)
            begun.add(name)

        return hook

    def close(name: str) -> Any:
        def hook(_: nn.Module, __: Any, ___: Any) -> None:
            awaited.discard(name)

        return hook

    handles = [one.register_forward_pre_hook(begin(name)) for name, one in module.named_modules() if name]
    handles += [module.get_submodule(tap.name).register_forward_hook(close(tap.name)) for tap in taps]
    try:
        run_zeros(module, shape)
    finally:
        for handle in handles:
            handle.remove()
    auxiliary = [name for name, one in backbone.named_modules() if isinstance(one, AuxiliaryHead)]
    gone: list[str] = []
    for name in [*late, *auxiliary]:
        inside = any(name.startswith(f"{other}.") for other in gone)
        if not inside and next(backbone.get_submodule(name).parameters(), None) is not None:
            backbone.set_submodule(name, Through())
            gone.append(name)
    return tuple(gone)


def _listed(strides: Sequence[int] | dict[int, Tap]) -> str:
    return ", ".join(str(one) for one in sorted(strides))
