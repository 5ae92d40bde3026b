"""Masks tidied, against regions that are found pixel by pixel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.tasks import Tidying, region_sizes, tidied

AROUND = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0)]
BESIDE = [(-1, 0), (1, 0), (0, -1), (0, 1)]


def regions(inside: NDArray[np.bool_], steps: list[tuple[int, int]] = AROUND) -> list[set[tuple[int, int]]]:
    """Pixels that hang together, by walking from one to the next."""
    left, found = {(int(row), int(column)) for row, column in np.argwhere(inside)}, []
    while left:
        ahead, region = [min(left)], set()
        while ahead:
            place = ahead.pop()
            if place in left:
                left.remove(place)
                region.add(place)
                ahead += [(place[0] + row, place[1] + column) for row, column in steps]
        found.append(region)
    return found


def holes(classes: NDArray[np.uint8], one: int) -> set[tuple[int, int]]:
    """Pixels of background in what does not reach the picture's edge but through the class."""
    height, width = classes.shape
    found = set()
    for region in regions(classes != one, BESIDE):
        if not any(row in (0, height - 1) or column in (0, width - 1) for row, column in region):
            found |= {place for place in region if classes[place] == 0}
    return found


def drawn(seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    return random.choice(3, (9, 12), p=[0.35, 0.45, 0.2]).astype(np.uint8)


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_those_walked(seed: int) -> None:
    classes = drawn(seed)
    assert sorted(region_sizes(classes == 1)) == sorted(len(region) for region in regions(classes == 1))


def filled_in(classes: NDArray[np.uint8], gone: set[tuple[int, int]]) -> NDArray[np.uint8]:
    """Each region of what is gone in the class of most pixels around it, the first of equals."""
    found = classes.copy()
    inside = np.zeros(classes.shape, bool)
    for place in gone:
        inside[place] = True
    for region in regions(inside):
        around = {(row + down, column + right) for row, column in region for down, right in AROUND} - gone
        votes = [
            int(classes[place]) for place in around if 0 <= place[0] < len(classes) and 0 <= place[1] < classes.shape[1]
        ]
        for place in region:
            found[place] = max(sorted(set(votes)), key=votes.count)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_largest_region_stays(seed: int) -> None:
    classes = drawn(seed)
    kept = max(regions(classes == 1), key=len)
    gone = {place for region in regions(classes == 1) if region != kept for place in region}
    assert (tidied(classes, Tidying(largest=(1,))) == filled_in(classes, gone)).all()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("least", [1, 3, 6])
def test_small_regions_go(seed: int, least: int) -> None:
    classes = drawn(seed)
    gone = {place for one in (1, 2) for region in regions(classes == one) if len(region) < least for place in region}
    found = tidied(classes, Tidying(least=((1, least), (2, least))))
    assert (found == filled_in(classes, gone)).all()
    assert (found == classes).all() == (not gone)


@pytest.mark.parametrize("seed", range(12))
def test_holes_are_those_walked(seed: int) -> None:
    classes = drawn(seed)
    found = tidied(classes, Tidying(filled=(1,)))
    inside = holes(classes, 1)
    for place in np.ndindex(9, 12):
        assert found[place] == (1 if place in inside else classes[place])


def test_a_ring_is_filled_and_what_lies_in_it_stays() -> None:
    classes = np.zeros((7, 7), np.uint8)
    classes[1:6, 1:6], classes[2:5, 2:5], classes[3, 3] = 1, 0, 2
    found = tidied(classes, Tidying(filled=(1,)))
    assert (found[1:6, 1:6] == np.where(np.arange(25).reshape(5, 5) == 12, 2, 1)).all()


def test_the_order_is_small_then_largest_then_holes() -> None:
    """A speck in a hole goes first, so that the hole is one of background and is filled."""
    classes = np.zeros((9, 20), np.uint8)
    classes[1:8, 1:8], classes[2:7, 2:7], classes[4, 4], classes[1:4, 12:15] = 1, 0, 2, 1
    found = tidied(classes, Tidying(least=((2, 4),), largest=(1,), filled=(1,)))
    expected = np.zeros((9, 20), np.uint8)
    expected[1:8, 1:8] = 1
    assert (found == expected).all()


@pytest.mark.parametrize("how", [Tidying(least=((1, 99),)), Tidying(largest=(1,)), Tidying(filled=(0, 1, 2))])
def test_edges_of_what_there_may_be(how: Tidying) -> None:
    for classes in (np.ones((4, 5), np.uint8), np.zeros((1, 1), np.uint8), np.full((3, 3), 2, np.uint8)):
        before = classes.copy()
        assert (tidied(classes, how) == before).all()
        assert (classes == before).all()


def test_it_is_kept_as_plain_values() -> None:
    how = Tidying(((1, 5), (2, 9)), (1,), (2,))
    assert Tidying.from_dict(json.loads(json.dumps(how.to_dict()))) == how
