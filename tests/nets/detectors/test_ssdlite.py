from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from striate.core.errors import NetworkError
from striate.nets.detectors.ssdlite import even_shares
from tests.nets.detectors.made import SIDE, TWO, as_rows, made, pictures, spec_of, theirs, truths


class Levels(nn.Module):
    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        levels = self.detector.head(*self.detector.maps(images)).levels
        return OrderedDict((str(number), one) for number, one in enumerate(levels))


def reference(ours: Any) -> SSD:
    boxes = DefaultBoxGenerator([[2.0, 3.0]] * 4, scales=even_shares(4))
    return SSD(
        Levels(ours), boxes, (SIDE, SIDE), 4, head=ours.head.predictors, image_mean=[0.0] * 3, image_std=[1.0] * 3,
        score_thresh=ours.least, nms_thresh=ours.overlap, detections_per_img=100, topk_candidates=300,
    )  # fmt: skip


def test_losses_of_one_picture_are_those_of_torchvision() -> None:
    detector = made("ssdlite").train()
    for one in detector.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.eval()  # torchvision's pass would see other statistics than the second one
    images = pictures()
    for number in range(2):
        model = reference(detector)
        model.training = True
        expected = model(list(images[number : number + 1]), theirs(TWO[number : number + 1], 1))
        found = detector.losses(images[number : number + 1], TWO[number : number + 1])
        torch.testing.assert_close(found["classes"][0], expected["classification"])
        torch.testing.assert_close(found["boxes"][0], expected["bbox_regression"])


def test_losses_of_a_batch_are_those_of_torchvision_weighed_by_default_boxes_with_a_truth() -> None:
    detector = made("ssdlite").eval()
    model = reference(detector)
    model.training = True
    with torch.no_grad():
        expected = model(list(pictures()), theirs(TWO, 1))
        found = detector.losses(pictures(), TWO)
        anchors = detector.anchors(detector.head(*detector.maps(pictures())), (SIDE, SIDE))
    matched = [detector.matcher(box_iou(one["boxes"], anchors)) >= 0 for one in theirs(TWO)]
    boxes = torch.stack([one.sum() for one in matched])
    assert boxes.min() > 0
    assert boxes[0] != boxes[1]
    for ours, name in (("classes", "classification"), ("boxes", "bbox_regression")):
        torch.testing.assert_close((found[ours] * boxes).sum() / boxes.sum(), expected[name], rtol=1e-4, atol=0)
        assert not torch.isclose(found[ours].mean(), expected[name], rtol=1e-3)


def test_boxes_are_those_of_torchvision() -> None:
    detector = made("ssdlite").eval()
    with torch.no_grad():
        expected = as_rows(reference(detector).eval()(list(pictures())), 1)
        found = detector(pictures())
    assert (found[..., 5] >= 0).sum() > 20
    torch.testing.assert_close(found, expected)


def test_what_is_in_a_crowd_is_no_background() -> None:
    detector = made("ssdlite").eval()
    images, truth = pictures(1), (4, 6, 40, 50, 1)
    plain = detector.losses(images, truths([truth]))
    crowded = detector.losses(images, truths([truth, (-500, -500, 600, 600, 0, 2)]))
    assert crowded["boxes"] == plain["boxes"]
    assert 0 < crowded["classes"] < plain["classes"]


def test_shares_are_one_more_than_levels() -> None:
    with pytest.raises(NetworkError, match="5 numbers above 0"):
        spec_of("ssdlite", shares=[0.2, 0.4])
