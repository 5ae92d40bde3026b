"""What a glance at a picture tells: against plain formulas, and on pictures where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from striate.data.looks import SMALL_SIDE, looks


def test_sharpness_equals_second_differences_over_the_variance() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (60, 70), np.uint8)
    wanted = sum((np.diff(plane.astype(float), 2, axis) ** 2).mean() / plane.astype(float).var() for axis in (0, 1))
    assert looks(plane[:, :, None], 255).sharpness == pytest.approx(wanted, rel=1e-12)
    assert looks(plane[:, :, None], 255).sharpness == pytest.approx(12, rel=0.1)  # as of noise


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    scene = np.random.default_rng(1).normal(128, 30, (300, 400))
    found = [
        looks((ndimage.gaussian_filter(scene, sigma) * gain).clip(0, 255).astype(np.uint8)[:, :, None], 255).sharpness
        for sigma, gain in ((0, 1.0), (0.7, 1.0), (1.2, 1.0), (2, 1.0))
    ]
    assert found == sorted(found, reverse=True)
    assert found[3] < found[0] / 10
    plain, faint = (looks((scene * gain).astype(np.uint8)[:, :, None], 255).sharpness for gain in (1.0, 0.5))
    assert faint == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (2, 2, 4), (3, 700, 3)])
def test_tiny_and_constant_pictures_have_nothing(shape: tuple[int, int, int]) -> None:
    found = looks(np.full(shape, 9, np.uint8), 9)
    assert found[:2] == (0.0, (0, 0, 0, 0))


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shade", [0, 255, 90])
@pytest.mark.parametrize(
    "bars", [(10, 10, 0, 0), (0, 0, 12, 8), (6, 9, 4, 5), (0, 0, 0, 0), (7, 0, 0, 0), (1, 1, 0, 0)]
)
def test_bars_are_measured(bars: tuple[int, int, int, int], shade: int) -> None:
    pixels = scene(100, 120, 3)
    top, bottom, left, right = bars
    pixels[:top] = shade
    pixels[100 - bottom :] = shade
    pixels[:, :left] = shade
    pixels[:, 120 - right :] = shade
    wanted = (0, 0, 0, 0) if min(top, bottom) < 2 and min(left, right) < 3 else bars
    assert looks(pixels, 255).bars == wanted


def test_bars_of_two_shades_and_fading_edges_are_none() -> None:
    pixels = scene(100, 120, 3)
    pixels[:10], pixels[-10:] = 0, 255
    assert looks(pixels, 255).bars == (0, 0, 0, 0)
    vignette = np.hanning(100)[:, None, None] * np.hanning(120)[None, :, None] * 255 * np.ones(3)
    assert looks(vignette.astype(np.uint8), 255).bars == (0, 0, 0, 0)


def test_grey_is_told_whatever_the_channels_hold() -> None:
    colour = scene(40, 40)
    assert not looks(colour, 255).grey
    grey = np.repeat(colour[:, :, :1], 3, axis=2)
    assert looks(grey, 255).grey
    grey[3, 3, 0] ^= 1
    assert not looks(grey, 255).grey


def test_the_small_copy_is_made_only_where_asked_for() -> None:
    pixels = scene(128, 256)
    assert looks(pixels, 255).small is None
    small = looks(pixels, 255, small=True).small
    assert small is not None
    assert small.shape == (SMALL_SIDE, SMALL_SIDE)
    blocks = pixels[:, :, 1].reshape(64, 2, 64, 4).mean((1, 3))
    assert np.abs(small - blocks).max() <= 1
