"""Masks drawn: colours that can be told apart, files that keep classes, errors where they are."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import DataError
from striate.core.records import VOID
from striate.data.decode import decode_values
from striate.explain import ERRORS, class_colours, colour_mask, colour_png, error_map, mask_overlay, mask_png
from striate.explain._masks import outline, sorts

RANDOM = np.random.default_rng(0)
CLASSES = np.where(RANDOM.random((30, 40)) < 0.1, VOID, RANDOM.integers(0, 4, (30, 40))).astype(np.uint8)

# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", of
# full severity, for linear light.
BLIND = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
}


def seen(colours: NDArray[np.uint8], kind: str) -> NDArray[np.float64]:
    linear = (np.asarray(colours) / 255.0) ** 2.2
    return 255 * np.clip(linear @ BLIND[kind].T, 0, 1) ** (1 / 2.2)


def least_distance(colours: NDArray[np.float64]) -> float:
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(colours, 2))


@pytest.mark.parametrize("kind", BLIND)
def test_sorts_of_errors_and_the_first_classes_are_told_apart(kind: str) -> None:
    drawn = np.array([sort.colour for sort in ERRORS.values() if sort.colour is not None])
    assert least_distance(seen(drawn, kind)) > 60
    assert least_distance(seen(class_colours(8), kind)) > 30


def test_class_colours_are_distinct_and_do_not_hang_on_how_many_there_are() -> None:
    every = class_colours(255)
    assert len({tuple(colour) for colour in every.tolist()}) == 255
    for count in (1, 2, 8, 9, 40):
        assert (class_colours(count) == every[:count]).all()
    with pytest.raises(DataError, match="256 classes"):
        class_colours(256)


def test_a_file_with_a_palette_keeps_classes_and_shows_colours() -> None:
    colours = class_colours(4)
    content = mask_png(CLASSES, colours)
    assert (decode_values(content) == CLASSES).all()
    picture = Image.open(io.BytesIO(content))
    assert picture.mode == "P"
    assert (np.asarray(picture.convert("RGB")) == colour_mask(CLASSES, colours)).all()
    assert (np.asarray(Image.open(io.BytesIO(colour_png(CLASSES, colours)))) == colour_mask(CLASSES, colours)).all()
    assert (colour_mask(CLASSES, colours)[CLASSES == 2] == colours[2]).all()
    assert (colour_mask(CLASSES, colours)[CLASSES == VOID] == 224).all()


def test_every_pixel_is_of_one_sort() -> None:
    predicted = RANDOM.integers(0, 4, CLASSES.shape).astype(np.uint8)
    for background in (0, None, 3):
        found = sorts(predicted, CLASSES, background)
        assert found.keys() == ERRORS.keys()
        assert (np.sum(list(found.values()), axis=0) == 1).all()
        right = found["right"] | found["background"]
        assert (right == ((predicted == CLASSES) & (CLASSES != VOID))).all()
    for name, place in sorts(predicted, CLASSES).items():
        for guess, true in zip(predicted[place], CLASSES[place], strict=True):
            said = {(True, True): "background", (True, False): "missed", (False, True): "invented"}
            expected = said.get((guess == 0, true == 0), "right" if guess == true else "confused")
            assert name == ("void" if true == VOID else expected)


def test_a_map_of_errors_shows_them_where_they_are() -> None:
    truth, predicted = np.zeros((240, 250), np.uint8), np.zeros((240, 250), np.uint8)
    truth[:, :100], truth[0, 249] = 1, VOID
    predicted[:120, :100], predicted[120:, 200:], predicted[0, 0] = 1, 1, 2
    drawn = np.asarray(error_map(np.full((3, 240, 250), 77, np.uint8), predicted, truth))
    assert drawn.shape == (240, 250, 3)
    for name, place in {"right": (60, 50), "missed": (200, 50), "invented": (200, 220), "void": (0, 249)}.items():
        assert tuple(drawn[place].tolist()) == ERRORS[name].colour
    assert tuple(drawn[0, 0].tolist()) == ERRORS["confused"].colour
    assert len(set(drawn[60, 150].tolist())) == 1, "rightly background is grey"


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_an_overlay_leaves_background_and_outlines_classes(channels: int) -> None:
    classes = np.zeros((230, 240), np.uint8)
    classes[50:100, 50:100], classes[:20, :20] = 1, VOID
    pixels = np.full((channels, 230, 240), 100, np.uint8)
    drawn = np.asarray(mask_overlay(pixels, classes, class_colours(2)))
    assert (drawn[classes == 0] == 100).all()
    assert tuple(drawn[50, 60].tolist()) == (230, 159, 0), "the outline"
    assert tuple(drawn[75, 75].tolist()) == (158, 127, 55), "the fill"
    assert (drawn[5, 5] == round(0.55 * 100 + 0.45 * 224)).all()
    every = np.asarray(mask_overlay(pixels, classes, class_colours(2), background=None))
    assert (every[200, 200] == 55).all()


def test_an_outline_is_what_touches_another_class() -> None:
    found = outline(CLASSES)
    for row, column in np.ndindex(CLASSES.shape):
        beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [place for place in beside if 0 <= place[0] < 30 and 0 <= place[1] < 40]
        assert found[row, column] == any(CLASSES[place] != CLASSES[row, column] for place in inside)


def test_small_pictures_grow_and_large_ones_shrink() -> None:
    pixels, colours = np.full((1, 30, 40), 100, np.uint8), class_colours(4)
    assert mask_overlay(pixels, CLASSES, colours).size == (40 * 8, 30 * 8)
    assert mask_overlay(pixels, CLASSES, colours, longest=20).size == (20, 15)
    assert error_map(pixels, CLASSES % 4, CLASSES, longest=1).size == (1, 1)
    half = np.asarray(
        mask_overlay(np.full((1, 400, 500), 100.0), np.full((400, 500), 3, np.uint8), colours, longest=250)
    )
    assert half.shape == (200, 250, 3)
    assert len(np.unique(half.reshape(-1, 3), axis=0)) == 1
    with pytest.raises(ValueError, match="does not lie"):
        mask_overlay(pixels, CLASSES.T, colours)
