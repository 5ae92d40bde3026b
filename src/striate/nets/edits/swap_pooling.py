"""Maxima for means, or the other way round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import FAMILY, Edit, changed, nothing
from striate.nets.network import Network
from striate.nets.node import Node, Shape
from striate.nets.nodes.pool import AdaptivePool, GlobalPool, Pool, SpatialPyramidPool
from striate.nets.surgery import called_outside, exchange, in_attention

_NODES = (Pool, AdaptivePool, SpatialPyramidPool, GlobalPool)
_MAX = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_MEAN = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_PARTS_MAX = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
_PARTS_MEAN = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_ALL: tuple[type[nn.Module], ...] = (*_MAX, *_MEAN, *_PARTS_MAX, *_PARTS_MEAN)
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "max": (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d, torch.avg_pool1d),
    "average": (
        functional.max_pool1d,
        functional.max_pool2d,
        functional.max_pool3d,
        torch.max_pool1d,
        torch.max_pool2d,
        torch.max_pool3d,
    ),
}

_WHOLE: dict[str, tuple[Any, ...]] = {
    "max": (
        functional.adaptive_avg_pool1d,
        functional.adaptive_avg_pool2d,
        functional.adaptive_avg_pool3d,
        torch.adaptive_avg_pool1d,
        torch.mean,
        torch.Tensor.mean,
    ),
    "average": (
        functional.adaptive_max_pool1d,
        functional.adaptive_max_pool2d,
        functional.adaptive_max_pool3d,
        torch.amax,
        torch.Tensor.amax,
    ),
}
_SELECTS = "SelectAdaptivePool2d"  # timm's pooling over the whole grid


@EDITS.register("SwapPooling")
@dataclass(frozen=True)
class SwapPooling(Edit):
    """Maxima in place of means, or the other way round, in every pooling layer.

    Args:
        kind: the new one.
        whole: whether pooling over the whole grid is swapped, too.
    """

    kind: Literal["max", "average"]
    whole: bool = False

    def apply(self, network: Network) -> Network:
        """Every node that pools."""

        def change(node: Node) -> Node:
            if isinstance(node, _NODES) and (self.whole or not isinstance(node, GlobalPool)):
                if isinstance(node, Pool) and self.kind == "max":
                    return replace(node, kind="max", count_padding=False)  # padding never wins
                return replace(node, kind=self.kind)
            return node

        return changed(network, change, "pooling layers")

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Every module that pools. Pooling that is called as a function is out of reach, and refused."""
        functions = (*_FUNCTIONS[self.kind], *(_WHOLE[self.kind] if self.whole else ()))
        selects = tuple({type(one) for one in module.modules() if type(one).__name__ == _SELECTS})
        beyond = called_outside(module, shape, functions, (*_ALL, *selects), grids_alone=True)
        if beyond:
            raise NetworkError(
                f"{type(module).__name__} calls {beyond[0]} as a function, {len(beyond)} times: no edit reaches that",
                fix=FAMILY,
            )
        left = in_attention(module)
        if not exchange(module, (*_ALL, *selects), lambda old: None if id(old) in left else self._other(old)):
            raise nothing(module, "pooling layers")
        return module

    def _other(self, old: Any) -> nn.Module | None:
        kind = type(old)
        if kind.__name__ == _SELECTS:
            wanted = "max" if self.kind == "max" else "avg"
            same = old.pool_type == "max" if self.kind == "max" else old.pool_type in ("avg", "fast", "fastavg")
            if not self.whole or same:
                return None
            made: nn.Module = kind(pool_type=wanted, flatten=not isinstance(old.flatten, nn.Identity))
            return made
        if kind not in _ALL:
            raise NetworkError(
                f"its pooling layer {kind.__name__} is of a library's own kind: it cannot be swapped", fix=FAMILY
            )
        windows = kind in (*_MAX, *_MEAN)
        if (kind in (*_MAX, *_PARTS_MAX)) == (self.kind == "max"):
            return None
        if not windows:
            whole = all(size == 1 for size in _sizes(old.output_size))
            if whole and not self.whole:
                return None
            place = (_PARTS_MAX if kind in _PARTS_MAX else _PARTS_MEAN).index(kind)
            parts: nn.Module = (_PARTS_MAX if self.kind == "max" else _PARTS_MEAN)[place](old.output_size)
            return parts
        place = (_MAX if kind in _MAX else _MEAN).index(kind)
        options = {
            "kernel_size": old.kernel_size,
            "stride": old.stride,
            "padding": old.padding,
            "ceil_mode": old.ceil_mode,
        }
        if self.kind == "max":
            return _MAX[place](**options)
        if any(step != 1 for step in _sizes(old.dilation)):
            raise NetworkError("its pooling windows have gaps (dilation): there is no mean over such", fix=FAMILY)
        return _MEAN[place](**options, count_include_pad=False)


def _sizes(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
