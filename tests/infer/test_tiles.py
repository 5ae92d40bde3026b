"""Whole pictures through networks of outputs for each position: padded, and by tiles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.infer.forward import over_views
from striate.infer.tiles import Whole, reflected, shares, starts
from striate.nets import build, resolve


class Sees(nn.Module):
    """Outputs of a pixel alone: nothing that a border could change."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, images.square()], dim=1)


def _images(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("side", [1, 5, 63, 64, 65, 100, 113, 129, 200, 333])
@pytest.mark.parametrize("overlap", [0, 1, 16, 31])
def test_what_counts_for_a_pixel_adds_up_to_one(side: int, overlap: int) -> None:
    begins, tile = starts(side, 64, overlap), min(side, 64)
    counted, total = shares(side, tile, begins, overlap), np.zeros(side)
    for own, begin in zip(counted, begins, strict=True):
        assert (own > 0).all()
        total[begin : begin + tile] += own
    assert np.allclose(total, 1, atol=1e-6)
    assert begins[0] == 0
    assert begins[-1] + tile == side
    assert all(one + tile - after >= overlap for one, after in itertools.pairwise(begins))


@pytest.mark.parametrize("size", [(7, 5), (64, 64), (65, 30), (100, 150), (1, 200)])
def test_tiles_give_what_the_whole_picture_gives(size: tuple[int, int]) -> None:
    images = _images(2, 3, *size)
    found = Whole(Sees(), step=16, tile=64, overlap=16)(images)
    assert found.shape == (2, 6, *size)
    assert torch.allclose(found, Sees()(images), atol=1e-6)


def test_tiles_of_a_network_that_sees_little_agree_within_their_overlap() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.Conv2d(4, 2, 5, padding=2)).eval()
    images = _images(1, 1, 200, 144)
    with torch.no_grad():
        at_once, tiled = network(images), Whole(network, step=8, tile=64, overlap=24)(images)
    assert torch.allclose(tiled, at_once, atol=0.35)  # near a tile's end padding counts, but little
    assert (tiled - at_once).abs().mean() < 0.01 * at_once.abs().mean()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (3, 50), (1, 1)])
def test_a_unet_takes_pictures_of_any_size(size: tuple[int, int]) -> None:
    arguments = {"width": 2, "depth": 3, "norm": True}
    spec = resolve("unet", outputs=3, channels=1, height=32, width=32, arguments=arguments, form="grid")
    network = build(spec).eval()
    images = _images(2, 1, *size)
    with torch.no_grad():
        found = Whole(network, step=8, tile=64, overlap=8)(images)
        assert found.shape == (2, 3, *size)
        if size == (32, 32):
            assert torch.equal(found, network(images))


def test_padding_is_the_reflection() -> None:
    assert reflected(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert reflected(1, 3).tolist() == [0, 0, 0]
    row = np.arange(5)
    assert (row[reflected(5, 9)] == np.pad(row, (0, 4), "reflect")).all()


def test_a_network_of_one_row_a_sample_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(NetworkError, match="no outputs for each pixel"):
        Whole(network, step=8, tile=8, overlap=0)(_images(1, 1, 8, 8))


def test_views_of_a_grid_are_flipped_back() -> None:
    images = _images(2, 1, 6, 8)
    assert torch.allclose(over_views(Sees(), images, "flipped"), Sees()(images), atol=1e-6)
    ramp = torch.arange(8.0).expand(1, 1, 6, 8)

    class Adds(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + ramp

    expected = images + (ramp + ramp.flip(-1)) / 2
    assert torch.allclose(over_views(Adds(), images, "mirrored"), expected, atol=1e-6)
