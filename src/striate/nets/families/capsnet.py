"""CapsNet: Sabour, Frosst and Hinton 2017, "Dynamic routing between capsules", figure 1, without the decoder.

6,804,224 parameters for 1×28×28 and 10 classes (8.2 million with the decoder, section 4); test error on MNIST 0.25 %
with it. Its outputs are the logits of the capsules' lengths; see `CapsuleLengths`.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.capsules import CapsuleLengths, DigitCapsules, PrimaryCapsules
from striate.nets.nodes.conv import Conv


@FAMILIES.register("capsnet")
def capsnet(
    outputs: int, *, filters: int = 256, kinds: int = 32, kernel_size: int = 9, stride: int = 2, turns: int = 3
) -> Network:
    """A convolution, primary capsules, and a capsule for each class, for small pictures.

    Args:
        outputs: what the task needs: capsules of the last layer.
        filters: of the first convolution.
        kinds: of primary capsules.
        kernel_size: of both convolutions; 9 needs at least 17 px, 3 is for pictures of 8 px.
        stride: of the second.
        turns: of routing.
    """
    nodes = (
        Conv(filters, kernel_size),
        Activation("relu"),
        PrimaryCapsules(kinds, kernel_size=kernel_size, stride=stride),
        DigitCapsules(outputs, turns=turns, name=HEAD),
        CapsuleLengths(),
    )
    return Network("capsnet", nodes)
