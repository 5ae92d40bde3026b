"""Subjects by a prior: made pictures whose subject is known, pictures without a clear one, and the parts of the way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from striate.evaluate.saliency import AREA, CELLS, MOST_BOX, box, cells, geodesic, lab, otsu, subject
from striate.evaluate.shortcuts import without

Picture = tuple[NDArray[np.float64], NDArray[np.bool_]]


def texture(random: np.random.Generator, side: tuple[int, int], contrast: float) -> NDArray[np.float64]:
    """A colour with soft spots and grain, (3, H, W)."""
    height, width = side
    spots = gaussian_filter(random.normal(size=(3, height, width)), (0, height / 10, height / 10), truncate=2.0)
    spots /= np.abs(spots).max()
    base = random.uniform(40, 215, (3, 1, 1))
    return base + contrast * spots + random.normal(0, 6, (3, height, width))


def ellipse(random: np.random.Generator, side: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = side
    rows, columns = np.mgrid[:height, :width]
    radii = random.uniform(0.16, 0.3, 2) * (height, width)
    middle = random.uniform(0.4, 0.6, 2) * (height, width)
    return np.asarray(((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2 <= 1)


def made(seed: int, side: tuple[int, int] = (96, 128), contrast: float = 18) -> Picture:
    """A textured ellipse on a texture of another colour."""
    random = np.random.default_rng(seed)
    mask = ellipse(random, side)
    while True:
        behind, before = texture(random, side, contrast), texture(random, side, contrast)
        if np.linalg.norm((behind - before).mean((1, 2))) > 60:
            return np.clip(np.where(mask, before, behind), 0, 255), mask


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("side", [(96, 128), (144, 120), (48, 64)])
def test_subjects_of_made_pictures_are_found(side: tuple[int, int]) -> None:
    overlaps, covered = [], []
    for seed in range(20):
        picture, truth = made(seed, side)
        found = subject(picture)
        if found is not None:
            overlaps.append(overlap(found, truth))
            covered.append((found & truth).sum() / truth.sum())
    assert len(overlaps) >= 16
    assert np.mean(overlaps) > 0.66, "rounded up by a cell of 1/32 of the side"
    assert np.min(covered) > 0.9, "what is hidden hides it"


def test_what_is_kept_and_hidden_is_the_subject_alone() -> None:
    picture, truth = made(3)
    found = subject(picture)
    assert found is not None
    seen = without(found)
    assert (seen["background_hidden"] & truth).sum() / truth.sum() > 0.95
    assert not (seen["subject_hidden"] & found).any()
    assert (seen["subject_hidden"] == ~box(found)).all()


def test_a_grey_picture_and_one_of_more_channels_have_subjects_too() -> None:
    for seed in range(6):
        picture, truth = made(seed)
        light = picture.mean(0, keepdims=True)
        if abs(light[0][truth].mean() - light[0][~truth].mean()) < 40:
            continue
        for channels in (1, 5):
            found = subject(np.repeat(light, channels, 0))
            assert found is not None
            assert overlap(found, truth) > 0.6


@pytest.mark.parametrize(
    "kind", ["one colour", "noise", "ramp", "texture", "stripes", "tiny", "fills it", "at the edge"]
)
def test_where_no_subject_is_clear_none_is_named(kind: str) -> None:
    random = np.random.default_rng(0)
    side = (96, 96)
    rows, columns = np.mgrid[:96, :96]
    mask = {"fills it": (rows - 48) ** 2 + (columns - 48) ** 2 < 60**2, "at the edge": columns < 40}.get(kind)
    if mask is not None:
        picture = np.where(mask, 200.0, 60.0) * np.ones((3, 1, 1)) + random.normal(0, 4, (3, *side))
    else:
        picture = {
            "one colour": np.full((3, *side), 90.0),
            "noise": random.uniform(0, 255, (3, *side)),
            "ramp": np.broadcast_to(columns * 2.0, (3, *side)),
            "texture": texture(random, side, 60),
            "stripes": np.broadcast_to(255.0 * (columns // 12 % 2), (3, *side)),
            "tiny": random.uniform(0, 255, (3, 15, 40)),
        }[kind]
    assert subject(np.clip(picture, 0, 255)) is None


def test_the_same_picture_has_the_same_subject_in_any_size_and_mirrored() -> None:
    picture, _ = made(5)
    found = subject(picture)
    mirrored, large = subject(picture[:, :, ::-1]), subject(zoom(picture, (1, 2, 2), order=1))
    assert found is not None
    assert mirrored is not None
    assert large is not None
    assert overlap(mirrored[:, ::-1], found) > 0.9
    assert overlap(large[::2, ::2], found) > 0.85


@pytest.mark.parametrize("seed", range(30))
def test_what_is_named_has_the_size_that_is_said(seed: int) -> None:
    picture, _ = made(seed, contrast=40)
    found = subject(picture)
    if found is not None:
        assert found.shape == picture.shape[1:]
        assert AREA[0] <= found.mean()
        assert box(found).mean() <= MOST_BOX


def test_lab_has_the_published_values() -> None:
    """Bruce Lindbloom's, for the primaries of sRGB under D65."""
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [119 / 255] * 3])
    expected = [[53.2408, 80.0925, 67.2032], [87.7347, -86.1827, 83.1793], [32.2970, 79.1875, -107.8602]]
    expected += [[100, 0, 0], [0, 0, 0], [50.034, 0, 0]]
    assert np.abs(lab(colours) - expected).max() < 0.05


def test_cells_are_means() -> None:
    random = np.random.default_rng(0)
    picture = random.uniform(0, 255, (2, 64, 128))
    found = cells(picture)
    assert found.shape == (CELLS // 2, CELLS, 2)
    assert found[3, 5] == pytest.approx(picture[:, 12:16, 20:24].mean((1, 2)) * 100 / 255)
    assert cells(random.uniform(0, 255, (1, 20, 25))).shape == (20, 25, 1), "never more than there are pixels"
    assert cells(random.uniform(0, 255, (1, 50, 77)))[..., 0].mean() == pytest.approx(50, abs=3)


def test_distances_are_of_the_cheapest_way() -> None:
    colours = np.zeros((9, 9, 1))
    colours[3:6, 3:6] = 10
    colours[4, 4] = 25
    colours[3, 4] = 0.0  # a gate in the ring, through which only the middle's own edge is to cross
    found = geodesic(colours)
    assert found[0].max() < 1e-6
    assert found[3, 4] == pytest.approx(0, abs=1e-6)
    assert found[5, 5] == pytest.approx(10, abs=1e-6)
    assert found[4, 4] == pytest.approx(25, abs=1e-6), "10 and 15, or 25 at once"


def test_a_small_part_of_the_border_that_is_unlike_is_no_background() -> None:
    colours = np.zeros((12, 12, 1))
    colours[:, 5:7] = 50  # a stalk from edge to edge
    assert geodesic(colours)[6, 5] > 40
    colours[:, :6], colours[:, 6:] = 0, 50  # land and sky
    assert geodesic(colours).max() < 1e-5


def test_otsu_is_the_best_of_all_limits() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        values = np.concatenate(
            [random.normal(0, 1, random.integers(2, 40)), random.normal(4, 2, random.integers(2, 40))]
        )
        limit, share = otsu(values)
        best = 0.0
        for one in values:
            low, high = values[values <= one], values[values > one]
            if len(high):
                within = (low.var() * len(low) + high.var() * len(high)) / len(values)
                best = max(best, 1 - within / values.var())
        assert share == pytest.approx(best)
        low, high = values[values <= limit], values[values > limit]
        assert 1 - (low.var() * len(low) + high.var() * len(high)) / len(values) / values.var() == pytest.approx(best)
