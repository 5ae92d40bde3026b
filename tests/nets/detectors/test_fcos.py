from __future__ import annotations

from typing import Any

import torch
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

from striate.nets.detectors.fcos import assigned
from tests.nets.detectors.made import PLAIN_PICTURES, TWO, Levels, as_rows, made, pictures, theirs, truths


def reference(ours: Any) -> FCOS:
    anchors = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
    return FCOS(
        Levels(ours, ours.head.pyramid, 16), 3, anchor_generator=anchors, head=ours.head.predictors,
        score_thresh=ours.least, nms_thresh=ours.overlap, **PLAIN_PICTURES,
    )  # fmt: skip


def test_losses_of_one_picture_are_those_of_torchvision() -> None:
    detector = made("fcos").train()
    images = pictures()
    for number in range(2):
        torch.manual_seed(0)
        expected = reference(detector).train()(list(images[number : number + 1]), theirs(TWO[number : number + 1]))
        found = detector.losses(images[number : number + 1], TWO[number : number + 1])
        for ours, name in (("classes", "classification"), ("boxes", "bbox_regression"), ("centres", "bbox_ctrness")):
            assert torch.allclose(found[ours][0], expected[name], rtol=1e-5), name


def test_losses_of_a_batch_are_those_of_torchvision_weighed_by_positions_with_a_truth() -> None:
    detector = made("fcos").train()
    with torch.no_grad():
        expected = reference(detector).train()(list(pictures()), theirs(TWO))
        found = detector.losses(pictures(), TWO)
        grids = detector.head(*detector.maps(pictures())).grids
    cells, counts = detector.anchors.on(grids, torch.device("cpu")), [height * width for height, width in grids]
    positions = torch.stack([(assigned(cells, counts, one["boxes"]) >= 0).sum() for one in theirs(TWO)])
    assert positions.min() > 0
    assert positions[0] != positions[1]
    for ours, name in (("classes", "classification"), ("boxes", "bbox_regression"), ("centres", "bbox_ctrness")):
        torch.testing.assert_close((found[ours] * positions).sum() / positions.sum(), expected[name], rtol=1e-4, atol=0)
        assert not torch.isclose(found[ours].mean(), expected[name], rtol=1e-3)


def test_boxes_are_those_of_torchvision() -> None:
    detector = made("fcos").eval()
    with torch.no_grad():
        expected = as_rows(reference(detector).eval()(list(pictures())))
        found = detector(pictures())
    assert (found[..., 5] >= 0).sum() > 20
    torch.testing.assert_close(found, expected)


def test_positions_within_what_need_not_be_found_count_for_nothing() -> None:
    detector = made("fcos").train()
    images = pictures(1)
    background = detector.losses(images, truths([]))["classes"]
    for counts in (1, 2):
        everywhere = detector.losses(images, truths([(-1, -1, 65, 65, 0, counts)]))
        assert everywhere["classes"] == 0
        part = detector.losses(images, truths([(0, 0, 33, 33, 0, counts)]))["classes"]
        assert 0 < part < background
