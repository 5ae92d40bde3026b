"""Colours and overlays: one scale for all, lightness that rises evenly, files that open."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import pictures

from striate.explain import colours, overlay


def test_the_colours_are_those_of_viridis() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    values = np.linspace(0, 1, 101)
    reference = matplotlib.colormaps["viridis"](values)[:, :3] * 255
    assert np.abs(colours(values) - reference).max() < 11


def test_lightness_rises_all_the_way() -> None:
    linear = (colours(np.linspace(0, 1, 41)) / 255.0) ** 2.2
    lightness = np.cbrt(linear @ np.array([0.2126, 0.7152, 0.0722]))  # CIE L*, but for scale
    steps = np.diff(lightness)
    assert steps.min() > 0
    assert steps.max() < 3 * np.median(steps)


def test_values_outside_take_the_nearer_end() -> None:
    assert np.array_equal(colours(np.array([-1.0, 2.0])), colours(np.array([0.0, 1.0])))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_an_overlay_has_the_shape_of_its_picture(channels: int) -> None:
    pixels = pictures(1, channels, 300)[0].numpy()
    drawn = overlay(pixels[:, :, :260], np.zeros((300, 260), np.float32))
    assert drawn.size == (260, 300)
    assert drawn.mode == "RGB"


def test_small_pictures_are_enlarged_by_a_whole_number() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    drawn = np.asarray(overlay(np.full((1, 8, 8), 128, np.uint8), heat))
    assert drawn.shape == (224, 224, 3)
    assert len(np.unique(drawn[:28, :28].reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(drawn[0, 0], drawn[0, 28])


def test_more_evidence_is_brighter_on_the_same_picture() -> None:
    heat = np.tile(np.linspace(0, 1, 224, dtype=np.float32), (224, 1))
    drawn = np.asarray(overlay(np.full((3, 224, 224), 100, np.uint8), heat).convert("L"))[0].astype(int)
    assert (np.diff(drawn) >= -1).all()  # rounding, three times
    assert drawn[-1] - drawn[0] > 60


def test_equal_evidence_has_equal_colour_in_every_figure() -> None:
    heat = np.full((224, 224), 0.3, np.float32)
    grey = np.full((3, 224, 224), 100, np.uint8)
    other = heat.copy()
    other[0, 0] = 1.0
    first, second = np.asarray(overlay(grey, heat)), np.asarray(overlay(grey, other))
    assert np.array_equal(first[1:], second[1:])


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie"):
        overlay(np.zeros((3, 8, 8), np.uint8), np.zeros((4, 4), np.float32))
