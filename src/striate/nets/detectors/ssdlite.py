"""SSDLite: Liu et al. 2016, "SSD: single shot multibox detector"; Sandler et al. 2018, "MobileNetV2", section 6.2.

| backbone, 320 px (Sandler et al., table 6) | AP, COCO test-dev |
|---|---|
| MobileNetV2 | 22.1 |

No pyramid: each level predicts by itself, by depthwise convolutions, so that little is computed. Predictors and default
boxes are torchvision's, and give the same as its model by equal weights: the boxes of any pictures, and the losses of
each by itself, as its own divides those of a batch by the default boxes of all of it that have a truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torchvision.models.detection._utils import BoxCoder, Matcher, SSDMatcher
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.ops import Conv2dNormActivation, box_iou

from striate.core.errors import NetworkError
from striate.nets.detectors import DETECTORS
from striate.nets.detectors._body import made_body
from striate.nets.detectors._boxes import passed_over, suppressed
from striate.nets.detectors._detector import Dense, Detector, Truths, check_least, filled, gathered
from striate.nets.detectors._pyramid import norm_layer
from striate.nets.node import Shape

_CANDIDATES = 300  # of a class, as torchvision's
_NEGATIVES = 3  # of the background for each with a truth, Liu et al. section 2.2
_FOREGROUND = 0.5  # section 2.2
_LEAST_WIDTH = 8  # the smallest maps have a quarter of the channels, and half of these within


@DETECTORS.register("ssdlite")
class SsdLite(Detector):
    """Maps of the body and smaller ones behind them, each with its own predictors.

    Args:
        backbone: made from the arguments `backbone` and `backbone_arguments`.
        shape: of a picture, (C, H, W).
        outputs: classes.
        strides: of the levels, in pixels, powers of two.
        width: channels of the first map behind the body's; the next two have half as many, all others a quarter.
        norm: "batch", as published, "group" or "none".
        shares: sides of the default boxes of each level, as shares of the picture's, and one more, for the larger
            square of the last level; None for even steps from 0.2 to 0.95, and 1.
        aspects: of the default boxes beside the squares: width over height, and height over width.
    """

    class_layers = ("head.predictors.classification_head",)
    published = "mobilenet_v2"
    overlap = 0.55  # as torchvision's

    def __init__(
        self,
        backbone: nn.Module,
        shape: Shape,
        outputs: int,
        *,
        strides: Sequence[int] = (16, 32, 64, 128, 256, 512),
        width: int = 512,
        norm: str = "batch",
        shares: Sequence[float] | None = None,
        aspects: Sequence[float] = (2.0, 3.0),
    ) -> None:
        check_least(_LEAST_WIDTH, width=width)
        steps = even_shares(len(strides)) if shares is None else list(shares)
        if len(steps) != len(strides) + 1 or min(steps) <= 0 or (aspects and min(aspects) <= 0):
            raise NetworkError(
                f"shares must be {len(strides) + 1} numbers above 0, one more than strides, and aspects above 0",
                fix="leave them out",
            )
        body = made_body(backbone, shape, strides)
        boxes = DefaultBoxGenerator([list(aspects)] * len(strides), scales=steps)
        head = SsdLiteHead(body.channels, body.strides, strides, width, norm, boxes.num_anchors_per_location(), outputs)
        super().__init__(body, head, outputs)
        self._boxes = [boxes]  # in a list, as it is no part that is called
        self.coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        self.matcher = SSDMatcher(_FOREGROUND)

    @classmethod
    def complete(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """With the sides of the default boxes."""
        shares = even_shares(len(arguments["strides"])) if arguments["shares"] is None else arguments["shares"]
        return {**arguments, "shares": shares}

    def found(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """The surest boxes of each class, moved, without what overlaps."""
        anchors = self.anchors(dense, size)
        rows = []
        for logits, moves in zip(dense.outputs["cls_logits"], dense.outputs["bbox_regression"], strict=True):
            edges = self.coder.decode_single(moves, anchors)
            scores, places = logits.softmax(1)[:, 1:].topk(min(_CANDIDATES, len(anchors)), dim=0)  # of each class
            rank, labels = torch.nonzero(scores > self.least).unbind(1)
            rows.append(suppressed([(edges[places[rank, labels]], scores[rank, labels], labels)], size, self.overlap))
        return filled(rows)

    def compared(self, dense: Dense, truths: Sequence[Truths], size: tuple[int, int]) -> dict[str, Tensor]:
        """`classes`: cross-entropy of the default boxes with a truth and of the worst of the background, and `boxes`:
        that of the edges; both over those with a truth."""
        anchors = self.anchors(dense, size)
        found = []
        for number, true in enumerate(truths):
            logits, moves = dense.outputs["cls_logits"][number], dense.outputs["bbox_regression"][number]
            matched = self._matched(anchors, true)
            positive = matched >= 0
            labels = torch.zeros_like(matched)
            labels[positive] = true.labels[matched[positive]] + 1
            wanted = self.coder.encode_single(true.boxes[matched[positive]], anchors[positive])
            each = cross_entropy(logits, labels, reduction="none")
            background = each[matched == Matcher.BELOW_LOW_THRESHOLD]
            positives = int(positive.sum())
            hardest = background.topk(min(_NEGATIVES * positives, len(background))).values
            over = max(1, positives)
            edges = smooth_l1_loss(moves[positive], wanted, reduction="sum")
            found.append({"classes": (each[positive].sum() + hardest.sum()) / over, "boxes": edges / over})
        return gathered(found)

    def anchors(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """The default boxes in pixels of the input, (positions, 4)."""
        height, width = size
        grids = [list(grid) for grid in dense.grids]
        boxes = self._boxes[0]._grid_default_boxes(grids, [height, width], dtype=torch.float32).to(dense.device)
        sides = torch.tensor([width, height], device=dense.device)
        return torch.cat([(boxes[:, :2] - boxes[:, 2:] / 2) * sides, (boxes[:, :2] + boxes[:, 2:] / 2) * sides], 1)

    def _matched(self, anchors: Tensor, true: Truths) -> Tensor:
        """The truth of each default box, −1 for the background, −2 for those that count for nothing."""
        if len(true.boxes):
            matched: Tensor = self.matcher(box_iou(true.boxes, anchors))
        else:
            matched = torch.full((len(anchors),), Matcher.BELOW_LOW_THRESHOLD, device=anchors.device)
        idle = (matched == Matcher.BELOW_LOW_THRESHOLD) & passed_over(anchors, true)
        return matched.masked_fill(idle, Matcher.BETWEEN_THRESHOLDS)


class SsdLiteHead(nn.Module):
    """From the body's maps to logits of classes, the first of them the background, and moves of each default box.

    Args:
        channels: of the body's maps.
        taken: their strides.
        strides: of the levels.
        width: of the first map behind them.
        norm: see `norm_layer`.
        boxes: at each position, by level.
        outputs: classes.
    """

    def __init__(
        self,
        channels: Sequence[int],
        taken: Sequence[int],
        strides: Sequence[int],
        width: int,
        norm: str,
        boxes: Sequence[int],
        outputs: int,
    ) -> None:
        super().__init__()
        make = _norm(norm)
        count = max(0, round(math.log2(strides[-1] / taken[-1])))
        widths = [width if number == 0 else width // 2 if number < 3 else width // 4 for number in range(count)]
        sources = [channels[-1], *widths]
        self.further = nn.ModuleList(
            _halving(before, after, make) for before, after in zip(sources, widths, strict=False)
        )
        every = [*taken, *(taken[-1] * 2**number for number in range(1, count + 1))]
        self.given = tuple(every.index(stride) for stride in strides)
        levels = [[*channels, *widths][number] for number in self.given]
        self.predictors = SSDLiteHead(levels, list(boxes), outputs + 1, make)

    def forward(self, *maps: Tensor) -> Dense:
        levels = list(maps)
        for layer in self.further:
            levels.append(layer(levels[-1]))
        levels = [levels[number] for number in self.given]
        return Dense(self.predictors(levels), levels)


def even_shares(levels: int) -> list[float]:
    """Even steps from 0.2 to 0.95, and 1: as published for MobileNets.

    >>> even_shares(2)
    [0.2, 0.95, 1.0]
    """
    return [round(0.2 + 0.75 * number / max(1, levels - 1), 6) for number in range(levels)] + [1.0]


def _norm(norm: str) -> Callable[..., nn.Module] | None:
    # As the authors' code has it, by which torchvision's is trained too. With None, convolutions have a bias instead.
    return partial(nn.BatchNorm2d, eps=0.001, momentum=0.03) if norm == "batch" else norm_layer(norm)


def _halving(before: int, after: int, make: Callable[..., nn.Module] | None) -> nn.Sequential:
    """A map of half the sides: 1×1 to half the channels, depthwise 3×3 of stride 2, and 1×1."""
    inner = after // 2
    layers = partial(Conv2dNormActivation, norm_layer=make, activation_layer=nn.ReLU6)
    block = nn.Sequential(
        layers(before, inner, 1), layers(inner, inner, 3, stride=2, groups=inner), layers(inner, after, 1)
    )
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.03)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return block
