"""ResNet-18: He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", table 1.

11,689,512 parameters for 3×224×224 and 1000 classes, 1.814 thousand million multiply-accumulates; equal to
torchvision's in its outputs when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES
from striate.nets.families._blocks import stage
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence


@FAMILIES.register("resnet18")
def resnet18(outputs: int) -> Network:
    """ResNet-18, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
    """
    stem = Sequence(
        (
            Conv(64, kernel_size=7, stride=2, padding=3, bias=False),
            BatchNorm(),
            Activation("relu"),
            Pool(3, stride=2, padding=1),
        ),
        name="stem",
    )
    stages = [stage(number, 32 * 2**number, blocks=2, stride=1 if number == 1 else 2) for number in range(1, 5)]
    return Network("resnet18", (stem, *stages, GlobalPool(), Dense(outputs, name=HEAD)))
