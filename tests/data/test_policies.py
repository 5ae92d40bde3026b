"""Policies: each operation against torchvision's, and what is drawn against the papers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn import functional
from torchvision.transforms import v2

from striate.core.errors import UnknownName, UsageError
from striate.core.seeds import uniforms
from striate.data.augment import Augmenter
from striate.data.augment.policy import DRAWS, POLICIES, bound
from striate.data.augment.policy._operations import OPERATIONS, Range, operated
from striate.data.augment.policy.augmix import augmix
from striate.data.augment.policy.randaugment import randaugment, ranges
from striate.data.augment.policy.trivialaugment import ranges as wide_ranges
from striate.data.augment.policy.trivialaugment import trivialaugment


def images(count: int = 6, height: int = 24, width: int = 32, channels: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, (count, channels, height + 4, width + 4), generator=generator)
    return (2 * functional.avg_pool2d(noise.float(), 5, 1) - 100).clamp(0, 255).byte()


def geometric(**given: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """torchvision's affine of one picture; its moves and shears have the upper left corner as their origin."""
    moved = [int(given.get("across", 0)), int(given.get("down", 0))]
    shear = [math.degrees(math.atan(given.get(name, 0.0))) for name in ("shear_x", "shear_y")]
    bilinear = v2.InterpolationMode.BILINEAR
    return lambda image: v2.functional.affine(image, 0.0, moved, 1.0, shear, bilinear, 128, [0, 0])


EQUAL: dict[str, Callable[[float], Callable[[torch.Tensor], torch.Tensor]]] = {
    "identity": lambda s: lambda image: image,
    "shear_x": lambda s: geometric(shear_x=s),
    "shear_y": lambda s: geometric(shear_y=s),
    "translate_x": lambda s: geometric(across=s),
    "translate_y": lambda s: geometric(down=s),
    "rotate": lambda s: lambda image: v2.functional.rotate(image, s, v2.InterpolationMode.BILINEAR, fill=128),
    "brightness": lambda s: lambda image: v2.functional.adjust_brightness(image, 1 + s),
    "color": lambda s: lambda image: v2.functional.adjust_saturation(image, 1 + s),
    "contrast": lambda s: lambda image: v2.functional.adjust_contrast(image, 1 + s),
    "sharpness": lambda s: lambda image: v2.functional.adjust_sharpness(image, 1 + s),
    "posterize": lambda s: lambda image: v2.functional.posterize(image, int(s)),
    "solarize": lambda s: lambda image: v2.functional.solarize(image, s),
    "autocontrast": lambda s: v2.functional.autocontrast,
    "equalize": lambda s: v2.functional.equalize,
}
AT = {"shear_x": 0.2, "shear_y": 0.2, "translate_x": 5.7, "translate_y": 3.0, "rotate": 17.0, "solarize": 100.0}
AT |= {"posterize": 3.0}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_equals_torchvisions(name: str) -> None:
    strength = AT.get(name, 0.4)
    signs = [1, 1, 1] if name in ("posterize", "solarize") else [1, -1, 1]
    pixels, moves = images(3), name in ("shear_x", "shear_y", "rotate")
    found = OPERATIONS[name](pixels, strength * np.array(signs, np.float64))
    assert found.dtype == torch.uint8
    for row, sign in enumerate(signs):
        expected = EQUAL[name](sign * strength)(pixels[row])
        apart = (found[row].int() - expected.int()).abs()
        if moves:  # at the border, torchvision counts what lies beyond it twice
            apart = apart.flatten(1).sort().values[:, : apart[0].numel() * 9 // 10]
        assert int(apart.max()) <= 1
        assert name == "identity" or not torch.equal(found[row], pixels[row])


def test_operations_on_extremes() -> None:
    flat = torch.full((2, 3, 8, 8), 77, dtype=torch.uint8)
    none = np.zeros(2)
    for name in ("autocontrast", "equalize", "contrast", "sharpness"):
        assert torch.equal(OPERATIONS[name](flat, none), flat)
    for bits, expected in ((0.0, 0), (8.0, 77), (4.0, 64)):
        assert int(OPERATIONS["posterize"](flat, np.full(2, bits))[0, 0, 0, 0]) == expected
    assert int(OPERATIONS["solarize"](flat, np.zeros(2))[0, 0, 0, 0]) == 178
    assert torch.equal(OPERATIONS["solarize"](flat, np.full(2, 256.0)), flat)


def test_each_operation_is_as_likely_and_turned_round_half_of_the_time() -> None:
    pixels = torch.full((4000, 1, 1, 1), 100, dtype=torch.uint8)
    which, level, side = uniforms(np.arange(4000), 3, 0, "which").T
    limits = {"brightness": Range(0.1, 0.1, signed=True), "identity": Range(0, 0), "posterize": Range(2, 2)}
    found = operated(pixels, which, level, side, limits)
    values, counts = found.flatten().unique(return_counts=True)
    assert values.tolist() == [64, 90, 100, 110]
    assert scipy.stats.chisquare(counts.numpy(), 4000 * np.array([2, 1, 2, 1]) / 6).pvalue > 1e-3
    assert torch.equal(operated(pixels, np.full(4000, -1.0), level, side, limits), pixels)


def test_randaugment_is_its_operations_one_after_the_other() -> None:
    pixels = images(40)
    draws = uniforms(np.arange(40), DRAWS, 5)
    found = randaugment(pixels, draws, n=2, m=15)
    names, limits = list(ranges(24, 32)), ranges(24, 32)
    for row in range(40):
        expected = pixels[row : row + 1]
        for which, side in (draws[row, :2], draws[row, 2:4]):
            weakest, strongest, signed = limits[names[int(which * 14)]]
            strength = (weakest + strongest) / 2 * (-1 if signed and side < 0.5 else 1)
            expected = OPERATIONS[names[int(which * 14)]](expected, np.array([strength]))
        assert torch.equal(found[row], expected[0])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ranges, v2.RandAugment._AUGMENTATION_SPACE), (wide_ranges, v2.TrivialAugmentWide._AUGMENTATION_SPACE)],
)
def test_the_strengths_are_torchvisions(ours: Callable[[int, int], dict[str, Range]], theirs: dict) -> None:
    found = ours(224, 200)
    assert len(found) == len(theirs)
    for name, (magnitudes, signed) in theirs.items():
        own = found[
            {"ShearX": "shear_x", "ShearY": "shear_y"}.get(name)
            or name.lower().replace("ex", "e_x").replace("ey", "e_y")
        ]
        assert own.signed == signed
        expected = magnitudes(31, 224, 200)
        if expected is not None:
            scale = 255 if name == "Solarize" else 1
            levels = own.weakest + (own.strongest - own.weakest) * np.arange(31) / 30
            rounded = np.rint(levels) if name == "Posterize" else levels
            np.testing.assert_allclose(rounded, scale * expected.numpy(), atol=1e-3)


def test_trivialaugment_draws_every_strength() -> None:
    grey = torch.full((6000, 1, 1, 1), 100, dtype=torch.uint8)
    draws = uniforms(np.arange(6000), DRAWS, 0)
    found = trivialaugment(grey, draws).flatten()
    brighter = found[(np.floor(draws[:, 0] * 14) == 6) & (draws[:, 2] >= 0.5)]
    assert set(brighter.tolist()) == {math.floor(100 * (1 + np.float32(0.99 * step / 30))) for step in range(31)}


def test_augmix_mixes_as_the_paper_does() -> None:
    """Weights from Dirichlet's and Beta's distributions, seen through chains that each leave one number."""
    pixels = images(50)
    draws = uniforms(np.arange(50), DRAWS, 1)
    found = augmix(pixels, draws)
    assert found.dtype == torch.float32
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255.001
    draws[:, 0] = 0.0  # nothing of the chains
    torch.testing.assert_close(augmix(pixels, draws), pixels.float(), atol=1e-3, rtol=0)
    draws[:, 0] = 1.0  # the chains alone: solarised all, each pixel is inverted, whatever the weights
    solarized = draws.copy()
    solarized[:, 1:] = np.tile([0.5, 0.0, 4.5 / 9, 1.0, 0.9] + [0.0] * 6, 20)[: DRAWS - 1]
    inverted = torch.where(pixels >= 256 - 256, 255 - pixels, pixels).float()
    torch.testing.assert_close(augmix(pixels, solarized, severity=10, depth=1), inverted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_augmixs_weights_have_their_distributions(alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 3000
    chains = iter([torch.full((count, 1, 1, 1), value, dtype=torch.uint8) for value in (100, 0, 0)])
    monkeypatch.setattr("striate.data.augment.policy.augmix._chain", lambda *_: next(chains))
    draws = uniforms(np.arange(count), DRAWS, 2)
    draws[:, 0] = 1.0
    first = augmix(torch.zeros(count, 1, 1, 1, dtype=torch.uint8), draws, alpha=alpha).flatten().double() / 100
    expected = scipy.stats.beta(alpha, 2 * alpha)  # one of three Dirichlet weights
    assert scipy.stats.kstest(first.numpy(), expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", POLICIES.names())
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_policy_alters_each_picture_by_its_own_draws(name: str, channels: int) -> None:
    augmenter = Augmenter({"policy": name}, 3, (24, 32))
    pixels, ids = images(24, channels=channels), np.arange(24)
    whole = augmenter.images(pixels, ids, 1)
    assert torch.equal(augmenter.images(pixels, ids, 1), whole)
    assert not torch.equal(augmenter.images(pixels, ids, 2), whole)
    rows = np.array([5, 3, 17])
    assert torch.equal(augmenter.images(pixels[torch.from_numpy(rows)], rows, 1), whole[torch.from_numpy(rows)])
    assert torch.equal(augmenter.images(pixels.float(), ids, 1), whole)
    for height, width in ((1, 1), (1, 7), (2, 2)):
        small = Augmenter({"policy": name}, 3, (height, width)).images(images(40, height, width), np.arange(40), 0)
        assert bool(small.float().isfinite().all())


@pytest.mark.parametrize(
    ("policy", "options", "said"),
    [
        ("randaugment", {"n": "two"}, "whole number"),
        ("randaugment", {"m": 31}, "whole number from 0 to 30"),
        ("augmix", {"width": 9}, "whole number from 1 to 8"),
        ("augmix", {"alpha": 0}, "0.01 to 100"),
        ("none", {"n": 2}, "no policy"),
    ],
)
def test_options_that_a_policy_cannot_work_with_are_refused_before_training(
    policy: str, options: dict, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Augmenter({"policy": policy, "policy_options": options}, 0, (8, 8))


def test_a_misspelt_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="severity"):
        Augmenter({"policy": "augmix", "policy_options": {"severty": 2}}, 0, (8, 8))
    assert bound("randaugment", {"n": 1}).keywords == {"n": 1}
