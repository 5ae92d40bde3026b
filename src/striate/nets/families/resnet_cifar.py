"""ResNet-20 to -110 for small pictures: He, Zhang, Ren and Sun 2016, section 4.2, with shortcuts of zeros (option A).

| | parameters, for 10 classes | test error, CIFAR-10 (table 6) |
|---|---|---|
| resnet20 | 269,722 | 8.75 % |
| resnet32 | 464,154 | 7.51 % |
| resnet44 | 658,586 | 7.17 % |
| resnet56 | 853,018 | 6.97 % |
| resnet110 | 1,727,962 | 6.43 % |

Weights files whose tensors are called `conv1`, `layer1.0.bn1`, …, `linear` load by those names.
"""

from __future__ import annotations

import re

from striate.nets.families import FAMILIES, RENAMES
from striate.nets.families._blocks import convolved, stage
from striate.nets.network import HEAD, Network
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Sequence

_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.")
_OTHERS = {"conv1.": "stem.conv1.", "bn1.": "stem.norm1.", "linear.": f"{HEAD}.", "fc.": f"{HEAD}."}


def _renamed(name: str) -> str:
    """Our name of a tensor of a file; the name itself where it is none of that kind.

    >>> _renamed("layer2.0.bn1.weight"), _renamed("linear.bias")
    ('stage2.block1.norm1.weight', 'head.bias')
    """
    found = _BLOCK.match(name)
    if found:
        number, block, kind, turn = found.groups()
        part = {"conv": "conv", "bn": "norm"}[kind]
        return f"stage{number}.block{int(block) + 1}.{part}{turn}." + name[found.end() :]
    start = next((one for one in _OTHERS if name.startswith(one)), "")
    return _OTHERS.get(start, "") + name[len(start) :]


def _add(depth: int) -> None:
    name = f"resnet{depth}"

    @FAMILIES.register(name)
    def resnet(outputs: int, *, width: int = 16) -> Network:
        """A thin residual network for pictures of about 32 px.

        Args:
            outputs: what the task needs.
            width: filters of the first stage; the second has twice, the third four times as many.
        """
        stages = [
            stage(number, width * 2 ** (number - 1), (depth - 2) // 6, 1 if number == 1 else 2, shortcut="zero_padding")
            for number in (1, 2, 3)
        ]
        stem = Sequence(convolved(width, 3, padding=1), name="stem")
        return Network(name, (stem, *stages, GlobalPool(), Dense(outputs, name=HEAD)))

    RENAMES[name] = _renamed


for _depth in (20, 32, 44, 56, 110):
    _add(_depth)
