"""What every registered metric keeps to."""

from __future__ import annotations

import importlib
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.core.boxes import empty, joined
from striate.core.records import TargetKind
from striate.core.registry import file_names
from striate.metrics import METRICS, Floats, Metric, statistics

KINDS: tuple[TargetKind, ...] = ("label", "labels", "value", "mask", "boxes")
WITHIN = ("mask", "boxes")
"""Whose scores hold the truth."""
CASES = [
    (name, kind, outputs)
    for name, metric in METRICS.items()
    for kind in KINDS
    for outputs in (1, 2, 8)
    if metric.applies(kind, outputs) and not (kind == "label" and outputs == 1)
]
every_case = pytest.mark.parametrize(("name", "kind", "outputs"), CASES)


def example(kind: TargetKind, outputs: int, rows: int = 90) -> tuple[Floats, Floats]:
    """Scores that are better than chance, and targets."""
    random = np.random.default_rng(outputs)
    if kind == "mask":
        truth, predicted = maps(outputs, rows)
        return masked(predicted, truth, outputs)
    if kind == "boxes":
        found, things = scenes(outputs, rows)
        return joined(found, things), np.empty((rows, 0))
    if kind == "value":
        targets = random.normal(4, 2, (rows, outputs))
        return targets + random.normal(0, 1, targets.shape), targets
    if kind == "label":
        targets = np.eye(outputs)[random.integers(0, outputs, rows)]
        likely = np.exp(2 * targets + random.normal(0, 1, targets.shape))
        return likely / likely.sum(1, keepdims=True), targets
    targets = (random.random((rows, outputs)) < 0.4).astype(np.float64)
    return 1 / (1 + np.exp(1 - 2 * targets + random.normal(0, 1, targets.shape))), targets


def maps(outputs: int, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Blocks of classes, (N, 8, 9), and the same with mistakes."""
    random = np.random.default_rng(outputs)
    truth = random.integers(0, outputs, (rows, 2, 3)).repeat(4, 1).repeat(3, 2).astype(np.uint8)
    guess = np.where(random.random(truth.shape) < 0.1, random.integers(0, outputs, truth.shape), truth)
    return truth, guess.astype(np.uint8)


def masked(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], outputs: int) -> tuple[Floats, Floats]:
    """Statistics of maps as scores, and targets without columns."""
    rows = [statistics(one, other, outputs) for one, other in zip(predicted, truth, strict=True)]
    return np.stack(rows), np.empty((len(rows), 0))


def scenes(outputs: int, rows: int) -> tuple[Floats, Floats]:
    """Small, medium and large things, found (N, 8, 6) and true (N, 5, 7); some doubled, made up, or of no account."""
    random = np.random.default_rng(outputs)
    found, truths = empty(rows, 8, 6), empty(rows, 5, 7)
    for said, true in zip(found, truths, strict=True):
        count = int(random.integers(0, 6))
        start, spans = random.uniform(0, 300, (count, 2)), random.choice([20.0, 60.0, 150.0], (count, 1))
        true[:count, :4] = np.concatenate([start, start + spans], axis=1)
        true[:count, 4] = random.integers(0, outputs, count)
        true[:count, 5] = random.choice([0.0, 1.0, 2.0], count, p=[0.9, 0.05, 0.05])
        near = random.integers(0, max(1, count), random.integers(0, 9) if count else 0)
        said[: len(near), :4] = true[near, :4] + random.normal(0, 0.05, (len(near), 4)) * spans[near]
        said[: len(near), 4] = random.random(len(near))
        wrong = random.random(len(near)) < 0.1
        said[: len(near), 5] = np.where(wrong, random.integers(0, outputs, len(near)), true[near, 4])
    return found, truths


def exactly(truths: Floats) -> Floats:
    """What is found where each thing is, (N, M, 6)."""
    return np.concatenate([truths[..., :4], (truths[..., 4:5] >= 0).astype(np.float64), truths[..., 4:5]], axis=2)


def right_and_mixed_up(kind: TargetKind, outputs: int) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The truth as scores, and the example's scores against another's truth."""
    scores, targets = example(kind, outputs)
    if kind == "boxes":
        found, things = scenes(outputs, len(scores))
        return (joined(exactly(things), things), targets), (joined(found, things[::-1]), targets)
    if kind != "mask":
        return (targets, targets), (scores, targets[::-1])
    truth, predicted = maps(outputs, len(scores))
    return masked(truth, truth, outputs), masked(predicted, truth[::-1], outputs)


def made(name: str, kind: TargetKind, outputs: int) -> Metric:
    return METRICS.get(name)(kind, outputs)


def test_the_registry_holds_each_file_and_no_more() -> None:
    assert METRICS.names() == file_names("striate.metrics")
    assert {name for name, _, _ in CASES} == set(METRICS.names())


@pytest.mark.parametrize("name", METRICS.names())
def test_a_pure_function_of_the_same_name_lies_beside_the_class(name: str) -> None:
    module = importlib.import_module(METRICS.get(name).__module__)
    assert callable(getattr(module, name))
    assert getattr(module, name).__doc__


@every_case
def test_the_pure_function_gives_the_same(name: str, kind: TargetKind, outputs: int) -> None:
    metric = METRICS.get(name)
    function = getattr(importlib.import_module(metric.__module__), name)
    scores, targets = example(kind, outputs)
    given = (scores,) if kind in WITHIN else (scores, targets)
    found = function(*given, kind) if len(metric.kinds) > 1 else function(*given)
    assert found == made(name, kind, outputs).measure(scores, targets)
    assert isinstance(found, float)


@every_case
def test_gathering_in_parts_gives_the_whole(name: str, kind: TargetKind, outputs: int) -> None:
    scores, targets = example(kind, outputs)
    metric = made(name, kind, outputs)
    assert np.isnan(metric.compute())
    for start, stop in pairwise((0, 1, 40, 40, 90)):
        metric.update(scores[start:stop], targets[start:stop])
    assert metric.compute() == pytest.approx(metric.measure(scores, targets), rel=1e-12)


@every_case
def test_resampling_is_repeating_rows(name: str, kind: TargetKind, outputs: int) -> None:
    scores, targets = example(kind, outputs)
    counts = np.random.default_rng(0).integers(0, 3, (4, len(scores))).astype(np.float64)
    counts[0] = 1
    metric = made(name, kind, outputs)
    found = metric.resample(scores, targets, counts)
    np.testing.assert_allclose(found, Metric.resample(metric, scores, targets, counts), rtol=1e-12)
    assert found[0] == pytest.approx(metric.measure(scores, targets), rel=1e-12)


@every_case
def test_the_right_answer_is_best(name: str, kind: TargetKind, outputs: int) -> None:
    scores, targets = example(kind, outputs)
    metric = made(name, kind, outputs)
    right, mixed_up = right_and_mixed_up(kind, outputs)
    best, given, shuffled = (metric.measure(*pair) for pair in (right, (scores, targets), mixed_up))
    assert best == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-6)
    sign = 1 if metric.higher_is_better else -1
    assert sign * best > sign * given > sign * shuffled


@every_case
def test_the_order_of_samples_does_not_matter(name: str, kind: TargetKind, outputs: int) -> None:
    scores, targets = example(kind, outputs)
    order = np.random.default_rng(1).permutation(len(scores))
    metric = made(name, kind, outputs)
    assert metric.measure(scores[order], targets[order]) == pytest.approx(metric.measure(scores, targets), rel=1e-12)


@every_case
def test_what_is_not_scores_is_refused(name: str, kind: TargetKind, outputs: int) -> None:
    scores, targets = example(kind, outputs)
    metric = made(name, kind, outputs)
    with pytest.raises(ValueError, match=r"must be \(N, S\)" if kind in WITHIN else r"must both be \(N, K\)"):
        metric.update(scores, np.zeros(len(scores)))
    with pytest.raises(ValueError, match="finite"):
        metric.update(np.full_like(scores, np.nan), targets)
    for other in set(KINDS) - set(metric.kinds):
        with pytest.raises(ValueError, match=f"kind '{other}'"):
            made(name, other, outputs)
