"""From the numbers of tokens to vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from striate.nets.node import Misfit, Node, Shape
from striate.nets.nodes import NODES


@NODES.register("Embedding")
@dataclass(frozen=True)
class Embedding(Node):
    """A learnt vector for each token of a vocabulary.

    Args:
        units: numbers of a vector.
        vocabulary: how many tokens there are; they are numbered from 0.

    Input shape: (L,), the tokens' numbers, as integers or as floats that are whole. Output shape: (units, L).

    >>> Embedding(300, vocabulary=20_000).output_shape((56,))
    (300, 56)
    """

    units: int
    vocabulary: int

    label: ClassVar[str] = "embedding"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "units", "vocabulary")

    def output_shape(self, shape: Shape) -> Shape:
        """(units, L)."""
        if len(shape) != 1:
            raise Misfit(self, "needs a vector of tokens", shape)
        return (self.units, shape[0])

    def build(self, shape: Shape) -> nn.Module:
        """`TokenEmbedding`."""
        self.output_shape(shape)
        return TokenEmbedding(self.vocabulary, self.units)


class TokenEmbedding(nn.Embedding):
    """From tokens (N, L) to (N, units, L)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.long()).transpose(1, 2)
