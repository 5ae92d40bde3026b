"""The compact residual network that the plan fits to image size, count and budget; trained from scratch.

He et al. 2016's basic blocks on a stem for small pictures, as in their section 4.2: one 3×3 convolution at full
resolution, then stages that halve the sides and double the channels. ReLU follows each sum, as in that paper; the
pre-activation order of He et al. 2016b is for networks of hundreds of layers.
"""

from __future__ import annotations

from collections.abc import Sequence as Numbers
from typing import Any, Literal

from striate.core.errors import NetworkError
from striate.nets.families import FAMILIES
from striate.nets.families._blocks import stage
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Sequence


@FAMILIES.register("compact")
def compact(
    outputs: int,
    *,
    width: int = 32,
    blocks: Numbers[int] = (1, 1, 1),
    stem_stride: int = 1,
    pool: Literal["average", "max", "both"] = "both",
    dropout: float = 0.0,
) -> Network:
    """A stem, residual stages, global pooling and a dense head.

    Stage s has `blocks[s]` blocks of width·2^s channels; every stage but the first halves the sides, so the last map
    has ⌈side / (stem_stride·2^(len(blocks) − 1))⌉ px.

    **To fit it**: the last map should have 4 to 8 px, so that its positions still see the object's parts and each has
    seen most of the picture; `fit` says how many stages and which stem stride that takes. Then choose the width by
    the time there is: parameters and operations grow with its square, with the blocks only in proportion. One block a
    stage is where to begin; dropout is for data so scarce that the training loss falls away from the validation's.

    Args:
        outputs: what the task needs.
        width: channels of the stem and the first stage.
        blocks: blocks in each stage.
        stem_stride: step of the stem; its kernel is 3×3, or 7×7 from a stride of 4 on so that no pixel is missed.
        pool: how each channel's last map becomes a number; "both" doubles the head's inputs.
        dropout: rate ahead of the head.

    >>> compact(10, **fit(32)).layers((3, 32, 32))[-3].input
    (128, 8, 8)
    """
    if not blocks:
        raise NetworkError("compact: blocks must name at least one stage", fix="give [1, 1, 1], say")
    kernel = 3 if stem_stride < 4 else 7
    stem: tuple[Node, ...] = (
        Conv(width, kernel_size=kernel, stride=stem_stride, padding=kernel // 2, bias=False),
        BatchNorm(),
        Activation("relu"),
    )
    nodes: list[Node] = [Sequence(stem, name="stem")]
    for number, count in enumerate(blocks, 1):
        nodes.append(stage(number, width * 2 ** (number - 1), count, stride=1 if number == 1 else 2))
    nodes.append(GlobalPool(pool))
    if dropout:
        nodes.append(Dropout(dropout))
    return Network("compact", (*nodes, Dense(outputs, name=HEAD)))


def fit(side: int) -> dict[str, Any]:
    """The arguments that bring pictures of this side to a last map of 4 to 8 px.

    Args:
        side: the shorter side of the network's input, in pixels.

    Returns:
        `stem_stride` and `blocks`, one block a stage.

    >>> fit(32), fit(96)
    ({'stem_stride': 1, 'blocks': [1, 1, 1]}, {'stem_stride': 2, 'blocks': [1, 1, 1, 1]})
    """
    stem_stride = 1 if side < 64 else 2 if side < 192 else 4
    stages = 2 if side >= 8 else 1
    while -(-side // (stem_stride * 2 ** (stages - 1))) > 8:
        stages += 1
    return {"stem_stride": stem_stride, "blocks": [1] * stages}
