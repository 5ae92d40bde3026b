"""RetinaNet: Lin, Goyal, Girshick, He and Dollár 2017, "Focal loss for dense object detection".

| backbone and side (table 1e) | AP, COCO test-dev |
|---|---|
| ResNet-50, 600 px | 34.3 |
| ResNet-101, 800 px | 37.8 |

Head, anchors and losses are torchvision's, and give the same as its own model by equal weights. Its strides begin at 8,
as 4 has many positions and few objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import Conv2dNormActivation, box_iou

from striate.nets.detectors import DETECTORS
from striate.nets.detectors._anchors import Anchors
from striate.nets.detectors._body import made_body
from striate.nets.detectors._boxes import best, passed_over, split, suppressed
from striate.nets.detectors._detector import Dense, Detector, Truths, check_least, filled, gathered
from striate.nets.detectors._pyramid import Pyramid, convolved, norm_layer
from striate.nets.node import Shape

_CANDIDATES = 1000  # of a level, section 4
_FOREGROUND, _BACKGROUND = 0.5, 0.4  # section 4, anchors


@DETECTORS.register("retinanet")
class RetinaNet(Detector):
    """A pyramid, and on each level two towers of convolutions: for the classes of anchors, and for their edges.

    Args:
        backbone: made from the arguments `backbone` and `backbone_arguments`.
        shape: of a picture, (C, H, W).
        outputs: classes.
        strides: of the levels, in pixels, powers of two.
        width: channels of the pyramid and the towers.
        depth: convolutions of each tower.
        norm: of pyramid and towers: "group", "batch" or "none", as published.
        sizes: of the anchors at each level, in pixels; None for 4 strides times 1, 2^(1/3) and 2^(2/3).
        aspects: of the anchors, height over width.
    """

    class_layers = ("head.predictors.classification_head.cls_logits",)

    def __init__(
        self,
        backbone: nn.Module,
        shape: Shape,
        outputs: int,
        *,
        strides: Sequence[int] = (8, 16, 32, 64, 128),
        width: int = 256,
        depth: int = 4,
        norm: str = "none",
        sizes: Sequence[Sequence[float]] | None = None,
        aspects: Sequence[float] = (0.5, 1.0, 2.0),
    ) -> None:
        check_least(1, width=width)
        check_least(0, depth=depth)
        anchors = Anchors(octaves(strides) if sizes is None else sizes, aspects, strides)
        body = made_body(backbone, shape, strides)
        pyramid = Pyramid(body.channels, body.strides, strides, width=width, norm=norm, further=convolved)
        super().__init__(body, RetinaHead(pyramid, width, depth, norm, anchors.each, outputs), outputs)
        self.anchors = anchors
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.matcher = Matcher(_FOREGROUND, _BACKGROUND, allow_low_quality_matches=True)

    @classmethod
    def complete(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """With the sizes of the anchors."""
        sizes = octaves(arguments["strides"]) if arguments["sizes"] is None else arguments["sizes"]
        return {**arguments, "sizes": sizes}

    def found(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """Of each level the surest anchors, moved, without what overlaps."""
        anchors = self.anchors.on(dense.grids, dense.device)
        rows = []
        for logits, moves in zip(dense.outputs["cls_logits"], dense.outputs["bbox_regression"], strict=True):
            levels = zip(*(split(one, dense.grids, self.anchors.each) for one in (logits, moves, anchors)), strict=True)
            kept = []
            for level_logits, level_moves, level_anchors in levels:
                scores, places, labels = best(level_logits.sigmoid(), self.least, _CANDIDATES)
                kept.append((self.coder.decode_single(level_moves[places], level_anchors[places]), scores, labels))
            rows.append(suppressed(kept, size, self.overlap))
        return filled(rows)

    def compared(self, dense: Dense, truths: Sequence[Truths], size: tuple[int, int]) -> dict[str, Tensor]:
        """`classes`: the focal loss, and `boxes`: that of the edges, over the anchors that have a truth."""
        anchors = self.anchors.on(dense.grids, dense.device)
        head: RetinaHead = self.head  # type: ignore[assignment]
        found = []
        for number, true in enumerate(truths):
            wanted = [{"boxes": true.boxes, "labels": true.labels}]
            losses = head.predictors.compute_loss(wanted, dense.of(number), [anchors], [self._matched(anchors, true)])
            found.append({"classes": losses["classification"], "boxes": losses["bbox_regression"]})
        return gathered(found)

    def _matched(self, anchors: Tensor, true: Truths) -> Tensor:
        """The truth of each anchor, −1 for the background, −2 for those that count for nothing."""
        if len(true.boxes):
            matched: Tensor = self.matcher(box_iou(true.boxes, anchors))
        else:
            matched = torch.full((len(anchors),), Matcher.BELOW_LOW_THRESHOLD, device=anchors.device)
        idle = (matched == Matcher.BELOW_LOW_THRESHOLD) & passed_over(anchors, true)
        return matched.masked_fill(idle, Matcher.BETWEEN_THRESHOLDS)


class RetinaHead(nn.Module):
    """From the body's maps to the logits of classes and the moves of edges of each anchor.

    Args:
        pyramid: of so many channels.
        width: of it.
        depth: convolutions of a tower.
        norm: see `norm_layer`.
        anchors: at each position.
        outputs: classes.
    """

    def __init__(self, pyramid: Pyramid, width: int, depth: int, norm: str, anchors: int, outputs: int) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.predictors = RetinaNetHead(width, anchors, outputs, norm_layer=norm_layer(norm))
        for tower in (self.predictors.classification_head, self.predictors.regression_head):
            tower.conv = tower_of(width, depth, norm)

    def forward(self, *maps: Tensor) -> Dense:
        levels = self.pyramid(*maps)
        return Dense(self.predictors(levels), levels)


def tower_of(width: int, depth: int, norm: str) -> nn.Sequential:
    """So many 3×3 convolutions, each with a norm and ReLU, drawn as in section 4.1: normal of deviation 0.01."""
    make = partial(Conv2dNormActivation, width, width, norm_layer=norm_layer(norm))
    tower = nn.Sequential(*(make() for _ in range(depth)))
    for layer in tower.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return tower


def octaves(strides: Sequence[int]) -> list[list[float]]:
    """Three sizes a level, whole pixels as torchvision's.

    >>> octaves([8])
    [[32, 40, 50]]
    """
    return [[int(4 * stride * 2 ** (part / 3)) for part in range(3)] for stride in strides]
