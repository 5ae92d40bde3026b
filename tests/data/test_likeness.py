"""Likeness: the same for every type of pixels, high for every kind of copy, low for other pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_data import noise, scene
from PIL import Image
from scipy.fft import dctn

from striate.data.likeness import LENGTH, WINDOWS, descriptors, miniature, similarity


def small(pixels: np.ndarray) -> np.ndarray:
    found = miniature(pixels)
    assert found is not None
    return found


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resized(pixels: np.ndarray, scale: float) -> np.ndarray:
    height, width = (round(scale * side) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


COPIES = {
    "compressed": lambda pixels: jpeg(pixels, 30),
    "half": lambda pixels: resized(pixels, 0.5),
    "double": lambda pixels: resized(pixels, 2),
    "squashed": lambda pixels: np.asarray(Image.fromarray(pixels).resize((90, 90))),
    "darker": lambda pixels: (pixels * 0.85).astype(np.uint8),
    "brighter": lambda pixels: np.clip(pixels * 1.15, 0, 255).astype(np.uint8),
    "cropped at a corner": lambda pixels: jpeg(pixels[: -pixels.shape[0] // 10, : -pixels.shape[1] // 10], 90),
    "cropped somewhere": lambda pixels: pixels[5:113, 11:155],
    "cropped on one side": lambda pixels: pixels[:, 16:],
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_alike(kind: str) -> None:
    scenes = [scene(seed, 120, 160) for seed in range(12)]
    first = np.stack([small(one) for one in scenes])
    second = np.stack([small(COPIES[kind](one)) for one in scenes])
    sums = np.stack([descriptors(first, window) for window in WINDOWS]) * descriptors(second, WINDOWS[0])
    agreement = sums.sum(2) / LENGTH**2
    assert agreement.max(0).min() > 0.8
    assert similarity(first, second, agreement.argmax(0)).min() > 0.94


def test_other_pictures_are_not_alike() -> None:
    minis = np.stack([small(scene(seed, 64, 64)) for seed in range(40)])
    one, other = np.triu_indices(40, 1)
    assert similarity(minis[one], minis[other]).max() < 0.6


def test_mirrored_and_turned_copies_are_not_told() -> None:
    mini = small(scene(0, 64, 64))[None]
    assert similarity(mini, mini[:, :, ::-1]).item() < 0.6
    assert similarity(mini, mini[:, ::-1]).item() < 0.6


def test_what_is_in_a_frame_or_lies_on_a_table_must_agree_too() -> None:
    scenes = [scene(seed, 96, 96) for seed in range(2)]
    for one in scenes:
        one[:8], one[-8:], one[:, :8], one[:, -8:] = 0, 0, 0, 0
    minis = np.stack([small(one) for one in scenes])
    assert similarity(minis[:1], minis[1:]).item() < 0.8


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_type_of_pixels_gives_the_same_miniature(channels: int) -> None:
    pixels = np.concatenate([scene(seed, 48, 40) for seed in range(2)], axis=2)[:, :, :channels]
    mini = small(pixels).astype(int)
    for other in (pixels.astype(np.uint16) * 257, pixels.astype(np.float32) / 255, pixels.astype(np.float32) - 128):
        assert np.abs(small(np.ascontiguousarray(other)) - mini).max() <= 3


@pytest.mark.parametrize(
    "pixels",
    [
        noise(0, 15, 100),
        np.full((40, 40, 3), 200, np.uint8),
        np.full((40, 40, 1), 0.5, np.float32),
        np.zeros((40, 40, 2), np.uint16),
        (noise(0, 400, 400) // 60 + 90).astype(np.uint8),  # shrunk, nothing but a shade is left
    ],
)
def test_tiny_and_faint_pictures_have_none(pixels: np.ndarray) -> None:
    assert miniature(pixels) is None


def test_descriptors_are_the_cosines_that_scipy_finds() -> None:
    minis = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
    expected = dctn(minis.astype(np.float64), axes=(1, 2), norm="ortho")[:, :8, :8]
    expected *= np.hypot(np.arange(8)[:, None], np.arange(8)[None, :])
    expected = expected.reshape(5, -1)
    expected *= LENGTH / np.linalg.norm(expected, axis=1, keepdims=True)
    found = descriptors(minis, WINDOWS[0])
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    assert (found == np.rint(found)).all()


def test_nothing_is_asked_of_no_pictures() -> None:
    none = np.zeros((0, 32, 32), np.uint8)
    assert similarity(none, none).shape == (0,)
    assert descriptors(none, WINDOWS[0]).shape == (0, 64)
