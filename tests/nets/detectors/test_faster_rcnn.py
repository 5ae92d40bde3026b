from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from striate.core.errors import NetworkError
from striate.nets.detectors.faster_rcnn import chosen
from tests.nets.detectors.made import PLAIN_PICTURES, TWO, Levels, as_rows, made, pictures, spec_of, theirs, truths

NAMES = {
    "objects": "loss_objectness",
    "proposals": "loss_rpn_box_reg",
    "classes": "loss_classifier",
    "boxes": "loss_box_reg",
}


def reference(ours: Any) -> FasterRCNN:
    head = ours.head
    return FasterRCNN(
        Levels(ours, head.pyramid, 16),
        rpn_anchor_generator=AnchorGenerator(((64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 3),
        rpn_head=head.proposals.head, box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2),
        box_head=head.boxes.box_head, box_predictor=head.boxes.box_predictor, box_score_thresh=ours.least,
        box_batch_size_per_image=32, **PLAIN_PICTURES,
    )  # fmt: skip


def test_losses_of_one_picture_are_those_of_torchvision_by_equal_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randperm", lambda count, **_: torch.arange(count))
    detector = made("faster_rcnn").train()
    images = pictures()
    for number in range(2):
        expected = reference(detector).train()(list(images[number : number + 1]), theirs(TWO[number : number + 1], 1))
        found = detector.losses(images[number : number + 1], TWO[number : number + 1])
        for name, other in NAMES.items():
            torch.testing.assert_close(found[name][0], expected[other])


@pytest.mark.parametrize(("count", "share"), [(8, 0.5), (8, 0.25), (40, 0.5), (200, 0.5), (1, 0.25)])
def test_draws_are_those_of_torchvision(count: int, share: float) -> None:
    labels = torch.randint(-1, 3, (100,), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    positive, negative = BalancedPositiveNegativeSampler(count, share)([labels])
    found = chosen(labels, count, share, torch.Generator().manual_seed(3))
    assert torch.equal(found >= 1, positive[0].bool())
    assert torch.equal(found == 0, negative[0].bool())


def test_pictures_draw_by_themselves_and_anew_in_each_step() -> None:
    detector = made("faster_rcnn", rois=8).eval()
    found = []
    for seed, images, targets in ((0, pictures(), TWO), (0, pictures()[1:], TWO[1:]), (1, pictures(), TWO)):
        torch.manual_seed(seed)
        found.append(detector.losses(images, targets)["classes"])
    assert found[0][1].item() == pytest.approx(found[1][0].item(), rel=1e-4)
    assert not torch.allclose(found[0], found[2], rtol=1e-3)


def test_boxes_are_those_of_torchvision() -> None:
    detector = made("faster_rcnn").eval()
    with torch.no_grad():
        expected = as_rows(reference(detector).eval()(list(pictures())), 1)
        found = detector(pictures())
    assert (found[..., 5] >= 0).sum() > 20
    torch.testing.assert_close(found, expected)


def test_what_is_in_a_crowd_is_no_background() -> None:
    detector = made("faster_rcnn").train()
    found = detector.losses(pictures(1), truths([(-500, -500, 600, 600, 0, 2)]))
    assert all(one == 0 and one.requires_grad for one in found.values())
    anchor = (16 - 45, 16 - 23, 16 + 45, 16 + 23)
    torch.manual_seed(0)
    plain = detector.losses(pictures(1), truths([]))
    torch.manual_seed(0)
    difficult = detector.losses(pictures(1), truths([(*anchor, 0, 1)]))
    assert difficult["objects"] != plain["objects"]
    assert difficult["boxes"] == difficult["proposals"] == 0


def test_levels_must_double() -> None:
    with pytest.raises(NetworkError, match="must double"):
        spec_of("faster_rcnn", strides=[8, 32])
