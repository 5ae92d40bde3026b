"""Other kernels, dilations or groups in one stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import FAMILY, Edit, changed, nothing
from striate.nets.edits._stages import stage_places
from striate.nets.network import Network
from striate.nets.node import Node, Shape, Sizes
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.surgery import CONVOLUTIONS, device_of, exchange, module_stage

_NODES = (Conv, DepthwiseConv, SeparableConv)
_ITSELF_PADDED = "Conv2dSame"  # timm's: it pads by what it receives


@EDITS.register("ChangeStage")
@dataclass(frozen=True)
class ChangeStage(Edit):
    """Other kernels, dilations or groups in the convolutions of one stage, but for those of 1×1.

    Numeric padding follows, "valid" as none, so that the output keeps its size.

    Args:
        stage: which, from 1 on.
        kernel_size: odd.
        dilation, groups: as `Conv` has them; depthwise convolutions have their own groups.
    """

    stage: int
    kernel_size: int | None = None
    dilation: int | None = None
    groups: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [one for one in (self.kernel_size, self.dilation, self.groups) if one is not None]
        if not given:
            raise NetworkError("`ChangeStage` changes nothing", fix="give kernel_size, dilation or groups")
        if min(given) < 1:
            raise NetworkError("`ChangeStage`: kernel_size, dilation and groups are at least 1")
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise NetworkError(f"kernels of {self.kernel_size} have no centre", fix="give an odd kernel_size")

    def apply(self, network: Network) -> Network:
        """The convolutions in the nodes of that stage."""
        places = stage_places(network, self.stage)
        stage = Network(network.name, network.nodes[places.start : places.stop])
        found = changed(stage, self._change, f"convolutions wider than 1 in stage {self.stage}")
        return replace(network, nodes=(*network.nodes[: places.start], *found.nodes, *network.nodes[places.stop :]))

    def _change(self, node: Node) -> Node:
        if not isinstance(node, _NODES) or _largest(node.kernel_size) == 1:
            return node
        given: dict[str, Any] = {"kernel_size": self.kernel_size, "dilation": self.dilation}
        if isinstance(node, Conv):
            given["groups"] = self.groups
        new = replace(node, **{key: value for key, value in given.items() if value is not None})
        if isinstance(node.padding, str) and node.padding != "valid":
            return new
        padding = _kept(node, new)
        return replace(new, padding=padding) if node.padding != "valid" or padding else new

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """The convolutions in the parts of that stage."""
        device, count = device_of(module), 0
        for name in module_stage(module, shape, self.stage).parts:
            part = module.get_submodule(name)
            if isinstance(part, CONVOLUTIONS):
                holder = nn.ModuleDict({"one": part})
                if exchange(holder, CONVOLUTIONS, lambda old: self._other(old, device)):
                    module.set_submodule(name, holder["one"])
                    count += 1
            else:
                count += exchange(part, CONVOLUTIONS, lambda old: self._other(old, device))
        if not count:
            raise nothing(module, f"convolutions in stage {self.stage}, wider than 1 and other than asked for,")
        return module

    def _other(self, old: Any, device: Any) -> nn.Module | None:
        if max(old.kernel_size) == 1:
            return None
        kind = type(old)
        if kind not in CONVOLUTIONS and kind.__name__ != _ITSELF_PADDED:
            raise NetworkError(
                f"its convolution {kind.__name__} is of a library's own kind: it cannot be changed", fix=FAMILY
            )
        depthwise = old.groups == old.in_channels > 1
        kernel = old.kernel_size if self.kernel_size is None else (self.kernel_size,) * len(old.kernel_size)
        dilation = old.dilation if self.dilation is None else (self.dilation,) * len(old.dilation)
        groups = old.groups if self.groups is None or depthwise else self.groups
        if old.in_channels % groups or old.out_channels % groups:
            raise NetworkError(
                f"{groups} groups do not divide the {old.in_channels} and {old.out_channels} channels of a convolution "
                f"in stage {self.stage}",
                fix="give a divisor of both",
            )
        padding = old.padding
        if not isinstance(padding, str) and kind.__name__ != _ITSELF_PADDED:
            padding = tuple(
                pad + step * (size - 1) // 2 - before_step * (before_size - 1) // 2
                for pad, step, size, before_step, before_size in zip(
                    padding, dilation, kernel, old.dilation, old.kernel_size, strict=True
                )
            )
        if not isinstance(padding, str) and min(padding) < 0:
            raise NetworkError(
                f"a convolution of stage {self.stage} is padded less than it would have to be: its output would grow",
                fix="give a larger kernel_size",
            )
        if (kernel, dilation, groups) == (old.kernel_size, old.dilation, old.groups):
            return None
        options = {"stride": old.stride, "padding": padding, "dilation": dilation, "groups": groups}
        if kind in CONVOLUTIONS:
            options["padding_mode"] = old.padding_mode
        new: nn.Module = kind(old.in_channels, old.out_channels, kernel, bias=old.bias is not None, **options).to(
            device=device, dtype=old.weight.dtype
        )
        if new.weight.shape == old.weight.shape:  # a dilation leaves the weights what they are
            new.weight, new.bias = old.weight, old.bias
        return new


def _largest(size: Sizes) -> int:
    return max(size) if isinstance(size, tuple) else size


def _kept(node: Any, new: Any) -> Sizes:
    """The padding that gives what a kernel gave before: one number, or one for each axis where they differ.

    Raises:
        NetworkError: it would be negative.
    """
    given = 0 if node.padding == "valid" else node.padding
    sizes = (given, node.kernel_size, node.dilation, new.kernel_size, new.dilation)
    axes = max(len(one) if isinstance(one, tuple) else 1 for one in sizes)
    by_axis = zip(*(one if isinstance(one, tuple) else (one,) * axes for one in sizes), strict=False)
    padding = tuple(
        pad + after_step * (after - 1) // 2 - step * (size - 1) // 2 for pad, size, step, after, after_step in by_axis
    )
    if min(padding) < 0:
        raise NetworkError(
            f"`{node}` is padded less than it would have to be: its output would grow", fix="give a larger kernel_size"
        )
    return padding if len(set(padding)) > 1 else int(padding[0])
