"""Detectors as published have the parameters of torchvision's, told by shapes alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models import detection

from striate.nets.spec import checked, resolve

NORMS = 53_120  # scales and offsets of ResNet-50's batch norms, which torchvision's detectors hold fixed


@pytest.mark.parametrize(
    ("name", "theirs", "arguments", "background"),
    [
        ("retinanet", "retinanet_resnet50_fpn", {}, 0),
        ("faster_rcnn", "fasterrcnn_resnet50_fpn", {}, 1),
    ],
)
def test_a_detector_as_published_has_the_parameters_of_torchvision_s(
    name: str, theirs: str, arguments: dict[str, Any], background: int
) -> None:
    spec = resolve(name, outputs=90, channels=3, height=320, width=320, arguments=arguments, form="boxes")
    assert spec["arguments"]["backbone"] == "resnet50"
    ours = sum(one.numel() for one in checked(spec).parameters())
    with torch.device("meta"):
        made = getattr(detection, theirs)(weights=None, weights_backbone=None, num_classes=90 + background)
    frozen = not any("bn" in key for key, _ in made.named_parameters())
    assert ours == sum(one.numel() for one in made.parameters()) + NORMS * frozen
