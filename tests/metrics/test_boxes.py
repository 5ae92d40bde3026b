"""Metrics of boxes: average precision as pycocotools and a plain restatement give it; confusion; errors by kind."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import pytest
from box_cases import Case, drawn, found, rows_of, truths
from references.coco_boxes import overlap, precision_and_recall

from striate.metrics import METRICS
from striate.metrics._box_errors import KINDS, box_errors, confusion, matched
from striate.metrics._box_precision import LIMITS, RECALLS, box_curve, box_scores, read_off
from striate.metrics._boxes import AREAS, THRESHOLDS, Detections, Truths, match, overlaps

# Average precision


@pytest.mark.parametrize("seed", range(4))
def test_all_figures_equal_the_plain_restatement(seed: int) -> None:
    case = drawn(seed, difficult=True, pictures=3, most=7)
    scores = box_scores(*case)
    for threshold, area, limit in itertools.product((0, 3, 9), AREAS, LIMITS):
        for label in range(case[2]):
            told = precision_and_recall(case, label, *AREAS[area], THRESHOLDS[threshold], limit)
            where = label, list(AREAS).index(area), LIMITS.index(limit)
            if told is None:
                assert np.isnan(scores.precision[(threshold, slice(None), *where)]).all()
            else:
                assert np.allclose(scores.precision[(threshold, slice(None), *where)], told[0], atol=1e-12)
                assert scores.recall[(threshold, *where)] == pytest.approx(told[1], abs=1e-12)


def coco_figures(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and the twelve figures of pycocotools; −1 where they are not defined."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    evaluation = pytest.importorskip("pycocotools.cocoeval", reason="pycocotools is not installed")
    detections, wanted, classes = case
    things, results = [], []
    for number, (one, true) in enumerate(zip(detections, wanted, strict=True), 1):
        for box, label, crowd, area in zip(true.boxes, true.labels, true.crowd, true.areas, strict=True):
            bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            entry = {"id": len(things) + 1, "image_id": number, "category_id": int(label) + 1, "bbox": bbox}
            things.append({**entry, "area": float(area), "iscrowd": int(crowd)})
        for box, label, score in zip(one.boxes, one.labels, one.scores, strict=True):
            bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            results.append({"image_id": number, "category_id": int(label) + 1, "bbox": bbox, "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(1, len(wanted) + 1)],
            "annotations": things,
            "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
        }
        data.createIndex()
        told = evaluation.COCOeval(data, data.loadRes(results), "bbox")
        told.evaluate()
        told.accumulate()
        told.summarize()
    return told.eval["precision"], told.eval["recall"], told.stats


FIGURES = [
    *("map", "map50", "map75", "map_small", "map_medium", "map_large"),
    *("mar1", "mar10", "mar100", "mar_small", "mar_medium", "mar_large"),
]


@pytest.mark.parametrize("seed", range(30))
def test_all_figures_equal_those_of_pycocotools(seed: int) -> None:
    case = drawn(1000 + seed, pictures=1 + seed % 6, most=4 + seed)
    if not sum(len(one.labels) for one in case[0]):
        pytest.skip("pycocotools takes no empty list of results")
    precision, recall, figures = coco_figures(case)
    scores = box_scores(*case)
    assert np.allclose(np.nan_to_num(scores.precision, nan=-1), precision, atol=1e-9)
    assert np.allclose(np.nan_to_num(scores.recall, nan=-1), recall, atol=1e-9)
    assert list(scores.summary()) == FIGURES
    assert np.allclose(np.nan_to_num(list(scores.summary().values()), nan=-1), figures, atol=1e-9)
    for name, figure in zip(FIGURES, figures, strict=True):
        if name in METRICS.names():
            value = METRICS.get(name)("boxes", case[2]).measure(rows_of(case), np.empty((len(case[0]), 0)))
            assert np.isclose(np.nan_to_num(value, nan=-1), figure, atol=1e-9)
    by_class = scores.by_class()
    for label in range(case[2]):
        known = precision[:, :, label, 0, -1]
        assert np.isclose(
            np.nan_to_num(by_class[label], nan=-1), known[known > -1].mean() if (known > -1).any() else -1
        )


def test_more_than_a_hundred_detections_of_a_class() -> None:
    random = np.random.default_rng(0)
    start = random.uniform(0, 400, (130, 2))
    boxes = np.concatenate([start, start + 20], 1)
    case: Case = ([Detections(boxes, random.random(130), np.zeros(130, np.int64))], [truths(*boxes)], 1)
    precision, recall, _ = coco_figures(case)
    scores = box_scores(*case)
    assert np.allclose(np.nan_to_num(scores.precision, nan=-1), precision)
    assert np.allclose(np.nan_to_num(scores.recall, nan=-1), recall)
    assert scores.average_recall() == pytest.approx(100 / 130)


def test_everything_right_nothing_found_and_nothing_there() -> None:
    there = [truths((0, 0, 50, 50), (60, 60, 90, 90), labels=[0, 1])]
    right = box_scores([found((0, 0, 50, 50), (60, 60, 90, 90), labels=[0, 1])], there, 2)
    assert right.average_precision() == pytest.approx(1)
    assert right.average_recall() == 1
    assert np.isnan(right.average_precision(area="large"))
    none = box_scores([found()], there, 2)
    assert (none.average_precision(), none.average_recall()) == (0.0, 0.0)
    nothing = box_scores([found((0, 0, 5, 5))], [truths()], 2)
    assert np.isnan(nothing.average_precision())
    assert np.isnan(box_scores([], [], 1).average_precision())
    assert right.by_class() == pytest.approx([1, 1])


def test_what_does_not_count_costs_nothing_and_gains_nothing() -> None:
    there = truths((0, 0, 50, 50), (60, 60, 90, 90), difficult=[False, True], crowd=[False, False])
    both = box_scores([found((0, 0, 50, 50), (60, 60, 90, 90), scores=[0.5, 0.9])], [there], 1)
    one = box_scores([found((0, 0, 50, 50))], [there], 1)
    assert both.average_precision() == one.average_precision() == pytest.approx(1)
    crowd = truths((0, 0, 100, 100), (200, 200, 220, 220), crowd=[True, False])
    many = found((0, 0, 20, 20), (30, 30, 50, 60), (200, 200, 220, 220))
    assert box_scores([many], [crowd], 1).average_precision() == pytest.approx(1)
    assert match(many, crowd, 0).aside[0, 0].tolist() == [True, True, False]


def test_overlaps_equal_those_of_torchvision() -> None:
    torch = pytest.importorskip("torch")
    box_iou = pytest.importorskip("torchvision.ops").box_iou
    random = np.random.default_rng(0)
    start = random.uniform(0, 9, (2, 40, 2))
    one, other = np.concatenate([start, start + random.uniform(0.1, 9, (2, 40, 2))], 2)
    assert np.allclose(overlaps(one, other), box_iou(torch.from_numpy(one), torch.from_numpy(other)).numpy())
    crowd = random.random(40) < 0.5
    wanted = [[overlap(a, b, bool(c)) for b, c in zip(other.tolist(), crowd, strict=True)] for a in one.tolist()]
    assert np.allclose(overlaps(one, other, crowd), wanted)
    assert overlaps(np.zeros((0, 4)), other).shape == (0, 40)
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Truths(np.zeros((2, 3)), np.zeros(2, np.int64)), r"\(N, 4\)"),
        (lambda: Truths(np.zeros((2, 4)), np.zeros(3, np.int64)), r"\(N, 4\)"),
        (lambda: Truths(np.full((1, 4), np.nan), np.zeros(1, np.int64)), "finite"),
        (lambda: Truths(np.zeros((1, 4)), np.array([-1])), "from 0"),
        (lambda: Truths(np.zeros((2, 4)), np.zeros(2, np.int64), np.array([True])), "one entry for each"),
        (lambda: found((0, 0, 1, 1), scores=[np.nan]), "scores"),
        (lambda: box_scores([found()], [], 1), "1 pictures and truths of 0"),
        (lambda: box_scores([found((0, 0, 1, 1), labels=[2])], [truths()], 2), "below the number"),
        (lambda: box_scores([], [], 1).average_precision(threshold=0.52), "none of the thresholds"),
    ],
)
def test_what_cannot_be_scored(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


# Curves


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_counts_what_is_above_each_score(seed: int) -> None:
    detections, wanted, classes = drawn(seed)
    for label in range(classes):
        recall, precision, scores = box_curve(detections, wanted, label)
        counted = sum(int(((one.labels == label) & ~one.crowd).sum()) for one in wanted)
        if not counted:
            assert not len(recall)
            continue
        rows = [match(one, true, label) for one, true in zip(detections, wanted, strict=True)]
        for point in range(len(scores)):
            right = sum(int((one.found & ~one.aside)[0, 0][one.scores >= scores[point]].sum()) for one in rows)
            wrong = sum(int((~one.found & ~one.aside)[0, 0][one.scores >= scores[point]].sum()) for one in rows)
            assert recall[point] == pytest.approx(right / counted)
            assert precision[point] == pytest.approx(right / (right + wrong))
        assert (np.diff(scores) < 0).all()
        assert (np.diff(recall) >= 0).all()


def test_precision_is_read_off_as_the_most_beyond() -> None:
    random = np.random.default_rng(0)
    recall, precision = np.sort(random.random(30)), random.random(30)
    wanted = [max([p for r, p in zip(recall, precision, strict=True) if r >= at], default=0.0) for at in RECALLS]
    assert np.allclose(read_off(recall, precision), wanted)


# Confusion


def test_confusion_by_hand() -> None:
    there = truths((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (60, 0, 70, 10), labels=[0, 0, 1, 1])
    said = found(
        (0, 0, 10, 10),  # right
        (0, 0, 10, 9),  # once more: made up
        (20, 0, 30, 10),  # taken for 1
        (40, 0, 50, 9),  # right
        (90, 0, 99, 9),  # made up
        scores=[0.9, 0.8, 0.7, 0.6, 0.05],
        labels=[0, 0, 1, 1, 1],
    )
    assert confusion([said], [there], 2).tolist() == [[1, 1, 0], [0, 1, 1], [1, 1, 0]]
    assert confusion([said], [there], 2, score=0.1).tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert confusion([found()], [there], 2).tolist() == [[0, 0, 2], [0, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_confusion_counts_each_truth_and_each_detection_once(seed: int) -> None:
    detections, wanted, classes = drawn(seed, difficult=True)
    table = confusion(detections, wanted, classes)
    counted = np.concatenate([one.labels[~one.aside] for one in wanted])
    assert table[:classes].sum(1).tolist() == np.bincount(counted, minlength=classes).tolist()
    aside = [matched(one, true)[1] for one, true in zip(detections, wanted, strict=True)]
    said = np.concatenate([one.labels[~out] for one, out in zip(detections, aside, strict=True)])
    assert table[:, :classes].sum(0).tolist() == np.bincount(said, minlength=classes).tolist()
    right = sum(int((matched(one, true)[0] >= 0).sum()) for one, true in zip(detections, wanted, strict=True))
    assert np.trace(table) == right
    assert table[-1, -1] == 0


# Errors by kind


THERE = truths((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), labels=[0, 0, 1])


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ((0, 0, 10, 9), 0, "duplicate"),
        ((20, 0, 26, 7), 0, "place"),
        ((20, 0, 30, 9), 1, "class"),
        ((20, 0, 26, 7), 1, "both"),
        ((80, 0, 90, 9), 1, "background"),
        ((29.5, 0, 39, 10), 1, "background"),
    ],
)
def test_each_kind_of_error(box: tuple[float, ...], label: int, kind: str) -> None:
    said = found((0, 0, 10, 10), (40, 0, 50, 10), box, scores=[0.9, 0.8, 0.7], labels=[0, 1, label])
    told = box_errors([said], [THERE], 2)
    covered = kind in ("place", "class")
    assert told.counts == {**dict.fromkeys(KINDS, 0), kind: 1, "missed": 0 if covered else 1}
    if covered:
        assert told.costs[kind] == pytest.approx(1 - told.precision)
    else:
        assert told.costs["missed"] > 0


def test_costs_are_gains_of_average_precision() -> None:
    first = box_errors([found((0, 0, 10, 9), (80, 0, 90, 9), scores=[0.5, 0.9])], [truths((0, 0, 10, 10))], 1)
    assert first.precision == pytest.approx(0.5)
    assert first.costs == {**dict.fromkeys(KINDS, 0.0), "background": pytest.approx(0.5)}
    assert first.counts["background"] == 1


@pytest.mark.parametrize("seed", range(12))
def test_every_false_detection_has_one_kind_and_mending_never_costs(seed: int) -> None:
    detections, wanted, classes = drawn(seed, difficult=True)
    told = box_errors(detections, wanted, classes)
    pairs = [matched(one, true) for one, true in zip(detections, wanted, strict=True)]
    false = sum(int(((taken < 0) & ~aside).sum()) for taken, aside in pairs)
    assert sum(told.counts[kind] for kind in KINDS[:-1]) == false
    if not np.isnan(told.precision):
        assert told.precision == pytest.approx(box_scores(detections, wanted, classes).average_precision(threshold=0.5))
        for kind in ("place", "duplicate", "background", "both"):
            assert told.costs[kind] >= -1e-12


def test_perfect_detections_make_no_error() -> None:
    _, wanted, classes = drawn(5)
    said = [Detections(one.boxes[~one.crowd], np.ones((~one.crowd).sum()), one.labels[~one.crowd]) for one in wanted]
    told = box_errors(said, wanted, classes)
    assert told.counts == dict.fromkeys(KINDS, 0)
    assert told.costs == dict.fromkeys(KINDS, 0.0)
    assert told.precision == 1.0
