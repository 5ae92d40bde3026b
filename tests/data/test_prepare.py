"""Preparation: against Pillow and torchvision's own operations, for every policy, depth and channel rule."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from made_data import noise
from PIL import Image
from torch.nn import functional
from torchvision.transforms import v2

from striate.core.errors import DataError
from striate.core.records import Picture
from striate.data.prepare import Preprocessing, centre


def made(height: int, width: int, channels: int = 3, policy: str = "crop", **more: object) -> Preprocessing:
    settings: dict[str, object] = {"mean": (0.5,) * channels, "std": (0.25,) * channels, "fill": (9.0,) * channels}
    return Preprocessing(height, width, channels, policy, **{**settings, **more})  # type: ignore[arg-type]


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels, "made")


def test_a_picture_of_the_right_size_is_left_as_it_is_and_copied() -> None:
    for channels in (1, 2, 3, 5):
        pixels = noise(0, 6, 8, channels)
        for policy in ("crop", "pad", "squash"):
            found = made(6, 8, channels, policy).prepare(picture(pixels))
            assert found.dtype == np.uint8
            assert (found == pixels.transpose(2, 0, 1)).all()
            assert found.flags.c_contiguous
            assert not np.shares_memory(found, pixels)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_squash_equals_pillow_band_by_band(interpolation: str, channels: int) -> None:
    pixels = noise(1, 40, 30, channels)
    found = made(16, 20, channels, "squash", interpolation=interpolation).prepare(picture(pixels))
    resample = Image.Resampling[interpolation.upper()]
    for channel in range(channels):
        expected = np.asarray(Image.fromarray(pixels[:, :, channel]).resize((20, 16), resample))
        assert (found[channel] == expected).all()


def test_bytes_equal_torchs_antialiased_resampling_but_for_rounding() -> None:
    pixels = noise(2, 50, 70, 3)
    found = made(20, 28, 3, "squash").prepare(picture(pixels))
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    expected = functional.interpolate(tensor, (20, 28), mode="bilinear", antialias=True)[0].numpy()
    assert np.abs(found - expected).max() <= 1.0


def test_crop_equals_resize_and_centre_crop() -> None:
    pixels = noise(3, 60, 90, 3)
    found = made(20, 20).prepare(picture(pixels))
    image = Image.fromarray(pixels)
    expected = v2.functional.center_crop(v2.functional.resize(image, [20]), [20, 20])
    assert (found == np.asarray(expected).transpose(2, 0, 1)).all()


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (33, 71), (500, 7), (1, 1)])
def test_crop_cuts_both_ends_alike(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 1), np.float32)
    pixels[:, :, 0] = np.arange(width)[None] + 1000 * np.arange(height)[:, None]
    found = made(8, 8, 1, "crop").prepare(picture(pixels))
    centred = (width - 1) / 2 + 1000 * (height - 1) / 2
    assert np.isclose(found.mean(), centred, rtol=1e-4)
    assert np.isclose((found[0, 0, 0] + found[0, -1, -1]) / 2, centred, rtol=1e-4)


def test_the_margin_is_kept_around_the_same_centre() -> None:
    preprocessing = made(16, 16, margin=1.25)
    whole = picture(noise(4, 56, 40))
    frame = preprocessing.prepare(whole, keep_margin=True)
    assert frame.shape == (3, 20, 20) == (3, *preprocessing.frame)
    assert (frame[:, 2:18, 2:18] == preprocessing.prepare(whole)).all()
    # timm's crop_pct 0.8 resizes the short side to 20 and cuts the central 16
    expected = v2.functional.center_crop(v2.functional.resize(Image.fromarray(whole.pixels), [20]), [16, 16])
    assert (preprocessing.prepare(whole).transpose(1, 2, 0) == np.asarray(expected)).mean() > 0.98


def test_pad_shows_the_whole_picture_between_fill() -> None:
    pixels = np.full((10, 40, 3), 200, np.uint8)
    found = made(20, 20, policy="pad", fill=(1.2, 2.0, 3.7)).prepare(picture(pixels))
    assert (found[:, 7:12] == 200).all()
    assert (found[:, 6] == np.array([1, 2, 4])[:, None]).all()
    assert (found[:, 13] == np.array([1, 2, 4])[:, None]).all()
    grey = made(20, 20, policy="pad", fill=(1.0, 2.0, 3.0)).prepare(picture(pixels[:, :, :1]))
    assert (grey[:, 0, 0] == [1, 2, 3]).all()
    assert (grey[:, 10, 10] == 200).all()
    slim = made(20, 20, 1, "pad").prepare(picture(np.full((1000, 1, 1), 5, np.uint8)))
    assert (slim[0, :, 9] == 5).all() or (slim[0, :, 10] == 5).all(), "one column stays"


def test_grey_is_repeated_and_colour_becomes_luma() -> None:
    grey, colour = noise(5, 9, 9, 1), noise(6, 9, 9, 3)
    found = made(9, 9, 3).prepare(picture(grey))
    assert (found == grey.transpose(2, 0, 1)).all()
    assert found.shape == (3, 9, 9)
    found = made(9, 9, 1).prepare(picture(colour))
    assert (found[0] == np.asarray(Image.fromarray(colour).convert("L"))).all()
    deep = made(9, 9, 1, full_scale=65535.0).prepare(picture(colour.astype(np.uint16) * 257))
    np.testing.assert_allclose(deep[0], colour @ np.array([0.299, 0.587, 0.114]), rtol=1e-5)


@pytest.mark.parametrize(("found", "wanted"), [(4, 3), (2, 1), (1, 4), (3, 5)])
def test_other_channels_are_refused(found: int, wanted: int) -> None:
    with pytest.raises(DataError, match=f"{found} channels and the network takes {wanted}") as caught:
        made(4, 4, wanted).prepare(picture(noise(0, 4, 4, found)))
    assert caught.value.fix


def test_deep_pictures_are_scaled_and_never_rounded() -> None:
    pixels = np.array([[[0], [4095]], [[1], [2048]]], np.uint16)
    found = made(2, 2, 1, full_scale=4095.0).prepare(picture(pixels))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [[0, 255], [255 / 4095, 2048 * 255 / 4095]], rtol=1e-6)
    reals = np.linspace(-1, 1, 30 * 40, dtype=np.float32).reshape(30, 40, 1)
    found = made(10, 10, 1, "squash", full_scale=1.0).prepare(picture(reals))
    tensor = torch.from_numpy(reals[None, None, :, :, 0]) * 255
    expected = functional.interpolate(tensor, (10, 10), mode="bilinear", antialias=True)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_bytes_stay_bytes_whatever_white_is() -> None:
    pixels = noise(7, 5, 5)
    assert (made(5, 5, full_scale=65535.0).prepare(picture(pixels)) == pixels.transpose(2, 0, 1)).all()


def test_it_survives_json_and_refuses_what_it_does_not_know() -> None:
    preprocessing = made(8, 9, margin=1.15, policy="pad", interpolation="bicubic")
    content = json.loads(json.dumps(preprocessing.to_dict()))
    assert Preprocessing.from_dict(content) == preprocessing
    with pytest.raises(DataError, match="no 'heigth'; did you mean 'height'"):
        Preprocessing.from_dict({**content, "heigth": 3})
    with pytest.raises(DataError, match="lacks margin"):
        Preprocessing.from_dict({key: value for key, value in content.items() if key != "margin"})
    with pytest.raises(DataError, match="wrong type"):
        Preprocessing.from_dict({**content, "height": "8"})


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"policy": "stretch"},
        {"interpolation": "cubic"},
        {"margin": 0.9},
        {"full_scale": 0.0},
        {"mean": (0.5,)},
        {"std": (0.1, 0.0, 0.1)},
        {"fill": (0.0, float("nan"), 0.0)},
    ],
)
def test_settings_of_no_use_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="preprocessing"):
        dataclasses.replace(made(4, 4), **change)  # type: ignore[arg-type]


def test_centre_takes_the_upper_left_of_two_middles() -> None:
    assert centre(np.arange(25).reshape(5, 5), 2, 3).tolist() == [[6, 7, 8], [11, 12, 13]]
