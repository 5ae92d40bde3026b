"""The first operation of every network."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import NetworkError
from striate.nets import Normalize

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_it_is_torchvision_s_formula(dtype: torch.dtype) -> None:
    pixels = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (MEAN, STD))
    expected = (pixels.double() / 255 - mean) / std
    found = Normalize(MEAN, STD)(pixels.to(dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)


def test_it_keeps_the_memory_format_and_has_no_state() -> None:
    module = Normalize(MEAN, STD)
    pixels = torch.zeros(2, 3, 5, 7, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert module(pixels).is_contiguous(memory_format=torch.channels_last)
    assert not module.state_dict()
    assert not list(module.parameters())


def test_one_channel_does_not_broadcast() -> None:
    with pytest.raises(NetworkError, match="3 channels were expected"):
        Normalize(MEAN, STD)(torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(("mean", "std"), [([0.5], [0.0]), ([0.5, 0.5], [0.1]), ([], [])])
def test_what_cannot_standardise_is_refused(mean: list[float], std: list[float]) -> None:
    with pytest.raises(NetworkError, match="std"):
        Normalize(mean, std)
