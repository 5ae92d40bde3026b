"""How far detail reaches: pictures enlarged by known factors, and real ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.detail import LEAST, MOST, detail


def scene(side: int, seed: int) -> Image.Image:
    """A picture whose power falls with the square of the frequency, as that of natural scenes does."""
    random = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    radius[0, 0] = 1
    phases = np.exp(2j * np.pi * random.random(radius.shape))
    light = np.fft.irfft2(phases / radius, (side, side))
    return Image.fromarray(np.uint8(255 * (light - light.min()) / np.ptp(light))).convert("RGB")


@pytest.mark.parametrize("side", [32, 101, 200, 400])
def test_a_sharp_scene_is_full_of_detail(side: int) -> None:
    assert detail(np.asarray(scene(side, 0))) > 0.9


@pytest.mark.parametrize("factor", [1.5, 2, 3, 4, 8])
def test_an_enlarged_scene_shows_by_how_much(factor: float) -> None:
    found = []
    for seed in range(9):
        large = scene(240, seed)
        small = large.resize((round(240 / factor),) * 2, Image.Resampling.LANCZOS)
        found.append(detail(np.asarray(small.resize((240, 240), Image.Resampling.BICUBIC))))
    assert np.median(found) == pytest.approx(1 / factor, abs=max(0.06, 0.2 / factor))


def test_nothing_is_said_of_pictures_too_small_or_constant() -> None:
    assert detail(np.zeros((LEAST - 1, 100, 3), np.uint8)) == 1.0
    assert detail(np.full((64, 64, 3), 7, np.uint8)) == 1.0
    assert detail(np.full((LEAST, LEAST, 1), 7, np.uint16)) == 1.0
    assert detail(np.full((64, 64, 3), (10, 11, 11), np.uint8)) == 1.0


def test_large_pictures_are_judged_by_their_centre() -> None:
    pixels = np.zeros((MOST + 200, MOST + 100, 3), np.uint8)
    pixels[100:-100, 50:-50] = np.asarray(scene(MOST, 3))
    assert detail(pixels) == detail(np.asarray(scene(MOST, 3)))


def test_real_photographs_are_told_from_enlarged_ones() -> None:
    data = Path(os.environ.get("STRIATE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not data.is_dir():
        pytest.skip(f"the test material is not at {data}")

    def median(folder: str) -> float:
        files = sorted((data / folder).rglob("*.jpg"))[::29]
        return float(np.median([detail(np.asarray(Image.open(file).convert("RGB"))) for file in files]))

    assert median("trashnet") > 0.85
    assert median("hymenoptera") > 0.85
    assert 0.18 < median("flowers") < 0.3  # enlarged from about 32 px to 128
