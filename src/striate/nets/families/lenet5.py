"""LeNet-5: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".

61,706 parameters for 1×32×32 and 10 classes. As everywhere today and unlike the paper, C3 sees all maps of S2, the
sub-sampling layers learn nothing, and the output is a dense layer instead of radial basis functions.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import Pool
from striate.nets.nodes.shape import Flatten


@FAMILIES.register("lenet5")
def lenet5(outputs: int, *, padding: int = 0) -> Network:
    """LeNet-5, for pictures of 32 px and more.

    Args:
        outputs: what the task needs.
        padding: zeros around the picture: 2 for the 28 px of MNIST.
    """
    return Network(
        "lenet5",
        (
            Conv(6, kernel_size=5, padding=padding, init="xavier_uniform", name="c1"),
            Activation("tanh"),
            Pool(2, kind="average", name="s2"),
            Conv(16, kernel_size=5, init="xavier_uniform", name="c3"),
            Activation("tanh"),
            Pool(2, kind="average", name="s4"),
            Conv(120, kernel_size=5, init="xavier_uniform", name="c5"),
            Activation("tanh"),
            Flatten(),
            Dense(84, init="xavier_uniform", name="f6"),
            Activation("tanh"),
            Dense(outputs, name=HEAD),
        ),
    )
