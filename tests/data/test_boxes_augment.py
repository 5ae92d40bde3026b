"""Altering pictures with boxes: a painted thing stays in its box, and boxes are kept and cut by the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.data.augment._boxes import Scene, crop, cut, flip, kept, mosaic, resized, scale_jitter

UNIT = st.floats(0, 1)


def painted(seed: int, height: int, width: int, base: int = 0, count: int = 3) -> Scene:
    """Black ground with things of one shade each, that do not touch, and whole pixels for edges."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((1, height, width), np.uint8)
    edges = []
    for number in range(count):
        left, right = number * width // count, (number + 1) * width // count
        x1 = int(random.integers(left, right - 1))
        x2 = int(random.integers(x1 + 1, right))
        y1 = int(random.integers(0, height - 1))
        y2 = int(random.integers(y1 + 1, height + 1))
        pixels[0, y1:y2, x1:x2] = base + number + 1
        edges.append((x1, y1, x2, y2))
    labels = base + np.arange(count) + 1
    return Scene(pixels, np.array(edges, np.float64), labels, np.arange(count) % 2 == 0)


def seen(scene: Scene, label: int) -> tuple[int, ...] | None:
    """The edges of the pixels of a thing's shade; None where there are none."""
    rows, columns = np.nonzero(scene.pixels[0] == label)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def check(scene: Scene, wanted: dict[int, int], least: float = 0.3) -> None:
    """Each box is where its thing is seen; what is not boxed is seen too little.

    Args:
        wanted: pixels of each thing before.
    """
    assert scene.edges.shape == (len(scene.labels), 4)
    assert scene.aside.shape == scene.labels.shape
    for label, edges in zip(scene.labels, scene.edges, strict=True):
        assert seen(scene, int(label)) == tuple(edges)
    for label, area in wanted.items():
        left = int((scene.pixels[0] == label).sum())
        assert (label in scene.labels) == (left >= least * area and left > 0)


def areas(*scenes: Scene) -> dict[int, int]:
    return {
        int(label): int(area)
        for one in scenes
        for label, area in zip(one.labels, (one.edges[:, 2:] - one.edges[:, :2]).prod(1), strict=True)
    }


@given(st.integers(0, 10**6), st.integers(5, 40), st.integers(12, 40), UNIT)
def test_a_flip_moves_boxes_with_their_things(seed: int, height: int, width: int, draw: float) -> None:
    scene = painted(seed, height, width)
    found = flip(scene, draw)
    check(found, areas(scene))
    assert (found is scene) == (draw >= 0.5)
    twice = flip(flip(scene, 0.0), 0.0)
    assert (twice.edges == scene.edges).all()
    assert (twice.pixels == scene.pixels).all()
    assert (found.aside == scene.aside).all()


@given(st.integers(0, 10**6), st.integers(5, 40), st.integers(12, 40), st.data())
def test_a_window_keeps_what_is_seen_enough(seed: int, height: int, width: int, data: st.DataObject) -> None:
    scene = painted(seed, height, width)
    top, left = data.draw(st.integers(-20, height + 5)), data.draw(st.integers(-20, width + 5))
    size = data.draw(st.tuples(st.integers(1, 50), st.integers(1, 50)))
    found = cut(scene, top, left, size)
    assert found.size == size
    check(found, areas(scene))


@given(st.integers(0, 10**6), st.integers(5, 40), st.integers(12, 40), st.tuples(UNIT, UNIT, UNIT, UNIT))
def test_a_crop_is_a_window_inside(seed: int, height: int, width: int, draws: Any) -> None:
    scene = painted(seed, height, width)
    found = crop(scene, np.array(draws), smallest=0.3)
    check(found, areas(scene))
    assert found.size[0] <= height
    assert found.size[1] <= width
    shown = np.lib.stride_tricks.sliding_window_view(scene.pixels[0], found.size)
    assert (shown == found.pixels[0]).all((2, 3)).any()


def test_crops_reach_all_sides_and_sizes() -> None:
    scene = painted(0, 30, 30)
    whole = crop(scene, np.array([1.0, 0.5, 0.4, 0.6]))
    assert (whole.pixels == scene.pixels).all()
    small = crop(scene, np.array([0.0, 0.5, 1.0, 0.0]), smallest=0.25)
    assert small.size == (15, 15)
    assert (small.pixels == scene.pixels[:, 15:, :15]).all()


def test_the_rules_of_what_is_kept() -> None:
    edges = np.array(
        [[-6, 0, 4, 10], [-7, 0, 3, 10], [-8, 0, 2, 10], [-5, 0, 5, 10], [20, 0, 30, 5], [2, 2, 4, 4]], float
    )
    assert kept(edges, (10, 20)).tolist() == [True, True, False, True, False, True]
    assert kept(edges, (10, 20), least=0.5).tolist() == [False, False, False, True, False, True]
    assert kept(edges, (10, 20), least=0.0).tolist() == [True, True, True, True, False, True]
    assert kept(edges, (10, 20), "centre").tolist() == [False, False, False, True, False, True]
    assert kept(np.zeros((0, 4)), (10, 20)).shape == (0,)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.tuples(UNIT, UNIT, UNIT))
def test_jitter_of_scale_takes_boxes_along(seed: int, draws: Any) -> None:
    scene = painted(seed, 30, 45, count=1)
    shaded = Scene((scene.pixels > 0).astype(np.float32), scene.edges, scene.labels, scene.aside)
    found = scale_jitter(shaded, np.array(draws), (32, 40), scales=(0.5, 2.0))
    assert found.size == (32, 40)
    if not len(found.edges):
        return
    ((x1, y1, x2, y2),) = found.edges
    across = np.clip(np.minimum(np.arange(1, 41), x2) - np.maximum(np.arange(40), x1), 0, 1)
    down = np.clip(np.minimum(np.arange(1, 33), y2) - np.maximum(np.arange(32), y1), 0, 1)
    inside = down[:, None] * across[None]
    light = found.pixels[0]
    assert light[inside == 0].sum() <= light.sum() * 0.75 + 1e-6
    middle = np.array([(light.sum(0) * (np.arange(40) + 0.5)).sum(), (light.sum(1) * (np.arange(32) + 0.5)).sum()])
    if x1 > 2 and y1 > 2 and x2 < 38 and y2 < 30:  # whole, with the blur of its edges
        assert middle / light.sum() == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2], abs=0.6)
        assert light.sum() == pytest.approx((x2 - x1) * (y2 - y1), rel=0.12, abs=1)


def test_scale_is_what_was_drawn() -> None:
    scene = painted(3, 20, 40)
    same = scale_jitter(scene, np.array([0.5, 0.3, 0.3]), (20, 40), scales=(0.5, 2.0))
    assert (same.pixels == scene.pixels).all()
    assert np.allclose(same.edges, scene.edges)
    half = scale_jitter(scene, np.array([0.0, 0.0, 0.0]), (20, 40), scales=(0.5, 2.0), fill=9)
    assert np.allclose(half.edges, scene.edges / 2)
    assert (half.pixels[:, 10:] == 9).all()
    assert (half.pixels[:, :, 20:] == 9).all()
    double = scale_jitter(scene, np.array([1.0, 1.0, 1.0]), (20, 40), scales=(0.5, 2.0))
    inside = np.clip(2 * scene.edges - [40, 20, 40, 20], 0, [40, 20, 40, 20])
    rows = kept(2 * scene.edges - [40, 20, 40, 20], (20, 40))
    assert np.allclose(double.edges, inside[rows])


def test_resizing_is_that_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 40, 60), dtype=np.uint8)
    scene = Scene(pixels, np.array([[6.0, 4, 30, 20]]), np.zeros(1, np.int64), np.zeros(1, np.bool_))
    for size in ((20, 30), (55, 90)):
        found = resized(scene, size)
        theirs = np.asarray(Image.fromarray(pixels[0]).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(found.pixels[0].astype(int) - theirs).max() <= 1
        down, across = size[0] / 40, size[1] / 60
        assert np.allclose(found.edges, [[6 * across, 4 * down, 30 * across, 20 * down]])


@given(st.integers(0, 10**6), st.tuples(UNIT, UNIT))
def test_a_mosaic_of_pictures_of_its_size_keeps_each_in_its_quarter(seed: int, draws: Any) -> None:
    scenes = [painted(seed + place, 24, 36, base=10 * place) for place in range(4)]
    found = mosaic(scenes, np.array(draws), (24, 36))
    assert found.size == (24, 36)
    check(found, areas(*scenes))
    down, across = round((0.25 + 0.5 * draws[0]) * 24), round((0.25 + 0.5 * draws[1]) * 36)
    assert (found.pixels[0, :down, :across] == scenes[0].pixels[0, 24 - down :, 36 - across :]).all()
    assert (found.pixels[0, down:, across:] == scenes[3].pixels[0, : 24 - down, : 36 - across]).all()


def test_a_mosaic_of_small_and_of_wide_pictures() -> None:
    scenes = [painted(place, 8, 36, base=10 * place) for place in range(4)]
    found = mosaic(scenes, np.array([0.5, 0.5]), (24, 36), fill=99)
    assert (found.pixels[0, :4] == 99).all()
    assert (found.pixels[0, 4:20] != 99).all()
    assert (found.pixels[0, 20:] == 99).all()
    check(found, areas(*scenes))
    doubled = mosaic(scenes, np.array([0.5, 0.5]), (48, 72))
    first = doubled.edges[np.isin(doubled.labels, [1, 2, 3])]
    assert (first[:, 2] <= 36).all()
    assert (first[:, 3] <= 24).all()
    with pytest.raises(ValueError, match="four pictures"):
        mosaic(scenes[:3], np.array([0.5, 0.5]), (24, 36))
