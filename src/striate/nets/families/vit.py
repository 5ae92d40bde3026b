"""Vision transformers: Dosovitskiy et al. 2021, "An image is worth 16x16 words", table 1; Touvron et al. 2021 (Ti, S).

| | parameters, for 1000 classes at 224 px | billion multiply-accumulates |
|---|---|---|
| vit_tiny | 5,717,416 | 1.25 |
| vit_small | 22,050,664 | 4.60 |
| vit_base | 86,567,656 | 17.56 |

Equal to timm's `vit_*_patch16_224` in outputs and gradients when weights are mapped across. They are for pretrained
weights: from scratch they need more pictures than most have (figure 3 of the paper).
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.attention import (
    ClassPool,
    ClassToken,
    PatchEmbed,
    PositionEncoding,
    PositionwiseDense,
    SelfAttention,
)
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import LayerNorm
from striate.nets.nodes.structure import Repeat, Residual, Sequence

SIZES = {"vit_tiny": (192, 3), "vit_small": (384, 6), "vit_base": (768, 12)}
"""Numbers of a token, and heads."""


def block(units: int, heads: int) -> Sequence:
    """Attention, then two dense layers at each position, each behind a norm and beside a shortcut (figure 1, right)."""
    norm = LayerNorm(epsilon=1e-6)
    dense = (PositionwiseDense(4 * units), Activation("gelu"), PositionwiseDense(units))
    return Sequence(
        (
            Residual((norm, SelfAttention(heads)), activation=None),
            Residual((norm, *dense), activation=None),
        ),
        name="block",
    )


def _add(name: str, usual: int, heads: int) -> None:
    @FAMILIES.register(name)
    def vit(outputs: int, *, units: int = usual, depth: int = 12, patch: int = 16) -> Network:
        """A vision transformer, for photographs whose sides the patch divides.

        Args:
            outputs: what the task needs.
            units: numbers of a token, a multiple of the heads.
            depth: blocks.
            patch: side of a patch, in pixels.
        """
        return Network(
            name,
            (
                PatchEmbed(units, patch, name="stem"),
                ClassToken(),
                PositionEncoding(),
                Repeat(block(units, heads), depth, name="stage1"),
                LayerNorm(epsilon=1e-6),
                ClassPool(),
                Dense(outputs, init="zeros", name=HEAD),
            ),
        )

    same_as(name, f"timm/{name}_patch16_224")


for _name, (_units, _heads) in SIZES.items():
    _add(_name, _units, _heads)
