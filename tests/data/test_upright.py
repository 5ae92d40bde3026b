"""Which way is up: told by a linear classifier, against scikit-learn, and not told where there is nothing to tell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from striate.data.upright import LEAST, SIDE, thumbnail, told


def scenes(count: int, tilt: float, axis: int = 0) -> list[NDArray[np.float32]]:
    """Noise that grows lighter along an axis."""
    random = np.random.default_rng(0)
    slope = np.moveaxis(np.linspace(-tilt, tilt, SIDE)[:, None, None], 0, axis)
    return list((slope + random.normal(0, 1, (count, SIDE, SIDE, 3))).astype(np.float32))


def test_a_sky_marks_up_and_light_from_a_side_marks_the_side() -> None:
    sky, side, none = (told(scenes(1000, *args)) for args in ((0.5, 0), (0.5, 1), (0.0, 0)))
    assert sky["upside_down"] > 0.95
    assert abs(sky["mirrored"] - 0.5) < 0.1
    assert side["mirrored"] > 0.95
    assert abs(side["upside_down"] - 0.5) < 0.1
    assert abs(none["upside_down"] - 0.5) < 0.1


def test_each_picture_is_judged_by_a_fit_to_the_others() -> None:
    stack = scenes(LEAST, 0.1)
    odd = np.stack([one - one[::-1] for one in stack]).astype(np.float64)[:, : SIDE // 2].reshape(len(stack), -1)
    penalty = 0.3 * np.square(odd).sum() / odd.shape[1]
    held_out = cross_val_predict(Ridge(penalty, fit_intercept=False), odd, np.ones(len(odd)), cv=LeaveOneOut())
    assert told(stack)["upside_down"] == pytest.approx((held_out > 0).mean())


def test_few_pictures_are_not_judged() -> None:
    assert told(scenes(LEAST - 1, 0.5)) == {}
    assert told([*scenes(LEAST - 1, 0.5), None]) == {}
    assert told([]) == {}


def test_many_pictures_are_thinned_out() -> None:
    assert told(scenes(9000, 0.5))["upside_down"] > 0.95


def test_identical_pictures_are_told_or_not_without_an_error() -> None:
    assert told([np.zeros((SIDE, SIDE, 3), np.float32)] * LEAST) == {"upside_down": 0.0, "mirrored": 0.0}
    assert told(scenes(1, 0.5) * LEAST)["upside_down"] == 1.0


@pytest.mark.parametrize("shape", [(16, 16, 3), (480, 640, 3), (17, 300, 1), (90, 33, 2), (64, 64, 5)])
def test_a_thumbnail_is_standardised(shape: tuple[int, ...]) -> None:
    made = thumbnail(np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16))
    assert made is not None
    assert made.shape == (SIDE, SIDE, 3)
    assert abs(float(made.mean())) < 1e-4
    assert float(made.std()) == pytest.approx(1, abs=1e-4)


def test_a_thumbnail_holds_the_means_of_its_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    means = pixels.reshape(8, 8, 8, 8, 3).mean((1, 3))
    np.testing.assert_allclose(thumbnail(pixels), (means - means.mean()) / means.std(), atol=1e-4)


@pytest.mark.parametrize("pixels", [np.zeros((15, 64, 3), np.uint8), np.full((64, 64, 1), 7, np.uint8)])
def test_tiny_and_constant_pictures_have_none(pixels: NDArray[np.uint8]) -> None:
    assert thumbnail(pixels) is None
