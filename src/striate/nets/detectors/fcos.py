"""FCOS: Tian, Shen, Chen and He 2019, "FCOS: fully convolutional one-stage object detection", and 2020.

| backbone (2019, tables 1 to 3) | AP, COCO minival |
|---|---|
| ResNet-50 | 37.1, improved 38.6 |

No anchors: each position within a truth, near its centre, tells how far away its four edges are. Head and losses are
torchvision's, and give the same as its own model by equal weights: the boxes of any pictures, and the losses of each by
itself, as its own divides those of a batch by the positions of all of it that have a truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSHead, FCOSRegressionHead

from striate.nets.detectors import DETECTORS
from striate.nets.detectors._anchors import Anchors
from striate.nets.detectors._body import made_body
from striate.nets.detectors._boxes import best, split, suppressed
from striate.nets.detectors._detector import Dense, Detector, Truths, check_least, filled, gathered
from striate.nets.detectors._pyramid import Pyramid, convolved, norm_layer
from striate.nets.node import Shape

_CANDIDATES = 1000  # of a level, as RetinaNet
_RADIUS = 1.5  # 2020, section 3.2: strides around the centre of a truth within which positions are its
_FARTHEST = 8  # strides to the farthest edge for which a level answers: 64 px at the stride 8, section 3.2


@DETECTORS.register("fcos")
class Fcos(Detector):
    """A pyramid, and on each level two towers of convolutions: for classes, and for edges and how central a position
    is.

    Args:
        backbone: made from the arguments `backbone` and `backbone_arguments`.
        shape: of a picture, (C, H, W).
        outputs: classes.
        strides: of the levels, in pixels, powers of two.
        width: channels of the pyramid and the towers.
        depth: convolutions of each tower.
        norm: of pyramid and towers: "group", as published for the towers, "batch" or "none".
    """

    class_layers = ("head.predictors.classification_head.cls_logits",)

    least = 0.05
    """Scores are roots of a product of two chances, so that this is 0.0025 of the product: as far below what anyone
    would act on as in others."""

    def __init__(
        self,
        backbone: nn.Module,
        shape: Shape,
        outputs: int,
        *,
        strides: Sequence[int] = (8, 16, 32, 64, 128),
        width: int = 256,
        depth: int = 4,
        norm: str = "group",
    ) -> None:
        check_least(1, width=width)
        check_least(0, depth=depth)
        body = made_body(backbone, shape, strides)
        pyramid = Pyramid(body.channels, body.strides, strides, width=width, norm=norm, further=convolved)
        super().__init__(body, FcosHead(pyramid, width, depth, norm, outputs), outputs)
        self.anchors = Anchors([[stride] for stride in strides], [1.0], strides)

    def found(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """Of each level the surest positions, with their edges, without what overlaps."""
        cells, coder = self.anchors.on(dense.grids, dense.device), self._predictors.box_coder
        rows = []
        names = ("cls_logits", "bbox_regression", "bbox_ctrness")
        for one in zip(*(dense.outputs[name] for name in names), strict=True):
            kept = []
            for logits, edges, central, around in zip(
                *(split(part, dense.grids, 1) for part in (*one, cells)), strict=True
            ):
                scores, places, labels = best((logits.sigmoid() * central.sigmoid()).sqrt(), self.least, _CANDIDATES)
                kept.append((coder.decode(edges[places], around[places]), scores, labels))
            rows.append(suppressed(kept, size, self.overlap))
        return filled(rows)

    def compared(self, dense: Dense, truths: Sequence[Truths], size: tuple[int, int]) -> dict[str, Tensor]:
        """`classes`: the focal loss; `boxes`: 1 − generalised intersection over union, and `centres`: cross-entropy,
        over the positions that have a truth."""
        cells = self.anchors.on(dense.grids, dense.device)
        counts = [height * width for height, width in dense.grids]
        found = []
        for number, true in enumerate(truths):
            matched = assigned(cells, counts, true.boxes)
            counting = (matched >= 0) | ~_within(_centres(cells), torch.cat([true.difficult, true.crowds]))
            losses = self._predictors.compute_loss(
                [{"boxes": true.boxes, "labels": true.labels}],
                {name: one[:, counting] for name, one in dense.of(number).items()},
                [cells[counting]],
                [matched[counting]],
            )
            names = {"classes": "classification", "boxes": "bbox_regression", "centres": "bbox_ctrness"}
            found.append({name: losses[theirs] for name, theirs in names.items()})
        return gathered(found)

    @property
    def _predictors(self) -> FCOSHead:
        head: FcosHead = self.head  # type: ignore[assignment]
        return head.predictors


class FcosHead(nn.Module):
    """From the body's maps to logits of classes, distances of edges in strides, and logits of being central.

    Args:
        pyramid: of so many channels.
        width: of it.
        depth: convolutions of a tower.
        norm: see `norm_layer`.
        outputs: classes.
    """

    def __init__(self, pyramid: Pyramid, width: int, depth: int, norm: str, outputs: int) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.predictors = FCOSHead(width, 1, outputs, 0)
        make = norm_layer(norm) or nn.Identity
        self.predictors.classification_head = FCOSClassificationHead(width, 1, outputs, depth, norm_layer=make)
        self.predictors.regression_head = FCOSRegressionHead(width, 1, depth, norm_layer=make)

    def forward(self, *maps: Tensor) -> Dense:
        levels = self.pyramid(*maps)
        return Dense(self.predictors(levels), levels)


def assigned(cells: Tensor, counts: Sequence[int], boxes: Tensor) -> Tensor:
    """The truth of each position, −1 where there is none (2019, section 3.2; 2020 for the centre).

    A position has the smallest of the truths in which it lies, to whose centre it is near, and whose farthest edge lies
    in its level's range.

    Args:
        cells: (P, 4): around each position, a square of its level's stride.
        counts: positions of each level.
        boxes: of the truths, (B, 4).
    """
    if not len(boxes):
        return torch.full((len(cells),), -1, device=cells.device)
    points, strides = _centres(cells)[:, None], (cells[:, 2] - cells[:, 0])[:, None]
    near = (points - _centres(boxes)[None]).abs().amax(2) < _RADIUS * strides
    edges = torch.cat([points - boxes[None, :, :2], boxes[None, :, 2:] - points], 2)
    farthest, lowest, highest = edges.amax(2), strides * _FARTHEST / 2, strides * _FARTHEST
    lowest[: counts[0]], highest[len(cells) - counts[-1] :] = 0.0, float("inf")
    fits = near & (edges.amin(2) > 0) & (farthest > lowest) & (farthest < highest)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).expand(len(cells), -1)
    smallest, which = areas.masked_fill(~fits, float("inf")).min(1)
    return which.masked_fill(smallest.isinf(), -1)


def _centres(boxes: Tensor) -> Tensor:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _within(points: Tensor, boxes: Tensor) -> Tensor:
    """Which points (P, 2) lie in any of the boxes (B, 4), (P,)."""
    inside = (points[:, None] > boxes[None, :, :2]) & (points[:, None] < boxes[None, :, 2:])
    return inside.all(2).any(1)
