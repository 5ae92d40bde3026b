"""The domain gap against moments by hand and by torch's own norms; and what it says of norms that remember nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.evaluate.domain import FAR, NEAR, Gap, domain_gap


class Two(nn.Module):
    """A norm on the input, and one behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.conv, self.second = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.second(self.conv(self.first(images))).mean((2, 3)))  # type: ignore[no-any-return]


def taught(network: nn.Module, images: Tensor) -> nn.Module:
    """Its norms remember what these images give, as torch counts it: one after the other, in evaluation mode before."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            network.eval()
            module.momentum = 1.0
            module.train()
            with torch.no_grad():
                network(images)
    return network.eval()


def batches(images: Tensor, size: int = 5) -> list[Tensor]:
    return list(images.split(size))


NAMES = ["first.running_mean", "second.running_mean"]


def test_pictures_that_the_norms_were_taught_on_have_no_gap_in_whatever_batches() -> None:
    images = torch.rand(24, 3, 9, 9)
    network = taught(Two(), images)
    for size in (24, 5, 1):
        gap = domain_gap(network, nn.Identity(), batches(images, size), NAMES)
        assert gap is not None
        assert gap.pictures == 24
        assert gap.distance < 0.002  # torch remembers the unbiased variance
        assert gap.verdict == "near"


def test_a_shift_and_a_scale_are_what_they_are_in_deviations() -> None:
    network = Two().eval()
    network.first.running_mean = torch.tensor([1.0, 2.0, 3.0])
    network.first.running_var = torch.tensor([4.0, 4.0, 4.0])
    noise = torch.randn(64, 3, 8, 8, dtype=torch.float64)
    noise = (noise - noise.mean((0, 2, 3), keepdim=True)) / noise.std((0, 2, 3), correction=0, keepdim=True)
    means, deviations = torch.tensor([1.0, 5.0, 3.0]), torch.tensor([2.0, 2.0, 10.0])
    images = (noise * deviations.view(3, 1, 1) + means.view(3, 1, 1)).float()
    gap = domain_gap(network, nn.Identity(), batches(images), ["first.running_mean"])
    assert gap is not None
    assert list(gap.layers) == ["first"]
    assert gap.distance == pytest.approx((0 + 1.5 + 4.0) / 3, rel=1e-4)
    assert gap.verdict == "far"
    assert "far from" in gap.describe()
    assert "most at first with 1.83" in gap.describe()


def test_darker_pictures_are_further_the_darker_they_are() -> None:
    images = torch.rand(24, 3, 9, 9)
    network = taught(Two(), images)
    found = [domain_gap(network, nn.Identity(), batches(images * share), NAMES) for share in (1.0, 0.7, 0.4, 0.1)]
    distances = [one.distance for one in found if one is not None]
    assert len(distances) == 4
    assert distances == sorted(distances)


def test_norms_that_did_not_come_with_the_weights_say_nothing() -> None:
    images, network = torch.rand(4, 3, 9, 9), Two()
    assert domain_gap(network, nn.Identity(), batches(images), []) is None
    only = domain_gap(network, nn.Identity(), batches(images), NAMES[1:])
    assert only is not None
    assert list(only.layers) == ["second"]
    assert domain_gap(nn.Sequential(nn.Conv2d(3, 2, 1)), nn.Identity(), batches(images), NAMES) is None


def test_the_network_is_left_as_it_was() -> None:
    network = Two().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    domain_gap(network, nn.Identity(), batches(torch.rand(4, 3, 9, 9)), NAMES)
    assert network.training
    assert not network.first._forward_pre_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_each_verdict_has_its_words() -> None:
    said = [Gap(distance, {"a": distance}, 10).describe() for distance in (NEAR - 0.1, NEAR + 0.1, FAR + 0.1)]
    for words, text in zip(("are near to", "are some way off", "are far from"), said, strict=True):
        assert words in text
    assert ["--weights none" in text for text in said] == [False, False, True]
