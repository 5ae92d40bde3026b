"""Augmentation: what each does, against independent code; and that every draw belongs to its sample alone."""

from __future__ import annotations

import importlib
import io
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms import v2

from striate.core.errors import DataError, UsageError
from striate.core.registry import file_names
from striate.core.seeds import uniforms
from striate.data.augment import AUGMENTATIONS, Augmenter, BatchAugmentation, ImageAugmentation
from striate.data.augment._own import origin
from striate.data.augment.affine import affine
from striate.data.augment.blur import blur
from striate.data.augment.color import color
from striate.data.augment.crop import crop
from striate.data.augment.cutmix import cutmix
from striate.data.augment.elastic import elastic
from striate.data.augment.erase import erase
from striate.data.augment.flip import flip
from striate.data.augment.gamma import gamma
from striate.data.augment.hue import hue
from striate.data.augment.jpeg import jpeg
from striate.data.augment.mixup import mixup
from striate.data.augment.noise import exact, noise, normals
from striate.data.augment.perspective import perspective
from striate.data.augment.shear import shear
from striate.data.augment.shift import shift
from striate.losses.cross_entropy import cross_entropy
from striate.plan.planner import leaves

ALL = {"flip": "both", "shift": 0.2, "rotate": 20.0, "scale": 0.3, "color": 0.4, "mixup": 0.5}
BYTES = {"flip": "horizontal", "shift": 0.125}


def images(count: int = 6, side: int = 8, channels: int = 3, seed: int = 0, width: int | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, width or side), generator=generator, dtype=torch.uint8)


def draws(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)


def test_these_are_registered() -> None:
    assert AUGMENTATIONS.names() == file_names("striate.data.augment")
    kinds = {name: type(one) for name, one in AUGMENTATIONS.items()}
    assert [name for name, kind in kinds.items() if kind is BatchAugmentation] == ["cutmix", "mixup"]


# The contract that every augmentation of single pictures keeps, those to come too.
PER_IMAGE = [name for name, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation)]
STRONG = {"flip": "both", "shift": 0.25, "crop": 0.3, "rotate": 30.0, "scale": 0.5, "color": 0.5}
STRONG |= {"shear": 25.0, "perspective": 0.5, "gamma": 0.8, "hue": 0.4, "grey": 0.3, "blur": 0.1, "noise": 0.2}
STRONG |= {"erase": 0.5, "elastic": 0.1, "jpeg": 20, "policy": "randaugment", "policy_options": {}}


@pytest.mark.parametrize("name", PER_IMAGE)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [8, 97])
def test_a_row_depends_on_itself_alone(name: str, channels: int, side: int) -> None:
    one = AUGMENTATIONS.get(name)
    assert isinstance(one, ImageAugmentation)
    augmenter = Augmenter({key: STRONG[key] for key in one.settings}, seed=3, size=(side, side))
    pixels, ids = images(9, side, channels), np.arange(100, 109)
    whole = augmenter.images(pixels, ids, epoch=2)
    assert whole.shape == pixels.shape
    if name == "hue" and channels != 3:
        assert torch.equal(whole, pixels.float())
        return
    assert not torch.equal(whole.float(), pixels.float())
    assert torch.equal(augmenter.images(pixels, ids, epoch=2), whole), "the same call gives the same bits"
    for row in range(9):
        alone = augmenter.images(pixels[row : row + 1], ids[row : row + 1], epoch=2)
        assert torch.equal(alone[0], whole[row])
    order = np.random.default_rng(0).permutation(9)
    assert torch.equal(augmenter.images(pixels[torch.from_numpy(order)], ids[order], 2), whole[torch.from_numpy(order)])
    assert not torch.equal(augmenter.images(pixels, ids, epoch=3), whole)
    assert not torch.equal(augmenter.images(pixels, ids + 1, epoch=2), whole)


@pytest.mark.parametrize("name", PER_IMAGE)
def test_the_input_is_left_as_it_is(name: str) -> None:
    one = AUGMENTATIONS.get(name)
    assert isinstance(one, ImageAugmentation)
    for pixels in (images(), images().float()):
        before = pixels.clone()
        Augmenter({key: STRONG[key] for key in one.settings}, 0, (8, 8)).images(pixels, np.arange(6), 0)
        assert torch.equal(pixels, before)


@pytest.mark.parametrize("name", PER_IMAGE)
def test_one_pixel_and_wide_pictures_work(name: str) -> None:
    one = AUGMENTATIONS.get(name)
    assert isinstance(one, ImageAugmentation)
    for height, width in ((1, 1), (2, 2), (1, 7), (6, 3)):
        pixels = images(4, height, width=width)
        found = Augmenter({key: STRONG[key] for key in one.settings}, 0, (height, width)).images(
            pixels, np.arange(4), 0
        )
        assert found.shape == pixels.shape
        assert bool(torch.isfinite(found.float()).all())


def test_bytes_stay_bytes_as_long_as_they_can() -> None:
    ids = np.arange(6)
    assert Augmenter({}, 0, (8, 8)).images(images(), ids, 0).dtype == torch.uint8
    kept = Augmenter(BYTES, 0, (8, 8)).images(images(), ids, 0)
    assert kept.dtype == torch.uint8
    assert torch.equal(kept.float(), Augmenter(BYTES, 0, (8, 8)).images(images().float(), ids, 0))
    assert Augmenter({**BYTES, "color": 0.1}, 0, (8, 8)).images(images(), ids, 0).dtype == torch.float32


def test_nothing_asked_for_leaves_everything() -> None:
    off = {"flip": "none", "shift": 0.0, "crop": 1.0, "rotate": 0.0, "scale": 0.0, "color": 0.0, "mixup": 0.0}
    augmenter = Augmenter(off, 0, (8, 8))
    assert torch.equal(augmenter.images(images(), np.arange(6), 0), images())
    targets, weights = torch.eye(6), torch.ones(6)
    mixed = augmenter.mix(images(), targets, weights, 0, 0)
    assert all(torch.equal(one, other) for one, other in zip(mixed, (images(), targets, weights), strict=True))


def test_a_margin_is_cut_from_the_centre_unless_shifted() -> None:
    pixels = images(4, 12)
    centre = pixels[:, :, 2:10, 2:10]
    for settings in ({}, {"color": 0.0}):
        assert torch.equal(Augmenter(settings, 0, (8, 8)).images(pixels, np.arange(4), 0), centre)
    flipped = Augmenter({"flip": "horizontal"}, 0, (8, 8)).images(pixels, np.arange(4), 0)
    assert flipped.shape == centre.shape
    shifted = Augmenter({"shift": 0.25}, 0, (8, 8)).images(images(64, 12), np.arange(64), 0)
    windows = images(64, 12).unfold(2, 8, 1).unfold(3, 8, 1)  # all 25 windows within the margin
    tops, lefts = set(), set()
    for row in range(64):
        same = (windows[row] == shifted[row][:, None, None]).all(-1).all(-1).all(0).nonzero()
        assert len(same) == 1, "a shift within the margin invents no pixel"
        tops.add(int(same[0, 0]))
        lefts.add(int(same[0, 1]))
    assert tops == lefts == {0, 1, 2, 3, 4}


def test_a_crop_is_the_resized_window() -> None:
    """Against torchvision, for windows that lie on whole pixels."""
    pixels = images(2, 16).float()
    place = [0.25, 0.75]  # of what is left beside the window
    found = crop(pixels, draws([0.0, 0.5, *place], [0.0, 0.5, *place]), 0.25, (8, 8))
    torch.testing.assert_close(found, pixels[:, :, 2:10, 6:14])
    larger = crop(pixels, draws([0.0, 0.5, *place], [0.0, 0.5, *place]), 0.25, (24, 24))
    expected = v2.functional.resize(pixels[:, :, 2:10, 6:14], [24, 24], antialias=False)
    torch.testing.assert_close(larger[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2], atol=1e-3, rtol=1e-4)


def test_crops_keep_to_their_areas_and_to_the_picture() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    pixels = torch.stack([rows, columns]).expand(500, 2, 64, 64)
    found = crop(pixels, uniforms(np.arange(500), 4, 0, "crop", 0), 0.35, (32, 32))
    high, wide = ((found.amax((2, 3)) - found.amin((2, 3))) * 32 / 31 / 64).unbind(1)
    assert 0 <= float(found.min()) < 2
    assert 61 < float(found.max()) <= 63
    assert float((high * wide).min()) == pytest.approx(0.35, abs=0.02)
    assert float((high * wide).max()) == pytest.approx(1, abs=0.04)
    assert 0.7 < float((wide / high).min()) < 0.8
    assert 1.25 < float((wide / high).max()) < 1.4


def test_shift_beyond_the_border_equals_torchs_reflection() -> None:
    pixels = images(30, 8)
    uniform = uniforms(np.arange(30), 2, 0, "shift", 0)
    found = shift(pixels, uniform, 0.25, (8, 8))
    padded = torch.nn.functional.pad(pixels.float(), (2, 2, 2, 2), mode="reflect")
    seen = set()
    for row in range(30):
        top, left = (math.floor(u * 5) for u in uniform[row])
        seen |= {top, left}
        assert torch.equal(found[row].float(), padded[row, :, top : top + 8, left : left + 8])
    assert seen == {0, 1, 2, 3, 4}


def test_shift_uses_the_margin_before_it_reflects() -> None:
    pixels = images(1, 10)
    down = shift(pixels, draws([0.999, 0.5]), 0.25, (8, 8))  # 2 down of which 1 is in the margin
    assert torch.equal(down[0, :, :7], pixels[0, :, 3:10, 1:9])
    assert torch.equal(down[0, :, 7], pixels[0, :, 8, 1:9])


def test_flips() -> None:
    pixels = images(4)
    which = draws([0.2, 0.2], [0.2, 0.8], [0.8, 0.2], [0.8, 0.8])
    both = flip(pixels, which, "both")
    assert torch.equal(both[0], pixels[0].flip(1, 2))
    assert torch.equal(both[1], pixels[1].flip(2))
    assert torch.equal(both[2], pixels[2].flip(1))
    assert torch.equal(both[3], pixels[3])
    horizontal = flip(pixels, which, "horizontal")
    assert torch.equal(horizontal[0], pixels[0].flip(2))
    assert torch.equal(horizontal[2], pixels[2])
    assert torch.equal(flip(both, which, "both"), pixels), "twice is as never"
    share = (
        (flip(images(2000, 2, 1), uniforms(np.arange(2000), 2, 0, "flip", 0), "horizontal") != images(2000, 2, 1))
        .any(-1)
        .any(-1)
        .any(-1)
    )
    assert 0.42 < float(share.float().mean()) < 0.55


@pytest.mark.parametrize(("height", "width"), [(31, 31), (24, 40)])
def test_affine_equals_torchvision_inside(height: int, width: int) -> None:
    smooth = torch.nn.functional.avg_pool2d(images(1, height + 8, width=width + 8).float(), 9, 1)
    for degrees, zoom in ((17.0, 1.0), (-30.0, 1.0), (0.0, 1.4), (11.0, 1.3)):
        draw = draws([(degrees / 40 + 1) / 2, (math.log(zoom) / math.log(1.5) + 1) / 2])
        found = affine(smooth, draw, 40.0, 0.5)
        expected = v2.functional.affine(
            smooth, -degrees, [0, 0], zoom, [0.0, 0.0], interpolation=v2.InterpolationMode.BILINEAR
        )
        inside = (slice(None), slice(None), slice(height // 3, -height // 3), slice(width // 3, -width // 3))
        torch.testing.assert_close(found[inside], expected[inside], atol=0.02, rtol=1e-3)


def test_affine_by_ninety_degrees_is_a_rotation_of_the_array() -> None:
    pixels = images(1, 9).float()
    turned = affine(pixels, draws([1.0, 0.5]), 90.0, 0.0)
    torch.testing.assert_close(turned, torch.rot90(pixels, 1, (2, 3)), atol=1e-2, rtol=0)


def test_affine_reflects_beyond_the_border() -> None:
    row = torch.arange(8.0).repeat(8, 1)[None, None]
    smaller = affine(row, draws([0.5, 0.0]), 0.0, 1.0)[0, 0, 4]  # zoom 1/2: the source spans -4 to 12
    torch.testing.assert_close(smaller, torch.tensor([2.5, 0.5, 0.5, 2.5, 4.5, 6.5, 6.5, 4.5]), atol=1e-3, rtol=0)


def test_affine_without_strength_is_the_identity() -> None:
    pixels = images(2, 16).float()
    torch.testing.assert_close(affine(pixels, draws([0.9, 0.9], [0.1, 0.1]), 0.0, 0.0), pixels, atol=1e-3, rtol=0)


def test_color_equals_torchvision() -> None:
    pixels = images(3, 16).float() * 0.4 + 70  # so that nothing is clipped on the way
    which = draws([0.9, 0.5, 0.5], [0.5, 0.1, 0.5], [0.5, 0.5, 0.9])
    found = color(pixels, which, 0.5)
    expected = [
        v2.functional.adjust_brightness(pixels[0] / 255, 1.4) * 255,
        None,
        v2.functional.adjust_saturation(pixels[2] / 255, 1.4) * 255,
    ]
    torch.testing.assert_close(found[0], expected[0], atol=0.02, rtol=1e-4)
    mean = pixels[1].mean()
    torch.testing.assert_close(found[1], (pixels[1] - mean) * 0.6 + mean, atol=0.02, rtol=1e-4)
    torch.testing.assert_close(found[2], expected[2], atol=0.05, rtol=1e-3)


def test_color_stays_in_range_and_leaves_grey_grey() -> None:
    found = color(images(20).float(), uniforms(np.arange(20), 3, 0), 1.0)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    grey = images(5, channels=1).float().repeat(1, 3, 1, 1)
    found = color(grey, uniforms(np.arange(5), 3, 0), 0.5)
    torch.testing.assert_close(found, found[:, :1].expand_as(found), atol=1e-3, rtol=0)
    wide = images(1).float() * 3 - 200
    assert float(color(wide, draws([0.5, 0.5, 0.5]), 0.5).sub(wide).abs().max()) < 1e-3, "a wider range is not clipped"


@pytest.mark.parametrize("equal", [True, False])
def test_mixup_is_the_papers(equal: bool) -> None:
    """Also where weights differ: each mixed sample costs what its two parts would, each by its share and weight."""
    weights = torch.ones(5) if equal else torch.tensor([1.0, 2.0, 1.0, 0.5, 0.0])
    pixels, targets = images(5).float(), torch.eye(5)
    mixed, labels, counted = mixup(pixels, targets, weights, np.random.default_rng(4), 0.8)
    generator = np.random.default_rng(4)
    share = generator.beta(0.8, 0.8)
    partner = torch.from_numpy(generator.permutation(5))
    torch.testing.assert_close(mixed, share * pixels + (1 - share) * pixels[partner])
    if equal:
        torch.testing.assert_close(labels, share * targets + (1 - share) * targets[partner])
    outputs = torch.randn(5, 5)
    parts = share * weights * cross_entropy(outputs, targets)
    parts += (1 - share) * weights[partner] * cross_entropy(outputs, targets[partner])
    torch.testing.assert_close(counted * cross_entropy(outputs, labels), parts)
    torch.testing.assert_close(counted.sum(), weights.sum())
    torch.testing.assert_close(labels.sum(1), (counted > 0).float())


def test_mixing_is_named_by_epoch_and_batch() -> None:
    augmenter = Augmenter({"mixup": 0.4}, 7, (8, 8))
    targets, weights = torch.eye(6), torch.ones(6)

    def mixed(epoch: int, batch: int, one: Augmenter = augmenter) -> torch.Tensor:
        return one.mix(images(), targets, weights, epoch, batch)[0]

    assert torch.equal(mixed(1, 2), mixed(1, 2))
    assert not torch.equal(mixed(1, 2), mixed(1, 3))
    assert not torch.equal(mixed(1, 2), mixed(2, 2))
    assert not torch.equal(mixed(1, 2), mixed(1, 2, Augmenter({"mixup": 0.4}, 8, (8, 8))))


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'rotation'.*rotate"):
        Augmenter({"rotation": 3.0}, 0, (8, 8))


def test_all_at_once_with_a_margin() -> None:
    augmenter = Augmenter(ALL, 0, (32, 32))
    found = augmenter.images(images(16, 37), np.arange(16), 0)
    assert found.shape == (16, 3, 32, 32)
    assert found.dtype == torch.float32


def test_a_batch_takes_milliseconds() -> None:
    pixels, ids = images(128, 32), np.arange(128)
    for settings, limit in ((BYTES, 0.1), (ALL, 0.5)):
        augmenter = Augmenter(settings, 0, (32, 32))
        augmenter.images(pixels, ids, 0)
        best = min(_seconds(augmenter, pixels, ids, epoch) for epoch in range(5))
        assert best < limit  # far above what is measured: only a loop over pixels fails this


def _seconds(augmenter: Augmenter, pixels: torch.Tensor, ids: np.ndarray, epoch: int) -> float:
    started = time.perf_counter()
    augmenter.images(pixels, ids, epoch)
    return time.perf_counter() - started


@pytest.mark.parametrize("side", [12, 8])
def test_windows_gathered_at_once_are_those_copied_one_by_one(side: int) -> None:
    module = importlib.import_module("striate.data.augment.shift")
    pixels = images(16, side)
    starts = [np.arange(-4, 12) % 9 - 3, np.arange(16) % 7 - 2]
    copied, gathered = module._copied(pixels, starts, (8, 8)), module._gathered(pixels, starts, (8, 8))
    assert gathered.dtype == pixels.dtype
    assert torch.equal(copied, gathered)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_smaller_pictures_are_the_scaled_ones_altered_alike(dtype: torch.dtype) -> None:
    """With the margin scaled too, so that a shift moves by the same share of the picture."""
    settings = {"flip": "horizontal", "shift": 0.25, "rotate": 20.0}
    ids, pixels = np.arange(6), images(side=20).to(dtype)
    found = Augmenter(settings, 0, (16, 16)).images(pixels, ids, 3, (8, 8))
    halves = v2.functional.resize(pixels, [10, 10], antialias=True)
    assert torch.equal(found, Augmenter(settings, 0, (8, 8)).images(halves, ids, 3))
    whole = Augmenter(settings, 0, (16, 16))
    assert torch.equal(whole.images(pixels, ids, 3, (16, 16)), whole.images(pixels, ids, 3))


def smooth(count: int = 4, height: int = 24, width: int = 32) -> torch.Tensor:
    return functional.avg_pool2d(images(count, height + 4, width=width + 4).float(), 5, 1)


def test_shear_equals_torchvision_inside() -> None:
    pixels = smooth()
    for column, angles in enumerate(([[10.0, 0.0]], [[0.0, 10.0]])):
        row = np.full((4, 2), 0.5)
        row[:, column] = 1.0
        found = shear(pixels, row, 10.0)
        expected = v2.functional.affine(pixels, 0.0, [0, 0], 1.0, list(angles[0]), v2.InterpolationMode.BILINEAR)
        inside = (slice(None), slice(None), slice(6, -6), slice(8, -8))
        assert (found[inside] - expected[inside]).abs().mean() < 0.5 * (pixels[inside] - expected[inside]).abs().mean()


def test_perspective_equals_torchvision_inside() -> None:
    pixels = smooth(1)
    corner = np.array([[0.5, 0.2, 0.1, 0.4, 0.3, 0.6, 0.7, 0.1]])
    found = perspective(pixels, corner, 0.4)
    height, width = pixels.shape[2:]
    # The same corners in pixels; torchvision maps the first onto the second.
    moved = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * (1 - 0.4 * corner.reshape(4, 2))
    start = [[(x + 1) / 2 * width, (y + 1) / 2 * height] for x, y in moved]
    end = [[0, 0], [width, 0], [width, height], [0, height]]
    expected = v2.functional.perspective(pixels, start, end, v2.InterpolationMode.BILINEAR)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert (found[inside] - expected[inside]).abs().mean() < 2
    assert (pixels[inside] - expected[inside]).abs().mean() > 8
    torch.testing.assert_close(perspective(pixels, corner, 0.0), pixels, atol=1e-2, rtol=0)


def test_gamma_equals_torchvision() -> None:
    pixels = images().float()
    found = gamma(pixels, np.ones((6, 1)), 0.5)
    expected = v2.functional.adjust_gamma(pixels / 255, 1.5) * 255
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)
    assert torch.equal(gamma(pixels + 300, np.ones((6, 1)), 0.5), pixels + 300)


def test_hue_keeps_greys_and_turns_full_circle_and_greys_some() -> None:
    pixels = images().float()
    grey = pixels[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(hue(grey, np.random.default_rng(0).random((6, 2)), 0.5, 0.0), grey, atol=1e-2, rtol=0)
    third = hue(pixels, np.array([[1.0, 1.0]] * 6), 1 / 3, 0.0)  # a third of the circle: each channel the next
    torch.testing.assert_close(third, pixels.roll(1, 1), atol=1e-2, rtol=0)
    expected = v2.functional.rgb_to_grayscale(pixels, 3)
    torch.testing.assert_close(hue(pixels, np.zeros((6, 2)), 0.0, 0.1), expected, atol=0.05, rtol=0)


def test_blur_equals_torchvision() -> None:
    pixels = images(3, 40).float()
    found = blur(pixels, np.array([[1.0], [0.5], [0.0]]), 0.05)  # up to 2 px, within 6 px
    for row, sigma in enumerate((2.0, 1.0)):
        expected = v2.functional.gaussian_blur(pixels[[row]], [13, 13], [sigma, sigma])
        torch.testing.assert_close(found[[row]], expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(found[2], pixels[2], atol=1e-3, rtol=0)


def test_noise_is_normal_and_each_pictures_own() -> None:
    found = normals(torch.tensor([1, 2, 2**31 - 1]), 40_000)
    for row in found:
        assert abs(float(row.mean())) < 0.02
        assert abs(float(row.std()) - 1) < 0.02
        assert scipy.stats.kstest(row.numpy(), "norm").pvalue > 1e-3
        assert abs(float(np.corrcoef(row[:-1], row[1:])[0, 1])) < 0.02
    assert abs(float(np.corrcoef(found[0], found[1])[0, 1])) < 0.02
    grey = torch.full((2, 3, 64, 64), 128.0)
    strong = noise(grey, np.array([[1.0, 0.3], [0.5, 0.3]]), 0.1)
    assert float(strong[0].std()) == pytest.approx(25.5, rel=0.03)
    torch.testing.assert_close(strong[0] - 128, 2 * (strong[1] - 128), atol=1e-3, rtol=0)


def test_erasing_covers_a_rectangle_with_the_pictures_colour() -> None:
    pixels = images(400, 32).float()
    found = erase(pixels, np.random.default_rng(0).random((400, 5)), 0.4)
    shares = []
    for before, after in zip(pixels, found, strict=True):
        changed = (before != after).any(0)
        if not changed.any():
            continue
        rows, columns = torch.where(changed)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        inside = after[:, top:bottom, left:right]
        torch.testing.assert_close(inside, before.mean((1, 2))[:, None, None].expand_as(inside), atol=1e-3, rtol=0)
        shares.append(float((bottom - top) * (right - left)) / 1024)
    assert 150 < len(shares) < 250
    assert max(shares) < 0.43
    assert np.mean(shares) == pytest.approx(0.21, abs=0.03)


def test_cutmix_takes_as_much_of_the_target_as_of_the_picture() -> None:
    pixels = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 16, 24)
    targets, weights = torch.eye(8), torch.ones(8)
    shares = []
    for seed in range(200):
        mixed, shared, counted = cutmix(pixels, targets, weights, np.random.default_rng(seed), 1.0)
        assert torch.equal(counted, weights)
        for row in range(8):
            kept = float((mixed[row] == row).float().mean())
            partner = int(mixed[row].mean().gt(-1)) and [int(one) for one in mixed[row].unique() if one != row]
            if partner:
                assert shared[row, partner[0]] == pytest.approx(1 - kept, abs=1e-5)
                assert shared[row, row] == pytest.approx(kept, abs=1e-5)
                shares.append(kept)
    assert 0.4 < np.mean(shares) < 0.75


def test_where_several_ways_to_mix_are_on_each_batch_takes_one() -> None:
    pixels, targets, weights = images(8).float(), torch.eye(8), torch.ones(8)
    both = Augmenter({"mixup": 1.0, "cutmix": 1.0}, 0, (8, 8))
    alone = [Augmenter({name: 1.0}, 0, (8, 8)) for name in ("mixup", "cutmix")]
    taken = []
    for batch in range(30):
        found = both.mix(pixels, targets, weights, 1, batch)[0]
        taken.append([torch.equal(found, one.mix(pixels, targets, weights, 1, batch)[0]) for one in alone])
    assert all(any(one) for one in taken)
    assert 5 < sum(one[0] for one in taken) < 25


def as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture (H, W, 3) or (H, W), as Pillow compresses and reads it."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(buffer.getvalue()))).astype(np.float32)


def at_quality(quality: int) -> np.ndarray:
    return draws([0.5 / (101 - quality)])


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 95])
def test_jpeg_loses_what_pillows_loses(quality: int) -> None:
    """But for a rounding here and there, where a coefficient lies between two steps: within a quarter of the loss."""
    grain = smooth(1, 61, 86) + torch.arange(86) / 2 - 20  # sides that no block divides
    pixels = grain.round().clamp(0, 255)
    picture = pixels[0].permute(1, 2, 0).byte().numpy()
    expected = as_jpeg(picture, quality)
    found = jpeg(pixels, at_quality(quality), quality)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, found.round())
    lost = np.abs(expected - picture).mean()
    assert np.abs(found - expected).mean() < 0.25 * lost
    grey = picture[..., 0]
    found = jpeg(pixels[:, :1], at_quality(quality), quality)[0, 0].numpy()
    expected = as_jpeg(grey, quality)
    assert np.abs(found - expected).mean() < 0.25 * np.abs(expected - grey).mean()


def test_jpeg_of_a_flat_picture_is_the_picture_and_draws_every_quality() -> None:
    flat = torch.full((1, 3, 20, 20), 128.0)
    assert torch.equal(jpeg(flat, at_quality(40), 40), flat)
    pixels = images(1, 16).float()
    of_quality = {quality: jpeg(pixels, at_quality(quality), quality) for quality in (98, 99, 100)}
    for draw, quality in ((0.0, 98), (0.34, 99), (0.999, 100)):
        assert torch.equal(jpeg(pixels, draws([draw]), 98), of_quality[quality])


def test_elastic_moves_are_smooth_and_as_large_as_said() -> None:
    """Simard's Gaussian: so far apart, fields are as alike as its autocorrelation says, exp(−d² / 4σ²)."""
    side, count, strength = 64, 300, 0.05
    rows, columns = torch.meshgrid(torch.arange(side * 1.0), torch.arange(side * 1.0), indexing="ij")
    places = torch.stack([rows, columns]).expand(count, 2, side, side)
    whole = np.column_stack([np.ones(count), np.random.default_rng(0).random(count)])
    moves = elastic(places, whole, strength) - places
    inside = moves[..., 16:-16, 16:-16]
    assert float(inside.square().mean().sqrt()) == pytest.approx(strength * side, rel=0.05)
    assert abs(float(inside.mean())) < 0.3
    for apart in (4, 8, 16):
        alike = (inside[..., apart:] * inside[..., :-apart]).mean() / inside.square().mean()
        assert float(alike) == pytest.approx(math.exp(-((apart / 8) ** 2) / 4), abs=0.06)
    down, across = inside[:, 0].flatten().numpy(), inside[:, 1].flatten().numpy()
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.05
    still = elastic(places, np.zeros((count, 2)), strength)
    torch.testing.assert_close(still, places.contiguous(), atol=1e-3, rtol=0)


OWN = """
import torch

def tilt(image, generator):
    return image + generator.random()

def broken(image, generator):
    scale = 0
    return image / (1 / scale)

def cropped(image, generator):
    return image[:, 1:]

def deep(image, generator):
    return torch.nn.functional.interpolate(image)

def elsewhere(image, generator):
    return image.to("meta").fill_(1).new_zeros(image.shape, device="cpu").double()

def endless(image, generator):
    return image / 0

NUMBER = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_augmentations.py").write_text(OWN, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_augmentations", raising=False)


@pytest.mark.usefixtures("own")
def test_a_function_of_ones_own_draws_by_seed_epoch_and_sample() -> None:
    augmenter = Augmenter({"function": "my_augmentations:tilt"}, 3, (8, 8))
    pixels, ids = images(), np.arange(6)
    whole = augmenter.images(pixels, ids, 1)
    moved = (whole - pixels)[:, 0, 0, 0]
    assert len(moved.unique()) == 6
    assert torch.equal(augmenter.images(pixels[4:], ids[4:], 1), whole[4:])
    assert not torch.equal(augmenter.images(pixels, ids, 2), whole)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", r"'photo/b.jpg' in line 9 of my_augmentations.py: ZeroDivisionError"),
        ("cropped", r"gave \(3, 7, 8\) for 'photo/b.jpg'; a tensor of \(3, 8, 8\)"),
        ("deep", r"'photo/b.jpg' in line 15 of my_augmentations.py: ValueError: either size"),
        ("endless", r"not finite for 'photo/b.jpg'"),
    ],
)
def test_what_goes_wrong_in_it_names_the_sample(name: str, said: str) -> None:
    augmenter = Augmenter({"function": f"my_augmentations:{name}"}, 0, (8, 8), ["photo/a.jpg", "photo/b.jpg"])
    with pytest.raises(DataError, match=said):
        augmenter.images(images(1) + 1, np.array([1]), 0)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_augmentations", "module:function"),
        ("no_such_module:tilt", "cannot be imported"),
        ("my_augmentations:tillt", "did you mean 'tilt'"),
        ("my_augmentations:NUMBER", "no function 'NUMBER'"),
        (".my_augmentations:tilt", "cannot be imported"),
        ("misspelt:tilt", r"cannot be imported: .* in line 2 of misspelt.py"),
        ("unknown:tilt", r"cannot be imported: NameError: .* in line 3 of unknown.py"),
        ("ended:tilt", r"cannot be imported: SystemExit"),
        ("random:tilt", "another module 'random' is loaded already"),
    ],
)
def test_a_function_that_is_not_there_is_said(name: str, said: str) -> None:
    path = list(sys.path)
    for module, text in BROKEN.items():
        Path(f"{module}.py").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said):
        origin(name, os.getcwd())
    assert sys.path == path


BROKEN = {
    "misspelt": "\ndef tilt(image, generator:\n    return image\n",
    "unknown": "\n\nnothing()\n",
    "ended": "raise SystemExit(0)\n",
    "random": "def tilt(image, generator):\n    return image\n",
}


@pytest.mark.usefixtures("own")
def test_what_it_gives_comes_back_as_it_was_given() -> None:
    found = Augmenter({"function": "my_augmentations:elsewhere"}, 0, (8, 8)).images(images(2), np.arange(2), 0)
    assert found.dtype is torch.float32
    assert not found.any()


@pytest.mark.usefixtures("own")
def test_an_edited_function_is_loaded_anew_and_has_another_digest(tmp_path: Path) -> None:
    file, pixels = tmp_path / "my_augmentations.py", images(1).float()

    def altered() -> torch.Tensor:
        return Augmenter({"function": "my_augmentations:twice"}, 0, (8, 8)).images(pixels, np.array([0]), 0)

    file.write_text("def twice(image, generator):\n    return 2 * image\n")
    first = origin("my_augmentations:twice", str(tmp_path))
    assert torch.equal(altered(), 2 * pixels)
    assert origin("my_augmentations:twice", str(tmp_path)) == first
    file.write_text("def twice(image, generator):\n    return 3 * image\n")
    second = origin("my_augmentations:twice", str(tmp_path))
    assert torch.equal(altered(), 3 * pixels)
    assert first.digest != second.digest
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.usefixtures("own")
def test_a_file_of_the_same_name_in_another_folder_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "mine_too.py").write_text(f"def times(image, generator):\n    return {number} * image\n")
    for number in (2, 3, 2):
        found = origin("mine_too:times", str(tmp_path / str(number)))
        assert found.file == os.path.realpath(tmp_path / str(number) / "mine_too.py")
        monkeypatch.chdir(tmp_path / "3")  # what was loaded stands, wherever one works
        altered = Augmenter({"function": "mine_too:times"}, 0, (8, 8)).images(images(1), np.array([0]), 0)
        assert torch.equal(altered, number * images(1).float())


@pytest.mark.parametrize("height", [16, 24])
def test_the_steepest_shear_of_both_axes_mirrors_nothing_and_keeps_the_area(height: int) -> None:
    most = leaves()["augment.shear"].high
    assert most is not None
    for steep in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
        source = source_places(lambda ramps, steep=steep: shear(ramps, np.array([steep]), most), height, 20)
        middle = source[height // 2 - 1 : height // 2 + 1, 9:11]  # beyond its border a picture is its reflection
        torch.testing.assert_close(middle, torch.ones_like(middle), atol=1e-2, rtol=0)


def test_the_strongest_perspective_folds_nothing() -> None:
    most = leaves()["augment.perspective"].high
    assert most is not None
    random = np.random.default_rng(0)
    folded = [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]]
    for row in (*folded, *random.random((40, 8)), *random.integers(0, 2, (40, 8))):
        source = source_places(lambda ramps, row=row: perspective(ramps, np.array([row]), most), 24, 24)
        assert source.min() > 0


def source_places(alter: Callable[[torch.Tensor], torch.Tensor], height: int, width: int) -> torch.Tensor:
    """How much of the source each pixel takes, below 0 if mirrored; 1 in the outermost, which goes on as it is."""
    down, across = (100 + torch.arange(side, dtype=torch.float32) for side in (height, width))
    ramps = torch.stack([down[:, None].expand(height, width), across.expand(height, width)])[None]
    rows, columns = alter(ramps)[0]
    rows_down, rows_across = rows.diff(dim=0)[:, :-1], rows.diff(dim=1)[:-1]
    columns_down, columns_across = columns.diff(dim=0)[:, :-1], columns.diff(dim=1)[:-1]
    found = rows_down * columns_across - rows_across * columns_down
    within = (rows > 100) & (rows < 99 + height) & (columns > 100) & (columns < 99 + width)
    return torch.where(within[:-1, :-1] & within[1:, :-1] & within[:-1, 1:], found, torch.ones_like(found))


def test_double_precision_is_computed_where_there_is_some() -> None:
    assert exact(torch.device("mps")) == torch.device("cpu")
    assert exact(torch.device("cuda", 1)) == torch.device("cuda", 1)
