"""What every edit is, and what edits of nodes share."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.network import Network
from striate.nets.node import Node, Shape, check_fields, mapped
from striate.nets.notation import to_plain

FAMILY = "edit a family of nodes instead, if one is the same network (docs/networks.md)"
"""What to do where an edit does not reach into a library's network."""


@dataclass(frozen=True)
class Edit(ABC):
    """One change of a network.

    A subclass is a frozen dataclass registered in `striate.nets.edits.EDITS` under its own name; its fields are plain
    values or nodes, and are checked against their annotations when it is made.

    Raises:
        NetworkError: a field has a value of the wrong kind.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    @abstractmethod
    def apply(self, network: Network) -> Network:
        """The changed network of nodes. Raises `NetworkError` where there is nothing that it could change."""

    @abstractmethod
    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """The changed module, which may be the given one, changed in place; parts that stay keep names and weights.

        Args:
            module: any.
            shape: of one sample of its input, (C, *grid).

        Raises:
            NetworkError: there is nothing that it could change, or it cannot change this module.
        """

    def to_dict(self) -> dict[str, Any]:
        """Plain values: `{"edit": "SwapActivation", "kind": "silu", "of": None}`."""
        fields = {one.name: to_plain(getattr(self, one.name)) for one in dataclasses.fields(self)}
        return {"edit": type(self).__name__, **fields}


def changed(network: Network, change: Callable[[Node], Node], what: str) -> Network:
    """A network with every node changed. Raises `NetworkError`, saying what it lacks, where all stay as they are."""
    nodes = tuple(mapped(node, change) for node in network.nodes)
    if nodes == network.nodes:
        raise NetworkError(
            f"the network {network.name!r} has no {what} that this edit changes", fix="leave this edit out"
        )
    return replace(network, nodes=nodes)


def nothing(module: nn.Module, what: str) -> NetworkError:
    """The error of an edit that finds nothing in a module to change."""
    return NetworkError(f"{type(module).__name__} has no {what} that this edit changes", fix="leave this edit out")
