"""Faster R-CNN on a feature pyramid: Ren, He, Girshick and Sun 2015; Lin et al. 2017, "Feature pyramid networks for
object detection".

| backbone (Lin et al. 2017, table 3) | AP, COCO minival |
|---|---|
| ResNet-50 | 33.9 |

In two stages: anchors are judged to be an object or none, and what is cut out of the surest is classed and moved once
more. Parts and losses are torchvision's, and give the same as its own model by equal weights and equal draws. What each
picture draws hangs on itself, and on none of its batch.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

from striate.core.boxes import MOST
from striate.core.errors import NetworkError
from striate.core.seeds import derive
from striate.nets.detectors import DETECTORS
from striate.nets.detectors._anchors import Anchors
from striate.nets.detectors._body import made_body
from striate.nets.detectors._boxes import passed_over
from striate.nets.detectors._detector import Dense, Detector, Truths, check_least, filled, gathered
from striate.nets.detectors._pyramid import Pyramid, pooled
from striate.nets.node import Shape

_CUT = 7  # positions along each side of what is cut out, Lin et al. section 4.2
_PROPOSALS = {"training": 2000, "testing": 1000}  # of all levels, section 5.1
_DRAWN = 256  # anchors of a picture that are learnt from, Ren et al. section 3.1.3
_CANONICAL = 224, 4  # Lin et al. equation 1: what is cut from the level of 2^4 px


@DETECTORS.register("faster_rcnn")
class FasterRcnn(Detector):
    """A pyramid, a network of proposals on each level, and two dense layers on what is cut out of the levels.

    Args:
        backbone: made from the arguments `backbone` and `backbone_arguments`.
        shape: of a picture, (C, H, W).
        outputs: classes.
        strides: of the levels, in pixels, powers of two; what lies beyond the body's last is only for proposals.
        width: channels of the pyramid.
        depth: convolutions ahead of the proposals.
        norm: of the pyramid: "group", "batch" or "none", as published.
        sizes: of the anchors at each level, in pixels; None for 8 strides.
        aspects: of the anchors, height over width.
        hidden: units of each of the two dense layers.
        rois: proposals of a picture that are learnt from, drawn at random, a quarter of them with a truth at most.
    """

    class_layers = ("head.boxes.box_predictor",)

    def __init__(
        self,
        backbone: nn.Module,
        shape: Shape,
        outputs: int,
        *,
        strides: Sequence[int] = (4, 8, 16, 32, 64),
        width: int = 256,
        depth: int = 1,
        norm: str = "none",
        sizes: Sequence[Sequence[float]] | None = None,
        aspects: Sequence[float] = (0.5, 1.0, 2.0),
        hidden: int = 1024,
        rois: int = 512,
    ) -> None:
        check_least(1, width=width, hidden=hidden, rois=rois)
        check_least(0, depth=depth)
        if any(after != 2 * before for before, after in itertools.pairwise(strides)):
            raise NetworkError(
                f"strides of faster_rcnn must double from one to the next, not {list(strides)}",
                fix="give [4, 8, 16, 32, 64], say: what is cut out is taken from the level of its size",
            )
        anchors = Anchors(_sizes(strides) if sizes is None else sizes, aspects, strides)
        body = made_body(backbone, shape, strides)
        pyramid = Pyramid(body.channels, body.strides, strides, width=width, norm=norm, further=pooled)
        proposals = RegionProposalNetwork(
            nn.Identity(), RPNHead(width, anchors.each, depth), 0.7, 0.3, _DRAWN, 0.5, _PROPOSALS, _PROPOSALS, 0.7
        )
        proposals.fg_bg_sampler = _all_labelled
        cut_from = [stride for stride in strides if stride <= body.strides[-1]] or list(strides[:1])
        boxes = RoIHeads(
            _cutter(cut_from), TwoMLPHead(width * _CUT**2, hidden), FastRCNNPredictor(hidden, outputs + 1),
            0.5, 0.5, rois, 0.25, None, self.least, self.overlap, MOST,
        )  # fmt: skip
        super().__init__(body, FasterHead(pyramid, proposals, boxes), outputs)
        self.anchors, self.rois, self.width = anchors, rois, width

    @classmethod
    def complete(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """With the sizes of the anchors."""
        sizes = _sizes(arguments["strides"]) if arguments["sizes"] is None else arguments["sizes"]
        return {**arguments, "sizes": sizes}

    def shown(self, dense: Dense) -> Any:
        """What is said of each position, and of as many proposals as are learnt from, or looked at in prediction."""
        count = self.rois if self.training else _PROPOSALS["testing"]
        cut = dense.levels[0].new_zeros(len(dense.levels[0]) * count, self.width, _CUT, _CUT)
        return dense, self._boxes.box_predictor(self._boxes.box_head(cut))

    def found(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """The proposals, classed and moved, without what overlaps."""
        proposals = self._proposed(dense, size)
        logits, moves = self._judged(dense, proposals, size)
        every = self._boxes.postprocess_detections(logits, moves, proposals, [size] * len(proposals))
        rows = [
            torch.cat([edges, scores[:, None], (labels - 1)[:, None].to(edges.dtype)], 1)
            for edges, scores, labels in zip(*every, strict=True)
        ]
        return filled(rows)

    def compared(self, dense: Dense, truths: Sequence[Truths], size: tuple[int, int]) -> dict[str, Tensor]:
        """`objects` and `proposals`: whether anchors are objects, and their edges; `classes` and `boxes`: the same of
        what was cut out."""
        anchors = self.anchors.on(dense.grids, dense.device)
        draws = _draws(truths)
        first = [
            self._first_stage(anchors, dense.of(number), true, own)
            for number, (true, own) in enumerate(zip(truths, draws, strict=True))
        ]
        drawn = [self._drawn(*one) for one in zip(self._proposed(dense, size), truths, draws, strict=True)]
        counts = [len(one.proposals) for one in drawn]
        logits, moves = self._judged(dense, [one.proposals for one in drawn], size)
        own_logits, own_moves = torch.split(logits, counts), torch.split(moves, counts)
        found = []
        for one, before, own, edges in zip(drawn, first, own_logits, own_moves, strict=True):
            if len(own):
                classes, boxes = fastrcnn_loss(own, edges, [one.labels], [one.moves])
            else:  # all that is proposed lies in a crowd
                classes = boxes = logits.sum() * 0
            found.append({**before, "classes": classes, "boxes": boxes})
        return gathered(found)

    @property
    def _proposals(self) -> RegionProposalNetwork:
        head: FasterHead = self.head  # type: ignore[assignment]
        return head.proposals

    @property
    def _boxes(self) -> RoIHeads:
        head: FasterHead = self.head  # type: ignore[assignment]
        return head.boxes

    def _first_stage(
        self, anchors: Tensor, outputs: dict[str, Tensor], true: Truths, draws: torch.Generator
    ) -> dict[str, Tensor]:
        labels, matched = self._proposals.assign_targets_to_anchors([anchors], [{"boxes": true.boxes}])
        labels[0][(labels[0] == 0) & passed_over(anchors, true)] = -1.0
        if not bool((labels[0] >= 0).any()):
            nothing = outputs["objects"].sum() * 0
            return {"objects": nothing, "proposals": nothing}
        labels = [chosen(labels[0], _DRAWN, 0.5, draws)]
        wanted = self._proposals.box_coder.encode(matched, [anchors])
        objects, edges = self._proposals.compute_loss(outputs["objects"][0], outputs["moves"][0], labels, list(wanted))
        return {"objects": objects, "proposals": edges}

    def _proposed(self, dense: Dense, size: tuple[int, int]) -> list[Tensor]:
        """The proposals of each picture, (P, 4)."""
        count = len(dense.levels[0])
        anchors = [self.anchors.on(dense.grids, dense.device)] * count
        moved = self._proposals.box_coder.decode(dense.outputs["moves"].detach().flatten(0, 1), anchors)
        counts = [height * width * self.anchors.each for height, width in dense.grids]
        with torch.no_grad():
            found, _ = self._proposals.filter_proposals(
                moved.reshape(count, -1, 4), dense.outputs["objects"], [size] * count, counts
            )
        return list(found)

    def _drawn(self, proposals: Tensor, true: Truths, draws: torch.Generator) -> _Drawn:
        """Proposals and truths of a picture, so many of them at random."""
        every = torch.cat([proposals, true.boxes])
        matched, labels = self._boxes.assign_targets_to_proposals([every], [true.boxes], [true.labels + 1])
        labels[0][(labels[0] == 0) & passed_over(every, true)] = -1
        places = torch.where(chosen(labels[0], self.rois, 0.25, draws) >= 0)[0]
        boxes = true.boxes if len(true.boxes) else every.new_zeros(1, 4)
        moves = self._boxes.box_coder.encode([boxes[matched[0][places]]], [every[places]])[0]
        return _Drawn(every[places], labels[0][places], moves)

    def _judged(self, dense: Dense, proposals: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Logits and moves of all proposals, in float32."""
        boxes, kind = self._boxes, dense.device.type
        levels = {str(number): one.float() for number, one in enumerate(dense.levels)}
        cut = boxes.box_roi_pool(levels, proposals, [size] * len(proposals))
        with torch.autocast(kind, torch.get_autocast_dtype(kind), enabled=dense.mixed):
            if not dense.mixed:
                cut = cut.to(next(boxes.box_head.parameters()).dtype)
            logits, moves = boxes.box_predictor(boxes.box_head(cut))
        return logits.float(), moves.float()


class _Drawn(NamedTuple):
    """Proposals that are learnt from, (P, 4), their classes, 0 for the background, (P,), and moves, (P, 4)."""

    proposals: Tensor
    labels: Tensor
    moves: Tensor


class FasterHead(nn.Module):
    """From the body's maps to logits of being an object and moves of edges of each anchor; holds the second stage too.

    Args:
        pyramid, proposals, boxes: its parts.
    """

    def __init__(self, pyramid: Pyramid, proposals: RegionProposalNetwork, boxes: RoIHeads) -> None:
        super().__init__()
        self.pyramid, self.proposals, self.boxes = pyramid, proposals, boxes

    def forward(self, *maps: Tensor) -> Dense:
        levels = self.pyramid(*maps)
        count = len(levels[0])
        objects, moves = concat_box_prediction_layers(*self.proposals.head(levels))
        return Dense({"objects": objects.reshape(count, -1, 1), "moves": moves.reshape(count, -1, 4)}, levels)


def chosen(labels: Tensor, count: int, share: float, draws: torch.Generator) -> Tensor:
    """Labels (P,) with −1 in place of those that are not drawn: Ren et al. section 3.1.3.

    Args:
        labels: 1 or more of what has a truth, 0 of the background, below 0 of what counts for nothing.
        count: to be drawn, fewer where there are not as many.
        share: of these with a truth at most; the background fills up.
        draws: on the processor, so that a GPU draws the same.
    """
    found, room = torch.full_like(labels, -1), count
    for some, most in ((labels >= 1, int(count * share)), (labels == 0, count)):
        places = torch.where(some)[0]
        order = torch.randperm(len(places), generator=draws)[: min(most, room)].to(places.device)
        found[places[order]] = labels[places[order]]
        room -= len(order)
    return found


def _draws(truths: Sequence[Truths]) -> list[torch.Generator]:
    """A generator for each picture, from one number of the global one and its own truths: the pictures before it, and
    how many there are, change nothing."""
    once = int(torch.randint(2**62, ()))
    own = [zlib.crc32(torch.cat([part.flatten().float() for part in true]).cpu().numpy().tobytes()) for true in truths]
    return [torch.Generator().manual_seed(derive(once, one)) for one in own]


def _all_labelled(labels: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """What torchvision's network of proposals learns from: all that is labelled, as it is drawn before."""
    return [one >= 1 for one in labels], [one == 0 for one in labels]


def _sizes(strides: Sequence[int]) -> list[list[int]]:
    """One size a level: 32 px at the stride 4, Lin et al. section 4.1."""
    return [[8 * stride] for stride in strides]


def _cutter(strides: Sequence[int]) -> MultiScaleRoIAlign:
    """What cuts proposals out of the levels of these strides; told the scales, which it would guess from the first
    picture."""
    scale, level = _CANONICAL
    cutter = MultiScaleRoIAlign(
        [str(number) for number in range(len(strides))], _CUT, 2, canonical_scale=scale, canonical_level=level
    )
    cutter.scales = [1 / stride for stride in strides]
    cutter.map_levels = initLevelMapper(
        strides[0].bit_length() - 1, strides[-1].bit_length() - 1, canonical_scale=scale, canonical_level=level
    )
    return cutter
