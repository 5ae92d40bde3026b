"""Outlines as pixels: against point-in-polygon tests, COCO's own algorithm, and round trips."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from striate.core.errors import DataError
from striate.core.records import VOID, Mask, MaskCode, Region, Sample
from striate.data.masks import decode_mask
from striate.data.outlines import inside_polygon, inside_runs, runs_from_text, runs_of, runs_to_text
from striate.data.store import Store


def _coco(corners: list[float], height: int, width: int) -> np.ndarray:
    """What COCO's `rleFrPoly` (cocoapi, common/maskApi.c) makes of a polygon, step by step, in plain Python."""
    count = len(corners) // 2
    xs = [int(5 * corners[2 * n] + 0.5) for n in range(count)]
    ys = [int(5 * corners[2 * n + 1] + 0.5) for n in range(count)]
    traced: list[tuple[int, int]] = []
    for one in range(count):
        other = (one + 1) % count
        (x, y), (to_x, to_y) = (xs[one], ys[one]), (xs[other], ys[other])
        long_x = abs(to_x - x) >= abs(to_y - y)
        steps = max(abs(to_x - x), abs(to_y - y))
        flipped = x > to_x if long_x else y > to_y
        if flipped:
            x, y, to_x, to_y = to_x, to_y, x, y
        slope = ((to_y - y) if long_x else (to_x - x)) / steps if steps else 0.0
        for step in range(steps, -1, -1) if flipped else range(steps + 1):
            traced.append(
                (x + step, int(y + slope * step + 0.5)) if long_x else (int(x + slope * step + 0.5), y + step)
            )
    marks = np.zeros(height * width + 1, int)
    for (before_u, before_v), (u, v) in itertools.pairwise(traced):
        column = ((u if u < before_u else u - 1) + 0.5) / 5 - 0.5
        if u == before_u or column != math.floor(column) or not 0 <= column <= width - 1:
            continue
        row = math.ceil(min(max((min(v, before_v) + 0.5) / 5 - 0.5, 0), height))
        marks[int(column) * height + row] += 1
    return (np.cumsum(marks)[:-1] % 2 == 1).reshape(width, height).T


def _polygon(random: np.random.Generator, corners: int, height: int, width: int) -> list[float]:
    points = random.uniform(-0.1, 1.1, (corners, 2)) * (width, height)
    return [float(one) for one in np.maximum(points, 0).ravel()]


def _distances(corners: list[float], height: int, width: int) -> np.ndarray:
    """Of each pixel's centre to the nearest side."""
    y, x = np.mgrid[:height, :width] + 0.5
    points = np.array(corners).reshape(-1, 2)
    found = np.full((height, width), np.inf)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
        length = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-12)
        along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1)
        found = np.minimum(found, np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    return found


@pytest.mark.parametrize("seed", range(25))
def test_a_polygon_is_what_a_point_in_polygon_test_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(one) for one in random.integers(5, 40, 2))
    corners = _polygon(random, 3, height, width)  # of three corners even-odd and winding are the same
    y, x = np.mgrid[:height, :width] + 0.5
    points = np.array([*zip(corners[::2], corners[1::2], strict=True)])
    expected = Outline(points).contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(height, width)
    clear = _distances(corners, height, width) > 1e-6
    assert (inside_polygon(corners, (height, width)) == expected)[clear].all()


@pytest.mark.parametrize("seed", range(25))
def test_coco_differs_only_at_the_sides(seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    height, width = (int(one) for one in random.integers(8, 60, 2))
    corners = _polygon(random, int(random.integers(3, 12)), height, width)  # of many, sides cross: even-odd in both
    differs = inside_polygon(corners, (height, width)) != _coco(corners, height, width)
    assert not differs[_distances(corners, height, width) > 0.3].any()


def test_whole_pixels_are_as_in_coco() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        left, right = sorted(random.choice(31, 2, replace=False).tolist())
        top, bottom = sorted(random.choice(21, 2, replace=False).tolist())
        box = [left, top, right, top, right, bottom, left, bottom]
        found = inside_polygon(box, (20, 30))
        assert found[top:bottom, left:right].all()
        assert found.sum() == (bottom - top) * (right - left)
        assert (found == _coco(box, 20, 30)).all()


@pytest.mark.parametrize("seed", range(10))
def test_neighbours_share_no_pixel_and_leave_none_out(seed: int) -> None:
    """Triangles around a point, on whole, half and odd places, make up the picture."""
    random = np.random.default_rng(seed)
    middle = random.choice([random.uniform(0, 12, 2), random.integers(0, 12, 2), random.integers(0, 12, 2) + 0.5])
    ring = np.array([[0, 0], [5.5, 0], [12, 0], [12, 4.5], [12, 12], [0, 12]])
    covered = np.zeros((12, 12), int)
    for one, other in zip(ring, np.roll(ring, -1, 0), strict=True):
        covered += inside_polygon([*one, *other, *middle], (12, 12))
    assert (covered == 1).all()


def test_lines_points_and_what_lies_outside_enclose_nothing() -> None:
    for corners in ([], [1, 1], [0, 0, 5, 5], [1, 1, 4, 1, 2, 1], [-9, -9, -1, -9, -1, -1], [50, 50, 60, 50, 60, 60]):
        assert not inside_polygon(corners, (10, 10)).any()
    for corners in ([0, 0, 1], [0, 0, 1, math.nan, 2, 2]):
        with pytest.raises(DataError, match="pairs of finite x and y"):
            inside_polygon(corners, (10, 10))


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_come_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = tuple(int(one) for one in random.integers(1, 40, 2))
    inside = random.random(size) < random.choice([0, 0.02, 0.5, 1])
    runs = runs_of(inside)
    assert (inside_runs(runs, size) == inside).all()
    assert runs_from_text(runs_to_text(runs)) == runs
    assert sum(runs[1::2]) == inside.sum()


def test_run_lengths_as_coco_writes_them() -> None:
    """Lengths and their text, worked by the steps of `rleToString`: 5 bits, differences from the fourth on."""
    assert runs_to_text([6, 1, 40, 4, 5]) == "61X13mN"
    assert runs_from_text("61X13mN") == (6, 1, 40, 4, 5)


def test_run_lengths_that_are_wrong_are_said() -> None:
    with pytest.raises(DataError, match="cover 5 pixels of 2 × 3 = 6"):
        inside_runs([5], (2, 3))
    with pytest.raises(DataError, match="cover 6 pixels"):
        inside_runs([7, -1], (2, 3))
    with pytest.raises(DataError, match="character ' '"):
        runs_from_text("1 2")
    with pytest.raises(DataError, match="end within a number"):
        runs_from_text("61X")


def _painted(*regions: Region, size: tuple[int, int] = (2, 4), background: int = 0) -> list[list[int]]:
    code = MaskCode("regions", background=background)
    return decode_mask(Store(), Sample("a", (), Mask(code, regions=regions)), size).tolist()


def test_later_regions_cover_earlier_ones() -> None:
    wide = Region(1, polygons=((0, 0, 3, 0, 3, 2, 0, 2),))
    runs = Region(2, counts=(4, 4), size=(2, 4))
    crowd = Region(VOID, polygons=((0, 0, 1, 0, 1, 1, 0, 1), (3, 0, 4, 0, 4, 1, 3, 1)))
    assert _painted(wide, runs) == [[1, 1, 2, 2], [1, 1, 2, 2]]
    assert _painted(runs, wide, crowd) == [[VOID, 1, 1, VOID], [1, 1, 1, 2]]
    assert _painted(background=3) == [[3] * 4] * 2


def test_regions_of_another_size_are_said() -> None:
    with pytest.raises(DataError, match="annotations are of 3 × 4 pixels, the picture has 2 × 4"):
        _painted(Region(1, polygons=((0, 0, 3, 0, 3, 2),), size=(3, 4)))
