"""Gated, dilated, causal convolutions with residual and skip connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape
from striate.nets.nodes import NODES
from striate.nets.nodes.conv import Conv


@NODES.register("GatedStack")
@dataclass(frozen=True)
class GatedStack(Node):
    """Layers of z = tanh(W_f ∗ x) ⊙ σ(W_g ∗ x), each added to what flows, and the sum of what each says aside.

    Van den Oord et al. 2016, "WaveNet: a generative model for raw audio", equation 2 and figure 4. The convolutions are
    causal: no output depends on a later input. The last layer only speaks aside: what it would add flows nowhere.

    Args:
        filters: of each gate.
        skip: channels of what the layers say aside, which is the output.
        dilations: of each layer in turn: 1, 2, 4, …, over again for further stacks.
        kernel_size: of the dilated convolutions.

    Input shape: (C, L). Output shape: (skip, L).

    >>> GatedStack(16, skip=32, dilations=(1, 2, 4)).output_shape((8, 100))
    (32, 100)
    """

    filters: int
    skip: int
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    kernel_size: int = 2

    label: ClassVar[str] = "gated"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "skip", "dilations", "kernel_size")
        if not self.dilations:
            raise NetworkError(f"`{self}`: dilations must name at least one layer")
        self.at_most_layers(len(self.dilations))

    def output_shape(self, shape: Shape) -> Shape:
        """(skip, L)."""
        if len(shape) != 2:
            raise Misfit(self, "needs channels and one axis, along time", shape)
        return (self.skip, shape[1])

    def build(self, shape: Shape) -> nn.Module:
        """`GatedLayers`."""
        self.output_shape(shape)
        inner = (self.filters, shape[1])
        layers = []
        for number, dilation in enumerate(self.dilations, 1):
            gate = Conv(2 * self.filters, self.kernel_size, padding="causal", dilation=dilation, init="xavier_normal")
            aside, last = Conv(self.skip, 1, init="xavier_normal"), number == len(self.dilations)
            out = None if last else Conv(shape[0], 1, init="xavier_normal").build(inner)
            layers.append(GatedLayer(gate.build(shape), out, aside.build(inner)))
        return GatedLayers(layers)


class GatedLayer(nn.Module):
    """From (N, C, L) to the same, and to what is said aside, (N, skip, L).

    Args:
        gate: the dilated convolution, of filters and gates.
        out: to what is added to the input; None in the last layer, which hands its input on.
        aside: to what is said aside.
    """

    def __init__(self, gate: nn.Module, out: nn.Module | None, aside: nn.Module) -> None:
        super().__init__()
        self.gate, self.out, self.aside = gate, out, aside

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        filtered, gated = self.gate(x).chunk(2, 1)
        z = filtered.tanh() * gated.sigmoid()
        return x if self.out is None else x + self.out(z), self.aside(z)


class GatedLayers(nn.Module):
    """From (N, C, L) to the sum of what all layers say aside, (N, skip, L)."""

    def __init__(self, layers: list[GatedLayer]) -> None:
        super().__init__()
        for number, layer in enumerate(layers, 1):
            self.add_module(f"layer{number}", layer)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor | None = None
        for layer in self.children():
            x, aside = layer(x)
            total = aside if total is None else total + aside
        assert total is not None
        return total
