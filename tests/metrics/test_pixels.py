"""Metrics of masks against scikit-learn, torchmetrics, distance transforms, and definitions restated by hand."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score
from torchmetrics.functional.classification import multiclass_jaccard_index

from striate.core.records import VOID
from striate.metrics import METRICS, Floats, by_class, classes_of, split_rows, statistics, width
from striate.metrics import _surfaces as surfaces_module
from striate.metrics.boundary_f1 import boundary_f1
from striate.metrics.dice import dice
from striate.metrics.hausdorff95 import hausdorff95
from striate.metrics.mean_iou import mean_iou
from striate.metrics.pixel_accuracy import pixel_accuracy

Maps = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
SIZES = ((1, 1), (1, 9), (7, 5), (33, 40))
CASES = [
    (seed, classes, size, void) for seed, (classes, size, void) in enumerate(product((2, 3, 7), SIZES, (0.0, 0.3)))
]
every_case = pytest.mark.parametrize(("seed", "classes", "size", "void"), CASES)


def drawn(seed: int, classes: int, size: tuple[int, int], void: float, pictures: int = 4) -> Maps:
    """Predicted and true maps: noise, blobs, blobs moved by a little, and one class alone."""
    random = np.random.default_rng(seed)

    def noise() -> NDArray[np.uint8]:
        return random.choice(classes, size, p=random.dirichlet(np.ones(classes))).astype(np.uint8)

    def blobs() -> NDArray[np.uint8]:
        smooth = [ndimage.gaussian_filter(random.normal(size=size), 2) for _ in range(classes)]
        return np.argmax(smooth, axis=0).astype(np.uint8)

    found = []
    for number in range(pictures):
        truth = (noise, blobs, blobs, noise)[number % 4]()
        predicted = (noise(), blobs(), np.roll(truth, 1, 1), np.full(size, random.integers(classes), np.uint8))
        covered = np.where(random.random(size) < void, VOID, truth).astype(np.uint8)
        found.append((predicted[number % 4], covered))
    return found


def rows_of(maps: Maps, classes: int) -> Floats:
    return np.stack([statistics(predicted, truth, classes) for predicted, truth in maps])


def pixels_of(maps: Maps) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Truth and prediction of all pixels that are not void."""
    predicted, truth = (np.concatenate([pair[side].ravel() for pair in maps]) for side in (0, 1))
    return truth[truth != VOID], predicted[truth != VOID]


@every_case
def test_pixels_are_counted_as_by_scikit_learn(seed: int, classes: int, size: tuple[int, int], void: float) -> None:
    maps = drawn(seed, classes, size, void)
    rows, (truth, predicted) = rows_of(maps, classes), pixels_of(maps)
    assert rows.shape == (4, width(classes))
    assert classes_of(rows) == classes
    places = list(range(classes))
    expected = confusion_matrix(truth, predicted, labels=places)
    np.testing.assert_array_equal(split_rows(rows).confusion.sum(0), expected)
    assert mean_iou(rows) == pytest.approx(jaccard_score(truth, predicted, average="macro"), abs=1e-15)
    assert pixel_accuracy(rows) == accuracy_score(truth, predicted)
    if classes == 2:
        expected_dice = f1_score(truth, predicted, zero_division=np.nan)
    else:
        expected_dice = f1_score(truth, predicted, average="macro")
    assert dice(rows) == pytest.approx(expected_dice, abs=1e-15, nan_ok=True)


@every_case
def test_figures_of_each_class_are_scikit_learns(seed: int, classes: int, size: tuple[int, int], void: float) -> None:
    maps = drawn(seed, classes, size, void)
    found, (truth, predicted) = by_class(rows_of(maps, classes)), pixels_of(maps)
    options = {"labels": list(range(classes)), "average": None, "zero_division": np.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_scikit_learn = {
            "precision": precision_score(truth, predicted, **options),
            "recall": recall_score(truth, predicted, **options),
            "dice": f1_score(truth, predicted, **options),
            "iou": jaccard_score(truth, predicted, labels=list(range(classes)), average=None, zero_division=0),
        }
    absent = [one for one in range(classes) if not ((truth == one) | (predicted == one)).any()]
    by_scikit_learn["iou"] = np.array(by_scikit_learn["iou"], float)
    by_scikit_learn["iou"][absent] = np.nan
    for name, expected in by_scikit_learn.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-15, err_msg=name)
    assert found["support"].tolist() == [(truth == one).sum() for one in range(classes)]
    has = {one: [((p == one) & (t != VOID), t == one) for p, t in maps] for one in range(classes)}
    assert found["pictures"].tolist() == [sum(t.any() for _, t in has[one]) for one in range(classes)]
    assert found["missed"].tolist() == [sum(t.any() and not p.any() for p, t in has[one]) for one in range(classes)]
    assert found["invented"].tolist() == [sum(p.any() and not t.any() for p, t in has[one]) for one in range(classes)]
    assert found["measured"].tolist() == [sum(p.any() and t.any() for p, t in has[one]) for one in range(classes)]


@pytest.mark.parametrize("seed", range(6))
def test_intersection_over_union_is_torchmetrics(seed: int) -> None:
    maps = drawn(seed, 5, (24, 31), 0.2)
    expected = multiclass_jaccard_index(
        torch.from_numpy(np.stack([predicted for predicted, _ in maps])).long(),
        torch.from_numpy(np.stack([truth for _, truth in maps])).long(),
        num_classes=5,
        average="none",
        ignore_index=VOID,
    )
    np.testing.assert_allclose(by_class(rows_of(maps, 5))["iou"], expected.numpy(), rtol=1e-6)


def surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """As MONAI's `get_mask_edges` has it: what an erosion by a cross takes away, with nothing beyond the picture."""
    return mask & ~ndimage.binary_erosion(mask)


def distances(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], percentile: float = 95) -> float:
    """As MONAI's `compute_hausdorff_distance(percentile=…, directed=False)`, by distance transforms."""
    ends = surface(predicted), surface(truth)
    away = [ndimage.distance_transform_edt(~end) for end in ends]
    return max(np.percentile(away[1][ends[0]], percentile), np.percentile(away[0][ends[1]], percentile))


def boundary(classes: NDArray[np.uint8], one: int) -> NDArray[np.bool_]:
    """Pixels of a class with a neighbour of another class, pixel by pixel."""
    found = np.zeros(classes.shape, bool)
    for row, column in np.argwhere(classes == one):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            within = 0 <= r < classes.shape[0] and 0 <= c < classes.shape[1]
            found[row, column] |= within and classes[r, c] not in (one, VOID)
    return found


def f1_of_boundaries(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], one: int) -> float:
    """Csurka et al. 2013, section 3, by distance transforms."""
    reach = max(1.0, 0.0075 * np.hypot(*truth.shape))
    ends = [boundary(side, one) for side in (predicted, truth)]
    if not ends[0].any() and not ends[1].any():
        return np.nan
    if not ends[0].any() or not ends[1].any():
        return 0.0
    precision, recall = (
        (ndimage.distance_transform_edt(~other)[end] <= reach).mean() for end, other in (ends, ends[::-1])
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def over(values: list[list[float]]) -> float:
    """The mean over pictures, then over classes, of two classes the second's, from values by class."""
    means = [np.mean(known) if (known := [v for v in row if not np.isnan(v)]) else np.nan for row in values]
    means = means[1:] if len(means) == 2 else means
    known = [value for value in means if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


@every_case
def test_surfaces_are_measured_as_by_distance_transforms(
    seed: int, classes: int, size: tuple[int, int], void: float
) -> None:
    maps = drawn(seed, classes, size, void)
    seen = [(np.where(truth == VOID, VOID, predicted).astype(np.uint8), truth) for predicted, truth in maps]
    far: list[list[float]] = [[] for _ in range(classes)]
    ends: list[list[float]] = [[] for _ in range(classes)]
    for one in range(classes):
        for predicted, truth in seen:
            both = (predicted == one).any() and (truth == one).any()
            far[one].append(distances(predicted == one, truth == one) if both else np.nan)
            ends[one].append(f1_of_boundaries(predicted, truth, one))
    rows = rows_of(maps, classes)
    assert hausdorff95(rows) == pytest.approx(over(far), abs=1e-12, nan_ok=True)
    assert boundary_f1(rows) == pytest.approx(over(ends), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_hundredth_percentile_is_scipys_distance(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces_module, "PERCENTILE", 100.0)
    ((_, _), (predicted, truth), *_) = drawn(seed, 2, (40, 50), 0.0)
    a, b = (np.argwhere(surface(side == 1)) for side in (predicted, truth))
    expected = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
    assert hausdorff95(statistics(predicted, truth, 2)[None]) == pytest.approx(expected, abs=1e-12)


def test_the_reach_of_a_boundary_grows_with_the_picture() -> None:
    """The diagonal of 300 × 400 is 500: 3 px are within 3.75, 4 are not. Edges of the picture are no boundary."""
    truth = np.zeros((300, 400), np.uint8)
    truth[:, 100:] = 1
    for moved, expected in ((3, 1.0), (4, 0.0)):
        assert boundary_f1(statistics(np.roll(truth, moved, 1) * (np.arange(400) >= 50), truth, 2)[None]) == expected


def test_worked_by_hand() -> None:
    """Truth and prediction are squares of 3 px, two columns apart: 3 of 9 pixels are hits."""
    truth, predicted = np.zeros((9, 12), np.uint8), np.zeros((9, 12), np.uint8)
    truth[3:6, 3:6], predicted[3:6, 5:8] = 1, 1
    rows = statistics(predicted, truth, 2)[None]
    assert split_rows(rows).confusion[0].tolist() == [[108 - 15, 6], [6, 3]]
    assert mean_iou(rows) == pytest.approx((93 / 105 + 3 / 15) / 2)
    assert dice(rows) == pytest.approx(6 / 18)
    assert pixel_accuracy(rows) == pytest.approx(96 / 108)
    # Of 8 pixels of each boundary the column nearest to the other square lies in it or beside it.
    assert boundary_f1(rows) == pytest.approx(f1_of_boundaries(predicted, truth, 1))
    assert hausdorff95(rows) == 2.0


@every_case
def test_the_truth_is_perfect_and_the_reverse_is_the_same(
    seed: int, classes: int, size: tuple[int, int], void: float
) -> None:
    maps = drawn(seed, classes, size, 0.0)
    perfect = rows_of([(truth, truth) for _, truth in maps], classes)
    assert mean_iou(perfect) == pixel_accuracy(perfect) == 1.0
    assert boundary_f1(perfect) in (1.0, pytest.approx(np.nan, nan_ok=True))
    assert hausdorff95(perfect) in (0.0, pytest.approx(np.nan, nan_ok=True))
    rows, reverse = rows_of(maps, classes), rows_of([(truth, predicted) for predicted, truth in maps], classes)
    for name in ("mean_iou", "dice", "pixel_accuracy", "boundary_f1", "hausdorff95"):
        metric = METRICS.get(name)("mask", classes)
        nothing = np.empty((4, 0))
        assert metric.measure(rows, nothing) == pytest.approx(metric.measure(reverse, nothing), abs=1e-12, nan_ok=True)


def test_void_is_in_no_number() -> None:
    ((predicted, truth), *_) = drawn(1, 4, (20, 20), 0.4)
    other = np.where(truth == VOID, (predicted + 1) % 4, predicted).astype(np.uint8)
    np.testing.assert_array_equal(statistics(other, truth, 4), statistics(predicted, truth, 4))
    nothing = statistics(predicted, np.full_like(truth, VOID), 4)
    assert not nothing.any()
    for name in ("mean_iou", "dice", "pixel_accuracy", "boundary_f1", "hausdorff95"):
        assert np.isnan(METRICS.get(name)("mask", 4).measure(nothing[None], np.empty((1, 0))))
    # A picture that is all void changes nothing of the others.
    rows = rows_of([(predicted, truth)], 4)
    assert mean_iou(np.vstack([rows, nothing])) == mean_iou(rows)
    assert hausdorff95(np.vstack([rows, nothing])) == hausdorff95(rows)


def test_classes_that_are_missed_invented_or_absent() -> None:
    truth, predicted = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    truth[0, 0], predicted[5, 5] = 1, 2
    found = by_class(statistics(predicted, truth, 4)[None])
    assert found["iou"].tolist()[1:3] == [0.0, 0.0]
    assert np.isnan(found["iou"][3])
    assert np.isnan(found["hausdorff95"][1:]).all()
    assert found["boundary_f1"].tolist()[1:3] == [0.0, 0.0]
    assert (found["missed"].tolist(), found["invented"].tolist()) == ([0, 1, 0, 0], [0, 0, 1, 0])
    assert mean_iou(statistics(predicted, truth, 4)[None]) == pytest.approx(34 / 36 / 3)


def test_one_pixel_far_off() -> None:
    truth, predicted = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    truth[1, 1], predicted[4, 5] = 1, 1
    rows = statistics(predicted, truth, 2)[None]
    assert (hausdorff95(rows), dice(rows), boundary_f1(rows)) == (5.0, 0.0, 0.0)


def test_surfaces_may_be_left_out() -> None:
    maps = drawn(3, 3, (30, 30), 0.1)
    quick = np.stack([statistics(predicted, truth, 3, measure_surfaces=False) for predicted, truth in maps])
    assert mean_iou(quick) == mean_iou(rows_of(maps, 3))
    assert np.isnan(boundary_f1(quick))
    assert np.isnan(hausdorff95(quick))


@pytest.mark.parametrize("name", ["mean_iou", "dice", "pixel_accuracy"])
def test_a_resample_is_judged_as_its_pictures_are(name: str) -> None:
    maps = drawn(5, 3, (12, 14), 0.1, pictures=8)
    counts = np.random.default_rng(0).multinomial(8, np.ones(8) / 8, size=5).astype(float)
    found = METRICS.get(name)("mask", 3).resample(rows_of(maps, 3), np.empty((8, 0)), counts)
    for value, row in zip(found, counts.astype(int), strict=True):
        truth, predicted = pixels_of([pair for pair, times in zip(maps, row, strict=True) for _ in range(times)])
        judged = {
            "mean_iou": jaccard_score(truth, predicted, average="macro"),
            "dice": f1_score(truth, predicted, average="macro"),
            "pixel_accuracy": accuracy_score(truth, predicted),
        }
        assert value == pytest.approx(judged[name], abs=1e-12)


def test_what_is_no_map_of_these_classes_is_refused() -> None:
    map_ = np.zeros((3, 3), np.uint8)
    with pytest.raises(ValueError, match="both must be"):
        statistics(map_, map_[:2], 2)
    with pytest.raises(ValueError, match="of the class 2; there are 2"):
        statistics(map_ + np.uint8(2), map_, 2)
    with pytest.raises(ValueError, match="of the class 5; there are 2"):
        statistics(map_, map_ + np.uint8(5), 2)
    with pytest.raises(ValueError, match="not statistics of masks"):
        classes_of(np.zeros((2, 17)))
    with pytest.raises(ValueError, match="of 3 classes"):
        METRICS.get("dice")("mask", 3).update(np.zeros((1, width(2))), np.zeros((1, 0)))
    with pytest.raises(ValueError, match="not for 1 outputs"):
        METRICS.get("dice")("mask", 1)
