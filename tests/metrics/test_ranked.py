"""Areas under curves against scikit-learn and scipy, on random scores, ties, and what is not defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import average_precision_score, roc_auc_score

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Metric, _ranked
from striate.metrics.average_precision import average_precision, average_precision_by_class
from striate.metrics.micro_average_precision import micro_average_precision
from striate.metrics.micro_roc_auc import micro_roc_auc
from striate.metrics.roc_auc import roc_auc, roc_auc_by_class

NAMES = ("roc_auc", "micro_roc_auc", "average_precision", "micro_average_precision")


def drawn(seed: int, kind: TargetKind, rows: int = 70, classes: int = 4, steps: int = 0) -> tuple[Floats, Floats]:
    """Scores and targets with every class present and absent; of `steps` distinct scores, where there are steps."""
    random = np.random.default_rng(seed)
    if kind == "label":
        targets = np.eye(classes)[np.concatenate([range(classes), random.integers(0, classes, rows - classes)])]
    else:
        targets = (random.random((rows, classes)) < 0.3).astype(float)
        targets[0], targets[1] = 0, 1
    scores = random.random(targets.shape) + 0.4 * targets
    return (np.round(scores * steps) / steps if steps else scores), targets


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("steps", [0, 3, 1])
@pytest.mark.parametrize("kind", ["label", "labels"])
def test_areas_are_those_of_scikit_learn(seed: int, steps: int, kind: TargetKind) -> None:
    scores, targets = drawn(seed, kind, steps=steps)
    areas = {"macro": (roc_auc, average_precision), "micro": (micro_roc_auc, micro_average_precision)}
    for average, (area, precision) in areas.items():
        expected = roc_auc_score(targets, scores, average=average)
        assert area(scores, targets, kind) == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(targets, scores, average=average)
        assert precision(scores, targets, kind) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_an_area_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, targets = (np.array([[float(pair[place])] for pair in pairs]) for place in (0, 1))
    ordered = [
        (high > low) + (high == low) / 2
        for high, above in zip(scores[:, 0], targets[:, 0], strict=True)
        for low, below in zip(scores[:, 0], targets[:, 0], strict=True)
        if above and not below
    ]
    found = roc_auc(scores, targets, "labels")
    assert found == pytest.approx(np.mean(ordered)) if ordered else np.isnan(found)


@pytest.mark.parametrize("seed", range(4))
def test_several_classes_are_each_against_the_rest(seed: int) -> None:
    scores, targets = drawn(seed, "label")
    shares = scores / scores.sum(1, keepdims=True)
    expected = roc_auc_score(targets.argmax(1), shares, multi_class="ovr", average="macro")
    assert roc_auc(shares, targets) == pytest.approx(expected, abs=1e-12)
    for area, score, target in zip(roc_auc_by_class(scores, targets), scores.T, targets.T, strict=True):
        count = mannwhitneyu(score[target > 0], score[target == 0]).statistic
        assert area == pytest.approx(count / (target.sum() * (1 - target).sum()), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [0, 4])
def test_samples_may_weigh_anything(name: str, steps: int) -> None:
    scores, targets = drawn(1, "labels", steps=steps)
    weights = np.random.default_rng(0).random((3, len(scores)))
    metric = METRICS.get(name)("labels", 4)
    average = "micro" if name.startswith("micro") else "macro"
    library = roc_auc_score if "roc" in name else average_precision_score
    for found, row in zip(metric.resample(scores, targets, weights), weights, strict=True):
        assert found == pytest.approx(library(targets, scores, average=average, sample_weight=row), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_a_resample_without_a_class_leaves_it_out(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, targets = drawn(seed, "label", rows=12, classes=3, steps=5)
    counts = random.multinomial(4, np.full(12, 1 / 12), size=40).astype(float)
    metric = METRICS.get(name)("label", 3)
    expected = Metric.resample(metric, scores, targets, counts)
    np.testing.assert_allclose(metric.resample(scores, targets, counts), expected, rtol=1e-12)


def test_a_class_that_no_sample_has_is_left_out_and_not_counted_as_chance() -> None:
    scores, targets = drawn(0, "label")
    scores, targets = scores[targets[:, 3] == 0], targets[targets[:, 3] == 0]
    assert np.isnan(roc_auc_by_class(scores, targets)[3])
    assert np.isnan(average_precision_by_class(scores, targets)[3])
    assert roc_auc(scores, targets) == pytest.approx(roc_auc_score(targets[:, :3], scores[:, :3]))
    assert average_precision(scores, targets) == pytest.approx(average_precision_score(targets[:, :3], scores[:, :3]))


def test_one_sample_has_a_precision_and_orders_its_own_classes_alone() -> None:
    scores, targets = np.array([[0.7, 0.3]]), np.array([[1.0, 0.0]])
    assert np.isnan(roc_auc(scores, targets))
    assert average_precision(scores, targets) == 1
    assert micro_roc_auc(scores, targets) == micro_average_precision(scores, targets) == 1


def test_without_a_label_nothing_is_defined() -> None:
    scores = np.random.default_rng(0).random((5, 2))
    nothing = np.zeros((5, 2))
    for name in NAMES:
        assert np.isnan(METRICS.get(name)("labels", 2).measure(scores, nothing))
    assert np.isnan(micro_roc_auc(scores, np.ones((5, 2)), "labels"))


def test_equal_scores_tell_nothing() -> None:
    targets = np.eye(2)[[0, 0, 0, 1]]
    scores = np.full((4, 2), 0.5)
    assert roc_auc(scores, targets) == micro_roc_auc(scores, targets) == 0.5
    assert average_precision(scores, targets) == pytest.approx((0.75 + 0.25) / 2)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_order_counts(name: str) -> None:
    scores, targets = drawn(2, "labels", steps=9)
    metric = METRICS.get(name)("labels", 4)
    assert metric.measure(np.exp(scores) - 3, targets) == pytest.approx(metric.measure(scores, targets), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_resamples_in_parts_and_at_once_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, targets = drawn(3, "labels", steps=9)
    counts = np.random.default_rng(0).integers(0, 3, (10, len(scores))).astype(float)
    metric = METRICS.get(name)("labels", 4)
    whole = metric.resample(scores, targets, counts)
    monkeypatch.setattr(_ranked, "_AT_ONCE", 3 * len(scores))
    np.testing.assert_allclose(metric.resample(scores, targets, counts), whole, rtol=1e-14)
    monkeypatch.setattr(_ranked, "_EXACT", 0)  # double precision throughout
    np.testing.assert_allclose(metric.resample(scores, targets, counts), whole, rtol=1e-14)
