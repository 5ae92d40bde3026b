"""ResNet-18 to -152: He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", table 1.

| | parameters, for 1000 classes | billion multiply-accumulates at 224 px | top-1 error, ImageNet, 10 crops (table 3) |
|---|---|---|---|
| resnet18 | 11,689,512 | 1.81 | 27.88 % (table 2) |
| resnet34 | 21,797,672 | 3.66 | 24.52 % |
| resnet50 | 25,557,032 | 4.09 | 22.85 % |
| resnet101 | 44,549,160 | 7.80 | 21.75 % |
| resnet152 | 60,192,808 | 11.51 | 21.43 % |

Equal to torchvision's in outputs and gradients when weights are mapped across: strides are in the 3×3 convolutions.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import BlockKind, convolved, stage
from striate.nets.network import HEAD, Network
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence

SIZES: dict[str, tuple[BlockKind, tuple[int, int, int, int]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}


def stem(width: int) -> Sequence:
    """A 7×7 convolution and a pooling layer, each halving the sides."""
    return Sequence((*convolved(width, 7, stride=2, padding=3), Pool(3, stride=2, padding=1)), name="stem")


def _add(name: str, kind: BlockKind, blocks: tuple[int, ...]) -> None:
    @FAMILIES.register(name)
    def resnet(outputs: int, *, width: int = 64) -> Network:
        """A residual network for photographs of about 224 px.

        Args:
            outputs: what the task needs.
            width: channels of the stem and filters of the first stage; each further stage has twice as many.
        """
        stages = [
            stage(number, width * 2 ** (number - 1), count, 1 if number == 1 else 2, kind)
            for number, count in enumerate(blocks, 1)
        ]
        return Network(name, (stem(width), *stages, GlobalPool(), Dense(outputs, name=HEAD)))

    same_as(name, f"torchvision/{name}")


for _name, (_kind, _blocks) in SIZES.items():
    _add(_name, _kind, _blocks)
