"""Another activation everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.core.wording import some
from striate.nets.edits import EDITS
from striate.nets.edits._edit import FAMILY, Edit, changed, nothing
from striate.nets.network import Network
from striate.nets.node import Node, Shape
from striate.nets.nodes.activation import Activation, ActivationKind, activation
from striate.nets.nodes.structure import Residual
from striate.nets.surgery import called_outside, exchange, in_attention

_GATES: tuple[ActivationKind, ...] = ("sigmoid", "hard_sigmoid", "tanh", "softmax")
# By the names of classes, of which timm has its own beside torch's.
_KINDS: dict[str, str] = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "SELU": "selu",
    "GELU": "gelu",
    "QuickGELU": "gelu",
    "GELUTanh": "gelu_tanh",
    "SiLU": "silu",
    "Swish": "silu",
    "Hardswish": "hard_swish",
    "HardSwish": "hard_swish",
    "Hardsigmoid": "hard_sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softmax": "softmax",
    **dict.fromkeys(("Mish", "PReLU", "CELU", "Softplus", "RReLU", "Softsign"), "another"),
}
_FUNCTIONS = {
    functional.relu: "relu",
    functional.relu_: "relu",
    torch.relu: "relu",
    torch.relu_: "relu",
    torch.Tensor.relu: "relu",
    torch.Tensor.relu_: "relu",
    functional.relu6: "relu6",
    functional.leaky_relu: "leaky_relu",
    functional.elu: "elu",
    functional.selu: "selu",
    functional.gelu: "gelu",
    functional.silu: "silu",
    functional.hardswish: "hard_swish",
    functional.hardsigmoid: "hard_sigmoid",
    torch.sigmoid: "sigmoid",
    torch.Tensor.sigmoid: "sigmoid",
    torch.tanh: "tanh",
    torch.Tensor.tanh: "tanh",
    **dict.fromkeys(
        (
            functional.mish,
            functional.prelu,
            functional.celu,
            functional.softplus,
            functional.rrelu,
            functional.softsign,
        ),
        "another",
    ),
}


@EDITS.register("SwapActivation")
@dataclass(frozen=True)
class SwapActivation(Edit):
    """Another activation everywhere, but for gates, and what is within channel attention.

    Args:
        kind: the new one.
        of: only these are swapped; all unless given.
    """

    kind: ActivationKind
    of: ActivationKind | None = None

    def apply(self, network: Network) -> Network:
        """Every `Activation`, and those behind the sums of `Residual`s."""

        def change(node: Node) -> Node:
            if isinstance(node, Activation) and self.of in (None, node.kind):
                return replace(node, kind=self.kind, slope=None)
            if isinstance(node, Residual) and node.activation is not None and self.of in (None, node.activation):
                return replace(node, activation=self.kind)
            return node

        return changed(network, change, self._what)

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Every module of an activation's class. One that is called as a function is out of reach, and refused."""
        kinds = tuple({type(one) for one in module.modules() if type(one).__name__ in _KINDS})
        functions: list[Any] = [one for one, kind in _FUNCTIONS.items() if self._swapped(kind)]
        beyond = called_outside(module, shape, functions, kinds)
        if beyond:
            raise NetworkError(
                f"{type(module).__name__} calls {some(sorted(set(beyond)), 3)} as functions, {len(beyond)} times: no "
                "edit reaches these",
                fix=FAMILY,
            )
        left = in_attention(module)

        def make(old: nn.Module) -> nn.Module | None:
            kind = _KINDS.get(type(old).__name__)
            if kind is None or id(old) in left or not self._swapped(kind):
                return None
            return activation(self.kind)

        if not kinds or not exchange(module, kinds, make):
            raise nothing(module, self._what)
        return module

    def _swapped(self, kind: str) -> bool:
        return kind == self.of if self.of is not None else kind not in _GATES

    @property
    def _what(self) -> str:
        return f"activations{f' of kind {self.of}' if self.of else ''}"
