"""Figures of detectors at thresholds, the best of these, mistakes and curves, against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest
from box_cases import Case, drawn, found, rows_of, truths

from striate.core.boxes import empty, joined
from striate.metrics import (
    CURVE_POINTS,
    best_thresholds,
    box_confusion,
    box_curves,
    boxes_by_class,
    each_picture,
    errors_by_kind,
    pooled_threshold,
)
from striate.metrics._box_errors import KINDS, box_errors, confusion, matched, surest
from striate.metrics._box_precision import box_curve, box_scores
from striate.metrics._boxes import Detections, Truths

LEAST = [0.3, 0.6, 0.45]


def counted(case: Case, least: list[float]) -> np.ndarray:
    """Found, invented and true of each picture and class, (N, K, 3): what is shown is matched anew."""
    told = np.zeros((len(case[0]), case[2], 3))
    for picture, (one, true) in enumerate(zip(case[0], case[1], strict=True)):
        shown = surest(one, np.array(least))
        taken, aside = matched(shown, true)
        for label in range(case[2]):
            own = shown.labels == label
            right, wrong = own & (taken >= 0), own & (taken < 0) & ~aside
            told[picture, label] = right.sum(), wrong.sum(), ((true.labels == label) & ~true.aside).sum()
    return told


@pytest.mark.parametrize("seed", range(10))
def test_figures_of_classes_and_pictures_count_what_is_shown(seed: int) -> None:
    case = drawn(seed, difficult=True)
    rows, least = rows_of(case, seed % 2), LEAST[: case[2]]
    told, scores = counted(case, least), box_scores(*case)
    figures, pictures = boxes_by_class(rows, case[2], least), each_picture(rows, case[2], least)
    right, wrong, true = told.sum(0).T
    for name, wanted in (("found", right), ("invented", wrong), ("support", true), ("missed", true - right)):
        np.testing.assert_array_equal(figures[name], wanted)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(figures["precision"], right / (right + wrong))
        np.testing.assert_allclose(figures["recall"], right / true)
        np.testing.assert_allclose(figures["f1"], np.where(true > 0, 2 * right / (right + wrong + true), np.nan))
        right, wrong, true = told.sum(1).T
        np.testing.assert_allclose(pictures["f1"], 2 * right / (right + wrong + true))
    for name, wanted in (("found", right), ("invented", wrong), ("missed", true - right)):
        np.testing.assert_array_equal(pictures[name], wanted)
    for name, threshold in (("ap", None), ("ap50", 0.5), ("ap75", 0.75)):
        np.testing.assert_allclose(figures[name], scores.by_class(threshold=threshold), atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_tables_and_figures_say_the_same(seed: int) -> None:
    case = drawn(seed, difficult=True)
    rows, least = rows_of(case), LEAST[: case[2]]
    table, figures = box_confusion(rows, case[2], least), boxes_by_class(rows, case[2], least)
    np.testing.assert_array_equal(table, confusion(*case, score=np.array(least)))
    np.testing.assert_array_equal(np.diagonal(table)[:-1], figures["found"])
    np.testing.assert_array_equal(table[:-1].sum(1), figures["support"])
    np.testing.assert_array_equal(table[:, :-1].sum(0), figures["found"] + figures["invented"])
    errors = errors_by_kind(rows, case[2], least)
    assert sum(errors.counts[kind] for kind in KINDS if kind != "missed") == figures["invented"].sum()
    assert errors_by_kind(rows, case[2], [0.0] * case[2]) == box_errors(*case)
    shown = [surest(one, np.array(least)) for one in case[0]]
    np.testing.assert_equal(errors.counts, box_errors(shown, *case[1:]).counts)
    np.testing.assert_equal(errors.costs, box_errors(shown, *case[1:]).costs)


def test_a_score_for_all_classes_is_one_for_each() -> None:
    case = drawn(2)
    np.testing.assert_array_equal(confusion(*case, score=0.4), confusion(*case, score=np.full(case[2], 0.4)))
    assert box_errors(*case, score=0.4) == box_errors(*case, score=np.full(case[2], 0.4))


# Thresholds


def f1_of(case: Case, label: int, least: float) -> float:
    told = counted(case, [least if one == label else 2.0 for one in range(case[2])])[:, label].sum(0)
    return float(2 * told[0] / told.sum()) if told.sum() else float("nan")


@pytest.mark.parametrize("seed", range(10))
def test_no_threshold_has_a_better_f1(seed: int) -> None:
    case = drawn(seed, difficult=True)
    rows = rows_of(case)
    chosen = best_thresholds(rows, case[2])
    for label, least in enumerate(chosen):
        scores = np.unique(np.concatenate([one.scores[one.labels == label] for one in case[0]] + [np.zeros(0)]))
        figures = np.array([f1_of(case, label, float(one)) for one in scores])
        if np.isnan(least):
            assert not np.nan_to_num(figures).any()
            continue
        assert f1_of(case, label, float(least)) == pytest.approx(figures.max(), abs=1e-12)
        highest = float(scores[figures >= figures.max() - 1e-12].max())
        shown = [counted(case, [one] * case[2])[:, label].sum(0).tolist() for one in (float(least), highest)]
        assert shown[0] == shown[1], "of equals the higher"
        assert np.float32(least) == least or least in scores


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_for_all_classes_has_a_better_f1(seed: int) -> None:
    case = drawn(seed, difficult=True)
    chosen = pooled_threshold(rows_of(case), case[2])
    totals = [counted(case, [float(one)] * case[2]).sum((0, 1)) for one in (chosen, *np.linspace(0, 1, 101))]
    figures = [2 * told[0] / told.sum() for told in totals]
    assert figures[0] == pytest.approx(max(figures))


def test_a_threshold_lies_between_the_last_shown_and_the_first_not_shown() -> None:
    there = truths((0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9))
    said = found((0, 0, 9, 9), (20, 0, 29, 9), (60, 0, 69, 9), (40, 0, 49, 9), scores=[0.9, 0.75, 0.25, 0.125])
    assert best_thresholds(rows_of(([said], [there], 1)), 1).tolist() == [0.0625], (
        "3 of 4 are as good as 2 of 2 and more"
    )
    alone = found((0, 0, 9, 9), (20, 0, 29, 9), (60, 0, 69, 9), scores=[0.9, 0.75, 0.25])
    assert best_thresholds(rows_of(([alone], [there], 1)), 1).tolist() == [0.5]


def test_of_equally_good_thresholds_the_higher_is_taken() -> None:
    """One of one, of two truths, is as good as two of four: F1 is 2/3 of either."""
    there = truths((0, 0, 9, 9), (20, 0, 29, 9))
    boxes = (0, 0, 9, 9), (60, 0, 69, 9), (80, 0, 89, 9), (20, 0, 29, 9)
    case: Case = ([found(*boxes, scores=[0.75, 0.5, 0.25, 0.125])], [there], 1)
    assert f1_of(case, 0, 0.75) == f1_of(case, 0, 0.1) == pytest.approx(2 / 3)
    assert best_thresholds(rows_of(case), 1).tolist() == [0.625]


def test_equal_scores_are_shown_together() -> None:
    there = truths((0, 0, 9, 9), (20, 0, 29, 9))
    case: Case = ([found((0, 0, 9, 9), (60, 0, 69, 9), (20, 0, 29, 9), scores=[0.5, 0.5, 0.5])], [there], 1)
    assert best_thresholds(rows_of(case), 1).tolist() == [0.25]


def test_neighbours_of_single_precision_are_kept_apart() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    case: Case = ([found((0, 0, 9, 9), (20, 0, 29, 9), scores=[high, low])], [truths((0, 0, 9, 9))], 1)
    (least,) = best_thresholds(rows_of(case), 1)
    assert (np.array([high, low]) >= np.float32(least)).tolist() == [True, False]


def test_scores_of_zero_are_shown_where_that_is_best() -> None:
    case: Case = ([found((0, 0, 9, 9), scores=[0.0])], [truths((0, 0, 9, 9))], 1)
    assert best_thresholds(rows_of(case), 1).tolist() == [0.0]


# Curves


@pytest.mark.parametrize("seed", range(6))
def test_curves_are_those_of_all_detections(seed: int) -> None:
    case = drawn(seed, difficult=True)
    for label, curve in enumerate(box_curves(rows_of(case), case[2])):
        for one, other in zip((curve.recall, curve.precision, curve.scores), box_curve(*case[:2], label), strict=True):
            np.testing.assert_allclose(one, other)


def test_long_curves_are_thinned_along_their_line() -> None:
    random = np.random.default_rng(0)
    case: Case = ([], [], 1)
    for _ in range(40):
        start = random.uniform(0, 900, (60, 2))
        boxes = np.concatenate([start, start + 10], 1)
        sure = np.concatenate([random.uniform(0.5, 1, 20), random.uniform(0, 0.6, 40)])
        case[0].append(Detections(boxes, sure, np.zeros(60, np.int64)))
        case[1].append(Truths(boxes[:20], np.zeros(20, np.int64)))
    (curve,) = box_curves(rows_of(case), 1)
    recall, precision, scores = box_curve(*case[:2], 0)
    assert len(recall) > 5 * CURVE_POINTS > 3 * len(curve.recall) > CURVE_POINTS
    assert (curve.recall[0], curve.recall[-1], curve.scores[-1]) == (recall[0], recall[-1], scores[-1])
    assert (np.diff(curve.scores) < 0).all()
    near = np.interp(scores, curve.scores[::-1], curve.precision[::-1])
    assert np.abs(near - precision)[recall > 0.05].max() < 0.02
    few = box_curves(rows_of(case), 1, 20)[0]
    assert 2 < len(few.recall) <= 20


# At the edges


@pytest.mark.parametrize(
    "case",
    [
        ([found()], [truths()], 2),
        ([found((0, 0, 9, 9))], [truths()], 2),
        ([found()], [truths((0, 0, 9, 9))], 2),
        ([found((0, 0, 9, 9))], [truths((0, 0, 9, 9), crowd=[True])], 2),
        ([found((0, 0, 9, 9))], [truths((0, 0, 9, 9), difficult=[True])], 2),
        ([found((0, 0, 9, 9), labels=[1])], [truths((0, 0, 9, 9))], 2),
    ],
)
def test_where_nothing_is_found_no_threshold_is_best(case: Case) -> None:
    rows = rows_of(case)
    assert np.isnan(best_thresholds(rows, 2)).all()
    assert np.isnan(pooled_threshold(rows, 2))
    figures = boxes_by_class(rows, 2, best_thresholds(rows, 2))
    np.testing.assert_equal(figures, boxes_by_class(rows, 2, [0.5, 0.5]))
    assert not figures["found"].any()
    support = sum(int((~one.aside).sum()) for one in case[1])
    assert figures["support"].sum() == support
    picture = each_picture(rows, 2, [0.5, 0.5])
    f1 = float(picture["f1"][0])
    assert f1 == 0 if support or picture["invented"][0] else np.isnan(f1)
    assert box_confusion(rows, 2, [0.5, 0.5]).sum() == support + picture["invented"][0] - (case[0][0].labels == 1).sum()
    assert len(box_curves(rows, 2)) == 2


def test_rows_of_no_picture_and_of_no_room() -> None:
    for rows in (np.zeros((0, 2)), joined(empty(2, 0, 6), empty(2, 0, 7))):
        assert boxes_by_class(rows, 3, LEAST)["support"].tolist() == [0, 0, 0]
        assert len(each_picture(rows, 3, LEAST)["f1"]) == len(rows)
        assert np.isnan(best_thresholds(rows, 3)).all()
        assert not box_confusion(rows, 3, LEAST).any()
        assert not any(errors_by_kind(rows, 3, LEAST).counts.values())
        assert all(not len(curve.recall) for curve in box_curves(rows, 3))


def test_a_class_that_is_never_true_has_no_figures_but_counts() -> None:
    case: Case = ([found((0, 0, 9, 9), (20, 0, 29, 9), labels=[0, 1])], [truths((0, 0, 9, 9))], 2)
    figures = boxes_by_class(rows_of(case), 2, [0.5, 0.1])
    assert [float(figures[name][0]) for name in ("ap", "precision", "recall", "f1")] == [1, 1, 1, 1]
    assert np.isnan([figures[name][1] for name in ("ap", "ap50", "ap75", "recall", "f1")]).all()
    assert [float(figures[name][1]) for name in ("precision", "invented", "support", "missed")] == [0, 1, 0, 0]


def test_thresholds_must_be_one_a_class() -> None:
    rows = rows_of(drawn(0))
    for judge in (boxes_by_class, each_picture, box_confusion, errors_by_kind):
        with pytest.raises(ValueError, match="one for each of 3 classes"):
            judge(rows, 3, [0.5])
