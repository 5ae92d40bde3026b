"""Boxes drawn: where they are, told apart without colour, and by the sorts that the confusion matrix counts."""

from __future__ import annotations

import numpy as np
import pytest

from striate.core.boxes import CROWD, DIFFICULT, FOUND, TRUTH, Floats, empty, joined
from striate.explain import BOX_ERRORS, box_colours, box_errors_over, box_overlay, box_sorts, box_truths_over
from striate.metrics import box_confusion

NAMES = ("cat", "dog", "hare")
GREY = np.full((3, 240, 300), 128, np.uint8)


def found(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float64).reshape(-1, FOUND)


def truths(*rows: tuple[float, ...]) -> Floats:
    return np.array([(*row, 0.0, 0.0)[:TRUTH] for row in rows], np.float64).reshape(-1, TRUTH)


def test_a_box_is_drawn_where_it_is_in_its_class_s_colour_and_named() -> None:
    drawn = np.asarray(box_overlay(GREY, found((50, 80, 150, 180, 0.9, 1)), NAMES))
    assert drawn.shape == (240, 300, 3)
    own = (drawn == box_colours(3)[1]).all(2)
    assert own[80, 50:150].all()
    assert own[179, 50:150].all()
    assert own[80:180, 50].all()
    assert own[80:180, 149].all()
    rows, columns = np.nonzero(own)
    assert (columns.min(), columns.max(), rows.max()) == (50, 149, 179)  # above are its name and score
    assert rows.min() < 70
    assert (drawn[85:175, 55:145] == 128).all()  # nothing lies over the thing itself


@pytest.mark.parametrize(("side", "longest", "drawn"), [(20, None, 240), (900, 300, 300)])
def test_boxes_follow_a_picture_that_is_enlarged_or_reduced(side: int, longest: int | None, drawn: int) -> None:
    pixels, half = np.full((1, side, side), 128, np.uint8), side / 2
    picture = np.asarray(box_overlay(pixels, found((half, half, side, side, 0.9, 0)), NAMES, longest=longest))
    assert picture.shape == (drawn, drawn, 3)
    own = (picture == box_colours(3)[0]).all(2)
    assert own[drawn // 2, drawn // 2 :].all()
    assert own[drawn - 1, drawn // 2 :].all()
    assert not own[drawn // 2 + 5 : drawn - 5, : drawn // 2 - 1].any()


def test_true_boxes_are_drawn_in_their_class_s_colour_dashed_where_they_need_not_be_found() -> None:
    plain, difficult = truths((50, 80, 150, 180, 1)), truths((50, 80, 150, 180, 1, DIFFICULT))
    drawn, dashed = (np.asarray(box_truths_over(GREY, one, NAMES)) for one in (plain, difficult))
    own, broken = ((one == box_colours(3)[1]).all(2) for one in (drawn, dashed))
    assert own[80, 50:150].all()
    assert own[80:180, 149].all()
    assert 0 < broken[179, 50:150].sum() < 100
    assert own[60:79].any()  # its name
    small = np.asarray(box_truths_over(GREY, plain, NAMES, longest=200))
    assert not (small == box_colours(3)[1]).all(2)[:50].any()  # too small for one
    assert (np.asarray(box_truths_over(GREY, empty(1, 2, TRUTH)[0], NAMES)) == 128).all()
    inner = truths((20, 20, 280, 220, 0), (50, 80, 150, 180, 1))
    for order in (inner, inner[::-1]):  # the smaller lies above the larger
        both = np.asarray(box_truths_over(GREY, order, NAMES))
        assert (both == box_colours(3)[1]).all(2)[80, 60:140].all()


def test_names_lie_over_no_other_and_the_surest_are_kept() -> None:
    same = [(50.0, 80.0, 150.0, 180.0, score, 0.0) for score in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)]
    alone = np.asarray(box_overlay(GREY, found(same[0]), NAMES), int)
    several = np.asarray(box_overlay(GREY, found(*same), NAMES), int)
    assert (alone[60:80] == several[60:80]).all()  # the surest has its place, whatever else is there


def test_nothing_found_is_the_picture_itself() -> None:
    assert (np.asarray(box_overlay(GREY, empty(1, 3, FOUND)[0], NAMES)) == 128).all()
    assert (np.asarray(box_overlay(GREY, np.zeros((0, FOUND)), NAMES)) == 128).all()


def test_boxes_beyond_the_picture_are_drawn_to_its_edge() -> None:
    rows = found((-50, -50, 900, 900, 0.9, 0), (299.9, 239.9, 300, 240, 0.5, 1), (5, 5, 5, 5, 0.4, 2))
    own = (np.asarray(box_overlay(GREY, rows, NAMES)) == box_colours(3)[0]).all(2)
    assert own[0, 200:].all()


def test_each_sort_is_drawn_truths_dashed_and_found_boxes_whole() -> None:
    things = found((10, 40, 60, 90, 0.9, 0), (100, 40, 150, 90, 0.8, 1), (200, 40, 250, 90, 0.7, 2))
    real = truths((10, 40, 60, 90, 0), (100, 40, 150, 90, 2), (10, 150, 60, 200, 1), (200, 150, 250, 200, 0, CROWD))
    told = box_sorts(things, real)
    assert told.found == ["right", "confused", "invented"]
    assert told.truths == ["right", "confused", "missed", "aside"]
    assert told.meant.tolist() == [0, 1, -1]
    picture = np.asarray(box_errors_over(GREY, things, real, NAMES))
    for sort, (x, y) in {"right": (10, 40), "confused": (100, 40), "invented": (200, 40)}.items():
        assert (picture[y + 8 : y + 45, x] == BOX_ERRORS[sort].colour).all()
    for sort, (x, y) in {"missed": (10, 150), "aside": (200, 150)}.items():
        line = (picture[y : y + 50, x] == BOX_ERRORS[sort].colour).all(1)
        assert 0.4 < line.mean() < 0.8
        assert np.abs(np.diff(line.astype(int))).sum() >= 4  # it comes and goes


def test_the_truth_of_what_is_right_is_hinted_at_where_it_lies_elsewhere() -> None:
    picture = np.asarray(
        box_errors_over(GREY, found((10, 40, 110, 140, 0.9, 0)), truths((20, 50, 120, 150, 0)), NAMES), int
    )
    alone = np.asarray(box_errors_over(GREY, found(), truths(), NAMES), int)
    line = (picture[60:140, 119] != alone[60:140, 119]).any(1)
    assert 0.4 < line.mean() < 0.8
    assert (picture[60:140, 119][line].sum(1) < alone[60, 119].sum()).all()  # darker than the ground


def test_what_does_not_count_is_neither_right_nor_wrong() -> None:
    things = found((10, 10, 50, 50, 0.9, 0), (100, 10, 150, 50, 0.9, 1))
    real = truths((10, 10, 50, 50, 0, DIFFICULT), (90, 0, 200, 90, 1, CROWD))
    assert box_sorts(things, real).found == ["aside", "aside"]
    assert box_sorts(things, real).truths == ["aside", "aside"]


@pytest.mark.parametrize("seed", range(5))
def test_sorts_are_those_that_the_confusion_matrix_counts(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.integers(0, 60, (2, 12, 2)).astype(float)
    sides = random.integers(20, 40, (2, 12, 2))
    labels = random.integers(3, size=(2, 12))
    things, real = empty(1, 15, FOUND)[0], empty(1, 14, TRUTH)[0]  # places that hold nothing are of no sort
    things[:12] = np.column_stack([corners[0], corners[0] + sides[0], random.random(12), labels[0]])
    real[:12, :5] = np.column_stack([corners[1], corners[1] + sides[1], labels[1]])
    told = box_sorts(things, real)
    matrix = box_confusion(joined(things[None], real[None]), 3, [0.0] * 3)
    right = int(np.trace(matrix[:3, :3]))
    counts = {
        "right": right,
        "confused": int(matrix[:3, :3].sum()) - right,
        "invented": int(matrix[3].sum()),
    }
    assert {sort: told.found.count(sort) for sort in counts} == counts
    assert told.truths.count("missed") == matrix[:, 3].sum()
    assert told.truths.count("right") == right
    assert told.found[12:] == [""] * 3
    assert told.truths[12:] == [""] * 2


def test_more_classes_than_colours_begin_anew() -> None:
    assert (box_colours(300)[254] == box_colours(300)[0]).all()
    assert (box_colours(5) == box_colours(300)[:5]).all()
