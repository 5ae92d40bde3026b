from __future__ import annotations

from typing import Any

import torch
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

from striate.nets.detectors.retinanet import octaves
from tests.nets.detectors.made import PLAIN_PICTURES, TWO, Levels, as_rows, made, pictures, theirs, truths


def reference(detector: Any) -> RetinaNet:
    sizes = tuple(map(tuple, octaves([8, 16, 32])))
    return RetinaNet(
        Levels(detector, detector.head.pyramid, 16), 3,
        anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3), head=detector.head.predictors,
        score_thresh=detector.least, nms_thresh=detector.overlap, detections_per_img=100, **PLAIN_PICTURES,
    )  # fmt: skip


def test_losses_of_one_picture_are_those_of_torchvision() -> None:
    detector = made("retinanet").train()
    images = pictures()
    for number in range(2):
        expected = reference(detector).train()(list(images[number : number + 1]), theirs(TWO[number : number + 1]))
        found = detector.losses(images[number : number + 1], TWO[number : number + 1])
        assert torch.allclose(found["classes"][0], expected["classification"], rtol=1e-5)
        assert torch.allclose(found["boxes"][0], expected["bbox_regression"], rtol=1e-5)


def test_boxes_are_those_of_torchvision() -> None:
    detector = made("retinanet").eval()
    with torch.no_grad():
        expected = as_rows(reference(detector).eval()(list(pictures())))
        found = detector(pictures())
    assert (found[..., 5] >= 0).sum() > 20
    torch.testing.assert_close(found, expected)


def test_anchors_on_what_need_not_be_found_count_for_nothing() -> None:
    detector = made("retinanet").train()
    images, anchor = pictures(1), [16 - 16, 16 - 16, 16 + 16, 16 + 16]
    background = detector.losses(images, truths([]))["classes"]
    difficult = detector.losses(images, truths([(*anchor, 0, 1)]))
    crowd = detector.losses(images, truths([(-200, -200, 300, 300, 0, 2)]))
    assert 0 < difficult["classes"] < background
    assert crowd["classes"] == 0
    assert difficult["boxes"] == crowd["boxes"] == 0


def test_an_anchor_on_a_truth_counts_even_in_a_crowd() -> None:
    detector = made("retinanet").train()
    images = pictures(1)
    found = detector.losses(images, truths([(0, 0, 32, 32, 1), (-200, -200, 300, 300, 0, 2)]))
    alone = detector.losses(images, truths([(0, 0, 32, 32, 1)]))
    assert found["boxes"] == alone["boxes"] > 0
    assert 0 < found["classes"] < alone["classes"]
