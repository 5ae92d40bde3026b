"""Metrics of rows of boxes: as `box_scores` and so pycocotools have them, resampled exactly, and at the edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from box_cases import Case, drawn, found, rows_of, truths

from striate.core.boxes import empty, joined, parted
from striate.metrics import METRICS, Metric, metric_names
from striate.metrics import _box_rows as box_rows
from striate.metrics._box_precision import box_scores
from striate.metrics._box_rows import by_classes, classes_in, sides
from striate.metrics._boxes import MOST, Detections, Truths
from striate.metrics._of_boxes import Drawn

NAMES = metric_names("boxes", 3)


def nothing(rows: np.ndarray) -> np.ndarray:
    return np.empty((len(rows), 0))


def tied(seed: int) -> Case:
    """Nearly all scores equal, in pictures with many right and wrong detections."""
    detections, wanted, classes = drawn(seed, difficult=True, pictures=5, most=9)
    random = np.random.default_rng(seed)
    flat = [Detections(one.boxes, random.choice([0.3, 0.6], len(one.labels)), one.labels) for one in detections]
    return flat, wanted, classes


def test_the_names_are_coco_s() -> None:
    assert set(NAMES) == {"map50", "map", "map75", "map_small", "map_medium", "map_large", "mar100"}
    assert metric_names("boxes", 1) == NAMES


def test_rows_come_apart_as_they_were_joined() -> None:
    case = drawn(4, difficult=True)
    for room in (0, 3):
        said, things = sides(rows_of(case, room))
        for one, other in zip(said, case[0], strict=True):
            np.testing.assert_array_equal(one.boxes, other.boxes)
            np.testing.assert_array_equal(one.scores, other.scores)
            np.testing.assert_array_equal(one.labels, other.labels)
        for true, given in zip(things, case[1], strict=True):
            np.testing.assert_array_equal(true.boxes, given.boxes)
            np.testing.assert_array_equal(true.crowd, given.crowd)
            np.testing.assert_array_equal(true.aside, given.aside)
            np.testing.assert_allclose(true.areas, given.areas)


def test_without_an_area_that_of_the_box_counts() -> None:
    case = [found()], [truths((0, 0, 50, 50), (0, 0, 50, 50), areas=[900.0, 0.0])], 1
    assert sides(rows_of(case))[1][0].areas.tolist() == [900, 2500]


@pytest.mark.parametrize("seed", range(8))
def test_measures_are_those_that_agree_with_pycocotools(seed: int) -> None:
    for case in (drawn(seed, difficult=True, pictures=1 + seed), tied(seed)):
        rows, told = rows_of(case, seed % 2), box_scores(*case).summary()
        for name in NAMES:
            value = METRICS.get(name)("boxes", case[2]).measure(rows, nothing(rows))
            assert value == pytest.approx(told[name], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(6))
def test_a_resample_is_judged_as_its_pictures_are(name: str, seed: int) -> None:
    for case in (drawn(seed, difficult=True, pictures=6), tied(seed)):
        rows = rows_of(case)
        counts = np.random.default_rng(seed).multinomial(len(rows), np.ones(len(rows)) / len(rows), 8).astype(float)
        metric = METRICS.get(name)("boxes", case[2])
        values = metric.resample(rows, nothing(rows), counts)
        np.testing.assert_allclose(values, Metric.resample(metric, rows, nothing(rows), counts), rtol=0, atol=1e-12)
        for value, row in zip(values, counts.astype(int), strict=True):
            many = [[one for one, times in zip(side, row, strict=True) for _ in range(times)] for side in case[:2]]
            assert value == pytest.approx(box_scores(many[0], many[1], case[2]).summary()[name], abs=1e-12, nan_ok=True)


def test_resamples_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(tied(1))
    counts = np.random.default_rng(0).integers(0, 4, (30, len(rows))).astype(float)
    metric = METRICS.get("map")("boxes", 3)
    whole = metric.resample(rows, nothing(rows), counts)
    monkeypatch.setattr("striate.metrics._of_boxes._AT_ONCE", 7)
    np.testing.assert_allclose(metric.resample(rows, nothing(rows), counts), whole, rtol=0, atol=1e-12)


def test_copies_are_told_apart_only_where_the_order_of_equals_matters() -> None:
    there = truths((0, 0, 10, 10), (20, 0, 30, 10))
    one = found((0, 0, 10, 10), (50, 0, 60, 10), (20, 0, 30, 10), scores=[0.5, 0.5, 0.4])
    (part,) = by_classes(rows_of(([one, one], [there, there], 1)), 1)
    assert Drawn.of(part, 1).copies == 0
    drawn_thrice = Drawn.of(part, 3)
    assert drawn_thrice.tied.tolist() == [0, 1]
    assert drawn_thrice.places.tolist() == [0, 1] * 3 + [2, 3] * 3 + [4, 5]
    assert drawn_thrice.units.tolist() == [2, 2, 4, 4, 6, 6, 3, 3, 5, 5, 7, 7, 0, 1]
    assert drawn_thrice.weigh(np.array([[2.0], [3.0]])).ravel().tolist() == [2, 3, 1, 1, 1, 1, 0, 1]
    right = found((0, 0, 10, 10), (20, 0, 30, 10), scores=[0.5, 0.5])
    (part,) = by_classes(rows_of(([right], [there], 1)), 1)
    assert Drawn.of(part, 3).copies == 0


def test_batches_may_have_room_for_other_numbers_of_boxes() -> None:
    case = drawn(2, pictures=6)
    metric = METRICS.get("map")("boxes", case[2])
    for start, room in ((0, 0), (2, 4), (4, 1)):
        part = rows_of((case[0][start : start + 2], case[1][start : start + 2], case[2]), room)
        metric.update(part, nothing(part))
    assert metric.compute() == metric.measure(rows_of(case))


# At the edges


def measured(case: Case) -> dict[str, float]:
    rows = rows_of(case)
    return {name: METRICS.get(name)("boxes", case[2]).measure(rows, nothing(rows)) for name in NAMES}


def test_no_detection_no_truth_and_neither() -> None:
    there = truths((0, 0, 50, 50))
    none = measured(([found()], [there], 2))
    assert (none["map50"], none["map"], none["mar100"], none["map_medium"]) == (0, 0, 0, 0)
    assert np.isnan(none["map_large"])
    for case in (([found((0, 0, 5, 5))], [truths()], 1), ([found()], [truths()], 1)):
        assert np.isnan(list(measured(case).values())).all()
    for rows in (np.zeros((0, 9)), joined(empty(3, 0, 6), empty(3, 0, 7))):
        assert np.isnan(METRICS.get("map50")("boxes", 2).measure(rows))
        assert classes_in(rows) == 1


def test_pictures_without_boxes_change_nothing_and_made_up_ones_do() -> None:
    there, said = truths((0, 0, 50, 50), (60, 0, 90, 90)), found((0, 0, 50, 50), (60, 0, 90, 90), scores=[0.6, 0.5])
    alone = measured(([said], [there], 1))
    assert alone == pytest.approx(measured(([said, found()], [there, truths()], 1)), nan_ok=True)
    assert measured(([said, found((0, 0, 9, 9), scores=[0.9])], [there, truths()], 1))["map50"] < alone["map50"] == 1


def test_a_class_that_is_never_true_is_left_out() -> None:
    there, said = truths((0, 0, 50, 50)), found((0, 0, 50, 50), (60, 0, 90, 90), labels=[0, 1])
    assert measured(([said], [there], 2))["map50"] == 1


@pytest.mark.parametrize("aside", ["crowd", "difficult"])
def test_truths_that_do_not_count_alone_leave_nothing_to_judge(aside: str) -> None:
    there = truths((0, 0, 50, 50), **{aside: [True]})
    assert np.isnan(list(measured(([found((0, 0, 50, 50))], [there], 1)).values())).all()
    rows = rows_of(([found((0, 0, 50, 50))] * 3, [there, truths((0, 0, 50, 50)), truths()], 1))
    values = METRICS.get("map50")("boxes", 1).resample(rows, nothing(rows), np.array([[1.0, 1, 0], [3, 0, 0]]))
    np.testing.assert_array_equal(values, [1.0, np.nan])


def test_a_hundred_detections_of_a_class_in_a_picture_count() -> None:
    start = np.random.default_rng(0).uniform(0, 400, (MOST + 30, 2))
    boxes = np.concatenate([start, start + 20], 1)
    said = Detections(boxes, np.linspace(1, 0.1, MOST + 30), np.zeros(MOST + 30, np.int64))
    case: Case = ([said], [Truths(boxes, np.zeros(MOST + 30, np.int64))], 1)
    assert measured(case)["mar100"] == pytest.approx(box_scores(*case).average_recall())


def test_what_cannot_be_judged_is_refused() -> None:
    metric = METRICS.get("map50")("boxes", 1)
    with pytest.raises(ValueError, match="not those of boxes"):
        metric.update(np.ones((2, 9)), np.empty((2, 0)))
    with pytest.raises(ValueError, match="of the class 1, and there are 1"):
        metric.measure(rows_of(([found((0, 0, 1, 1), labels=[1])], [truths()], 2)))
    with pytest.raises(ValueError, match="finite"):
        metric.update(np.full((1, 2), np.nan), np.empty((1, 0)))


def test_rows_are_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = itertools.count()
    plain = box_rows._by_classes
    monkeypatch.setattr(box_rows, "_kept", {})
    monkeypatch.setattr(box_rows, "_by_classes", lambda *given: (next(seen), plain(*given))[1])
    rows, other, third = (rows_of(drawn(seed)) for seed in (0, 1, 2))
    for one in (rows, other, rows.copy(), other, rows):
        by_classes(one, 3)
    assert next(seen) == 2
    by_classes(third, 3)
    by_classes(other, 3)
    assert next(seen) == 5, "two are kept, those asked for last"
    changed = rows.copy()
    changed[0, -1] += 1
    assert by_classes(changed, 3) is not by_classes(rows, 3)
    assert parted(rows)[0].shape == parted(changed)[0].shape
