"""The atrous pyramid against torchvision's, layer for layer."""

from __future__ import annotations

import re

import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import ASPP

from striate.core.errors import NetworkError
from striate.nets import AtrousSpatialPyramid, Network


def test_it_is_torchvision_s() -> None:
    ours, theirs = AtrousSpatialPyramid(6, (2, 3, 5)).build((4, 9, 8)).double(), ASPP(4, [2, 3, 5], 6).double()
    state = theirs.state_dict()
    assert [one.shape for one in ours.state_dict().values()] == [one.shape for one in state.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    x = torch.randn(3, 4, 9, 8, dtype=torch.float64)
    for training in (True, False):
        outputs = []
        for module in (ours.train(training), theirs.train(training)):
            torch.manual_seed(0)
            module.zero_grad()
            output = module(x)
            output.square().sum().backward()
            outputs.append(output)
        torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
        for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(
                one.grad, other.grad, rtol=1e-9, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}"
            )


def test_its_count_is_deeplab_s() -> None:
    with torch.device("meta"):
        ours, theirs = AtrousSpatialPyramid().build((2048, 28, 28)), ASPP(2048, [12, 24, 36])
    counts = [sum(one.numel() for one in module.parameters()) for module in (ours, theirs)]
    assert counts[0] == counts[1] == 15_535_104


@pytest.mark.parametrize("shape", [(4, 9), (4, 5, 6, 7)])
def test_it_serves_other_grids(shape: tuple[int, ...]) -> None:
    node = AtrousSpatialPyramid(6, (1, 2))
    assert node.build(shape)(torch.randn(2, *shape)).shape[1:] == node.output_shape(shape) == (6, *shape[1:])


def test_its_layers_have_names_and_numbers() -> None:
    layers = Network("n", (AtrousSpatialPyramid(6, (2,)),)).layers((4, 9, 9))
    names = [one.name.removeprefix("atrous_pyramid1.") for one in layers]
    assert names == [
        "branch1.conv1", "branch1.norm1", "branch1.activation1",
        "branch2.conv1", "branch2.norm1", "branch2.activation1",
        "pooling.pool1", "pooling.conv1", "pooling.norm1", "pooling.activation1",
        "project.conv1", "project.norm1", "project.activation1", "project.dropout1",
    ]  # fmt: skip
    assert layers[-1].input == (6, 9, 9)
    assert layers[10].input == (18, 9, 9)


def test_mistakes() -> None:
    with pytest.raises(NetworkError, match=re.escape("dropout must lie in [0, 1), not 1.0")):
        AtrousSpatialPyramid(dropout=1.0)
    with pytest.raises(NetworkError, match="rates must be at least 1"):
        AtrousSpatialPyramid(rates=(0,))
    with pytest.raises(NetworkError, match=r"layer 1 .*needs channels and one to three axes, receives a vector of 4"):
        Network("n", (AtrousSpatialPyramid(),)).output_shape((4,))
