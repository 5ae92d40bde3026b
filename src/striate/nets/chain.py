"""Modules one after another, of which later ones may use earlier ones again: how a list of nodes becomes a module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from striate.nets.node import Earlier, Linked, Node, Shape, check_links, named


class Joining(nn.Module, ABC):
    """A module that takes what flows to it, and the outputs of earlier modules of its chain after it.

    Args:
        taps: the names of those modules.
    """

    def __init__(self, taps: tuple[str, ...]) -> None:
        super().__init__()
        self.taps = taps

    @abstractmethod
    def forward(self, x: Tensor, *tapped: Tensor) -> Tensor:
        """What flows on."""


class Again(nn.Module):
    """Stands where an earlier module of the chain is used again. It holds nothing: the chain calls the other.

    Args:
        to: the name of that module.
    """

    def __init__(self, to: str) -> None:
        super().__init__()
        self.to_name = to

    def extra_repr(self) -> str:
        return self.to_name


class Chain(nn.Sequential):
    """`nn.Sequential` whose modules may tap earlier ones (`Joining`) or use them again (`Again`).

    An output is kept from where it is made to where it is tapped last, and nothing is kept between calls.
    """

    def forward(self, input: Tensor) -> Tensor:
        return follow(self._modules, input)


def follow(modules: Mapping[str, nn.Module], x: Tensor) -> Tensor:
    """Pass a tensor through modules by name, one after another, as `Chain` does."""
    last = {tap: name for name, module in modules.items() if isinstance(module, Joining) for tap in module.taps}
    kept: dict[str, Tensor] = {}
    for name, module in modules.items():
        if isinstance(module, Joining):
            x = module(x, *(kept[tap] for tap in module.taps))
            kept = {tap: tensor for tap, tensor in kept.items() if last[tap] != name}
        else:
            x = modules[module.to_name](x) if isinstance(module, Again) else module(x)
        if name in last:
            kept[name] = x
    return x


def build_modules(nodes: Sequence[Node], shape: Shape) -> OrderedDict[str, nn.Module]:
    """The modules of nodes that follow one another, by name. Raises `Misfit`."""
    entries = dict(named(nodes))
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    earlier: dict[str, Earlier] = {}
    for name, node in entries.items():
        if isinstance(node, Linked):
            check_links(name, node, entries, earlier)
            output, modules[name] = node.linked_shape(shape, earlier), node.linked_build(shape, earlier)
        else:
            output, modules[name] = node.output_shape(shape), node.build(shape)
        earlier[name] = Earlier(node, shape, output)
        shape = output
    return modules


def build_chain(nodes: Sequence[Node], shape: Shape) -> nn.Sequential:
    """One module of nodes that follow one another: `nn.Sequential`, or `Chain` where one uses another again."""
    linked = any(isinstance(node, Linked) for node in nodes)
    return (Chain if linked else nn.Sequential)(build_modules(nodes, shape))
