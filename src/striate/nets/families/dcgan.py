"""DCGAN: Radford, Metz and Chintala 2016, "Unsupervised representation learning", figure 1 and section 3, at 64 px.

With the widths of PyTorch's tutorial: 3,576,704 parameters of the generator and 2,765,568 of the discriminator, for
three colours and 100 random numbers, given as (100, 1, 1). The generator ends in a grid, a picture from -1 to 1.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, gives_grid
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.shape import Flatten
from striate.nets.nodes.upsample import TransposedConv


@FAMILIES.register("dcgan_generator")
def dcgan_generator(outputs: int, *, width: int = 64) -> Network:
    """Transposed convolutions from random numbers, (Z, 1, 1), to a picture of 64 px.

    Args:
        outputs: colours of the picture.
        width: filters of the last but one layer; each earlier one has twice as many.
    """
    nodes: list[Node] = [TransposedConv(8 * width, 4, stride=1, bias=False, init="normal")]
    for times in (4, 2, 1):
        nodes += [BatchNorm(), Activation("relu")]
        nodes.append(TransposedConv(times * width, 4, stride=2, padding=1, bias=False, init="normal"))
    nodes += [BatchNorm(), Activation("relu")]
    last = TransposedConv(outputs, 4, stride=2, padding=1, bias=False, init="normal", name=HEAD)
    return Network("dcgan_generator", (*nodes, last, Activation("tanh")))


gives_grid("dcgan_generator")


@FAMILIES.register("dcgan_discriminator")
def dcgan_discriminator(outputs: int, *, width: int = 64) -> Network:
    """Strided convolutions from a picture of 64 px to one number each for what is asked: whether it is real.

    Args:
        outputs: what the task needs; 1 in the paper.
        width: filters of the first layer; each later one has twice as many.
    """
    leaky = Activation("leaky_relu", slope=0.2)
    nodes: list[Node] = [Conv(width, 4, stride=2, padding=1, bias=False, init="normal"), leaky]
    for times in (2, 4, 8):
        nodes += [Conv(times * width, 4, stride=2, padding=1, bias=False, init="normal"), BatchNorm(), leaky]
    last = Conv(outputs, 4, bias=False, init="normal", name=HEAD)
    return Network("dcgan_discriminator", (*nodes, last, Flatten()))
