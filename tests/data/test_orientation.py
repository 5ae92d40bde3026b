"""Which way is up: recognised by a linear classifier, against scikit-learn, and not where there is nothing to see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from striate.data.orientation import LEAST, MOST, SIDE, orientation, thumbnail


def scenes(count: int, tilt: float, axis: int = 0) -> list[NDArray[np.float16]]:
    """Noise that grows darker along an axis."""
    random = np.random.default_rng(0)
    slope = np.moveaxis(np.linspace(tilt, -tilt, SIDE)[:, None, None], 0, axis)
    return list((slope + random.normal(0, 1, (count, SIDE, SIDE, 3))).astype(np.float16))


def found(thumbnails: list[NDArray[np.float16] | None], name: str | None = None) -> dict[str, float]:
    return orientation((one, name) for one in thumbnails)


def test_a_sky_marks_up_and_light_from_a_side_marks_the_side() -> None:
    sky, side, none = (found([*scenes(1000, *args)]) for args in ((0.5, 0), (0.5, 1), (0.0, 0)))
    assert sky["upside_down"] > 0.95
    assert abs(sky["mirrored"] - 0.5) < 0.1
    assert side["mirrored"] > 0.95
    assert abs(side["upside_down"] - 0.5) < 0.1
    assert abs(none["upside_down"] - 0.5) < 0.1


def test_each_picture_is_judged_by_a_fit_to_the_others() -> None:
    stack = scenes(LEAST, 0.05)
    odd = np.stack([one.astype(np.float64) - one[::-1] for one in stack])[:, : SIDE // 2].reshape(len(stack), -1)
    penalty = 0.3 * np.square(odd).sum() / odd.shape[1]
    held_out = cross_val_predict(Ridge(penalty, fit_intercept=False), odd, np.ones(len(odd)), cv=LeaveOneOut())
    assert 0.5 < (held_out > 0).mean() < 0.9
    assert found([*stack])["upside_down"] == pytest.approx((held_out > 0).mean())


def test_classes_that_differ_by_their_up_have_one_each() -> None:
    up, down = scenes(500, 0.5), [one[::-1] for one in scenes(500, 0.5)]
    shares = orientation([*((one, "upright") for one in up), *((one, "hanging") for one in down)])
    assert shares["upside_down"] < 0.6
    assert shares["upside_down_in_a_class"] > 0.95
    assert set(orientation((one, None) for one in [*up, *down])) == {"upside_down", "mirrored"}
    small = orientation((one, number % 10) for number, one in enumerate([*up, *down]))
    assert set(small) == {"upside_down", "mirrored"}


def test_few_pictures_are_not_judged() -> None:
    assert found([*scenes(LEAST - 1, 0.5)]) == {}
    assert found([*scenes(LEAST - 1, 0.5), None]) == {}
    assert found([]) == {}
    assert found([*scenes(LEAST, 0.5)]) != {}


def test_many_pictures_are_thinned_out() -> None:
    many = scenes(3 * MOST, 0.05)
    assert found([*many], "all") == found([*many[::3]], "all")


def test_identical_pictures_are_recognised_or_not_without_an_error() -> None:
    assert set(found([np.zeros((SIDE, SIDE, 3), np.float16)] * LEAST).values()) == {0.0}
    assert set(found([*scenes(1, 0.5) * LEAST]).values()) == {1.0}


SHAPES = [(16, 16, 3), (480, 640, 3), (17, 300, 1), (90, 33, 2), (28, 28, 3), (64, 64, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thumbnail_is_standardised_and_turns_with_its_picture(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    made = thumbnail(pixels)
    assert made is not None
    assert made.shape == (SIDE, SIDE, 3)
    assert abs(float(made.mean(dtype=np.float64))) < 1e-3
    assert float(made.std(dtype=np.float64)) == pytest.approx(1, abs=1e-3)
    for axis in (0, 1):
        turned = thumbnail(np.flip(pixels, axis))
        assert turned is not None
        np.testing.assert_allclose(turned, np.flip(made, axis), atol=2e-3)


def test_a_thumbnail_holds_the_means_of_its_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    means = pixels.reshape(8, 8, 8, 8, 3).mean((1, 3))
    np.testing.assert_allclose(thumbnail(pixels), (means - means.mean()) / means.std(), atol=2e-3)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((15, 64, 3), np.uint8), np.full((64, 64, 1), 7, np.uint8), np.full((64, 64, 3), 1e6 / 3, np.float32)],
)
def test_tiny_and_constant_pictures_have_none(pixels: NDArray[np.uint8]) -> None:
    assert thumbnail(pixels) is None


def test_dark_pictures_have_one() -> None:
    assert thumbnail(np.random.default_rng(0).random((32, 32, 1)) * 1e-7) is not None
