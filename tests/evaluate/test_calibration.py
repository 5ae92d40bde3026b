"""Temperature scaling against scipy's minimiser, and where it must be refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from striate.core.records import TargetKind
from striate.evaluate import fit_temperature
from striate.evaluate.calibration import LEAST, MOST, least_loss, losses
from striate.metrics import METRICS, Floats


def drawn(seed: int, kind: TargetKind, true: float, rows: int = 800, classes: int = 4) -> tuple[Floats, Floats]:
    """Outputs, and targets drawn as likely as the outputs say at that temperature."""
    random = np.random.default_rng(seed)
    outputs = random.normal(0, 2, (rows, classes))
    if kind == "labels":
        return outputs, (random.random(outputs.shape) < expit(outputs / true)).astype(float)
    passed = softmax(outputs / true, axis=1).cumsum(axis=1) > random.random((rows, 1))
    return outputs, np.eye(classes)[passed.argmax(axis=1)]


def alone(rows: int) -> np.ndarray:
    return np.arange(rows)


@pytest.mark.parametrize("kind", ["label", "labels"])
@pytest.mark.parametrize("true", [0.2, 0.5, 1.0, 2.0, 6.0])
def test_the_temperature_is_that_of_the_least_log_loss(true: float, kind: TargetKind) -> None:
    outputs, targets = drawn(0, kind, true, rows=4000)
    found = minimize_scalar(
        lambda power: losses(outputs, targets, kind, float(np.exp(power))).mean(),
        bounds=(-2.9, 2.9),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert least_loss(outputs, targets, kind) == pytest.approx(np.exp(found.x), rel=1e-5)
    assert least_loss(outputs, targets, kind) == pytest.approx(true, rel=0.25)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["label", "labels"]), st.integers(3, 40))
def test_no_temperature_nearby_is_better(seed: int, kind: TargetKind, rows: int) -> None:
    random = np.random.default_rng(seed)
    outputs = random.normal(0, random.choice([0.1, 1, 30]), (rows, 3))
    targets = np.eye(3)[random.integers(0, 3, rows)]
    found = least_loss(outputs, targets, kind)
    assert 1 / MOST <= found <= MOST
    best = losses(outputs, targets, kind, found).mean()
    for other in (found * 0.9, found * 1.1, 1.0):
        if 1 / MOST <= other <= MOST:
            assert best <= losses(outputs, targets, kind, other).mean() + 1e-9


def test_the_log_loss_is_scikit_learns() -> None:
    outputs, targets = drawn(1, "label", 1.0)
    expected = log_loss(targets.argmax(1), softmax(outputs / 1.7, axis=1))
    assert losses(outputs, targets, "label", 1.7).mean() == pytest.approx(expected, rel=1e-9)
    outputs, targets = drawn(1, "labels", 1.0)
    expected = np.mean([log_loss(one, expit(row / 1.7)) for one, row in zip(targets.T, outputs.T, strict=True)])
    assert losses(outputs, targets, "labels", 1.7).mean() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["label", "labels"])
@pytest.mark.parametrize("true", [0.3, 3.0])
def test_new_samples_gain_and_their_order_stays(true: float, kind: TargetKind) -> None:
    outputs, targets = drawn(2, kind, true)
    found = fit_temperature(outputs, targets, kind, alone(len(outputs)))
    assert found.value == pytest.approx(true, rel=0.25)
    assert "5 parts of validation" in found.because
    new, truth = drawn(3, kind, true, rows=3000)
    link = expit if kind == "labels" else lambda one: softmax(one, axis=1)
    for name in ("log_loss", "brier", "calibration_error"):
        metric = METRICS.get(name)(kind, 4)
        assert metric.measure(link(new / found.value), truth) < metric.measure(link(new), truth), name
    assert (link(new / found.value).argmax(1) == link(new).argmax(1)).all()


def test_what_is_calibrated_is_left_and_the_why_has_the_figures() -> None:
    outputs, targets = drawn(0, "label", 1.0, rows=300)
    outputs = outputs * least_loss(outputs, targets, "label") ** -1
    found = fit_temperature(outputs, targets, "label", alone(300))
    assert found.value is None
    assert "would not help: log loss" in found.because


def test_few_samples_and_samples_of_few_groups_are_refused() -> None:
    outputs, targets = drawn(0, "label", 3.0)
    few = LEAST - 1
    assert "49 independent" in fit_temperature(outputs[:few], targets[:few], "label", alone(few)).because
    grouped = fit_temperature(outputs, targets, "label", np.arange(len(outputs)) % few)
    assert grouped.value is None
    assert fit_temperature(outputs, targets, "label", np.arange(len(outputs)) % LEAST).value is not None
    assert fit_temperature(outputs[:0], targets[:0], "label", alone(0)).value is None


@pytest.mark.parametrize("kind", ["label", "labels"])
def test_validation_without_a_mistake_says_nothing_of_how_sure_is_too_sure(kind: TargetKind) -> None:
    targets = np.eye(3)[np.arange(90) % 3]
    outputs = 2 * targets - 1
    assert least_loss(outputs, targets, kind) == 1 / MOST
    found = fit_temperature(outputs, targets, kind, alone(90))
    assert found.value is None
    assert "no mistake" in found.because


def test_one_mistake_is_too_little_to_be_sure_by() -> None:
    random = np.random.default_rng(0)
    targets = np.eye(3)[random.integers(0, 3, 200)]
    outputs = 4 * targets + random.normal(0, 0.3, targets.shape)
    targets[0] = np.roll(targets[0], 1)
    found = fit_temperature(outputs, targets, "label", alone(200))
    assert found.value is None or found.value > 0.5, "a temperature fitted without it would be near nothing"


def test_outputs_that_say_the_opposite_have_no_temperature() -> None:
    outputs, targets = drawn(0, "label", 0.3)
    found = fit_temperature(-outputs, targets, "label", alone(len(outputs)))
    assert found.value is None
    assert "no temperature between" in found.because


def test_groups_are_on_one_side_of_each_division() -> None:
    """Copies of one sample in both parts would show a gain that new samples do not have."""
    random = np.random.default_rng(0)
    targets = np.eye(4)[random.integers(0, 4, 60)]
    outputs = 2 * targets + random.normal(0, 3, (60, 4))
    copies = [np.repeat(one, 4, axis=0) for one in (outputs, targets)]
    grouped = fit_temperature(*copies, "label", np.repeat(np.arange(60), 4))
    single = fit_temperature(outputs, targets, "label", alone(60))
    figures = [one.because.partition("log loss")[2].split(" on ")[0] for one in (grouped, single)]
    assert figures[0] == figures[1] != ""


def test_numbers_that_are_not_finite_are_refused() -> None:
    outputs, targets = drawn(0, "label", 1.0)
    outputs[3, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(outputs, targets, "label", alone(len(outputs)))
