"""U-Net: Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical segmentation", figure 1.

31,030,658 parameters for one channel and two outputs, as in the paper; 31,031,745 for three channels and one. It ends
in a grid: outputs for each position.
"""

from __future__ import annotations

from typing import Literal

from striate.nets.families import FAMILIES, gives_grid
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import Pool
from striate.nets.nodes.structure import Sequence
from striate.nets.nodes.taps import Skip
from striate.nets.nodes.upsample import TransposedConv


def _pair(filters: int, padding: Literal["same", "valid"], norm: bool, name: str) -> Sequence:
    conv = Conv(filters, 3, padding=padding, bias=not norm)
    step: tuple[Node, ...] = (conv, BatchNorm(), Activation("relu")) if norm else (conv, Activation("relu"))
    return Sequence(step * 2, name=name)


@FAMILIES.register("unet")
def unet(
    outputs: int, *, width: int = 64, depth: int = 4, padding: Literal["same", "valid"] = "same", norm: bool = False
) -> Network:
    """Down by pooling, up by transposed convolutions, with the maps of each depth handed across.

    Args:
        outputs: for each position.
        width: filters at full size; each depth has twice as many.
        depth: times that the sides are halved; they must be multiples of 2^depth where padding is "same".
        padding: "valid" is the paper's: 572 px give 388, and what is handed across is cropped.
        norm: whether a norm follows each convolution; the paper has none.
    """
    nodes: list[Node] = []
    for level in range(1, depth + 1):
        nodes += [_pair(width * 2 ** (level - 1), padding, norm, f"down{level}"), Pool(2)]
    nodes.append(_pair(width * 2**depth, padding, norm, "bottom"))
    for level in range(depth, 0, -1):
        filters = width * 2 ** (level - 1)
        nodes += [
            TransposedConv(filters, name=f"rise{level}"),
            Skip((f"down{level}",), align="crop" if padding == "valid" else None, name=f"skip{level}"),
            _pair(filters, padding, norm, f"up{level}"),
        ]
    return Network("unet", (*nodes, Conv(outputs, 1, name=HEAD)))


gives_grid("unet")
