"""Numbers: standardised for the loss by the training samples, in their own unit everywhere else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from striate.core.errors import DataError, UsageError
from striate.core.records import Sample, Value
from striate.tasks import TASKS, Task, TaskSettings, make_task, task_from_dict

NAMES = ("cells", "area")
VALUES = np.random.default_rng(0).normal([200.0, 1e-4], [50.0, 2e-5], (40, 2))


def rows(values: np.ndarray) -> list[Sample]:
    return [Sample(f"{row}", (), Value(tuple(map(float, value)))) for row, value in enumerate(values)]


def made(loss: str = "huber", **options: float) -> Task:
    return make_task("regress", NAMES, rows(VALUES), loss=loss, loss_options=options)


def test_mean_and_spread_are_those_of_scikit_learn() -> None:
    scaler = StandardScaler().fit(VALUES)
    np.testing.assert_allclose(made().settings.mean, scaler.mean_, rtol=1e-13)
    np.testing.assert_allclose(made().settings.std, scaler.scale_, rtol=1e-13)


@pytest.mark.parametrize("loss", ["huber", "mean_squared"])
def test_the_loss_acts_in_standardised_units(loss: str) -> None:
    outputs = torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    standard = torch.tensor(StandardScaler().fit_transform(VALUES))
    function = functional.huber_loss if loss == "huber" else functional.mse_loss
    found = made(loss).losses(outputs, torch.tensor(VALUES))
    torch.testing.assert_close(found, function(outputs, standard, reduction="none").mean(1), rtol=1e-10, atol=1e-10)


def test_scores_and_targets_are_in_the_own_unit() -> None:
    task = made()
    standard = torch.tensor(StandardScaler().fit_transform(VALUES))
    np.testing.assert_allclose(task.scores(standard).numpy(), VALUES, rtol=1e-5)
    np.testing.assert_allclose(task.encode(rows(VALUES)).numpy(), VALUES, rtol=1e-6)
    assert task.decode(np.array([12.5, 0.25])) == {"values": {"cells": 12.5, "area": 0.25}}


def test_a_network_that_says_nothing_scores_as_the_mean() -> None:
    task = made()
    found = task.metrics(task.scores(torch.zeros(40, 2)).numpy(), VALUES)
    assert found["r2"] == pytest.approx(0.0, abs=1e-6)
    assert found["rmse"] == pytest.approx(np.mean(VALUES.std(0)), rel=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_quantile_is_judged_at_its_share_and_nothing_else_is(share: float) -> None:
    task = made("quantile", share=share)
    again = task_from_dict(json.loads(json.dumps(task.to_dict())))
    scores = VALUES + np.random.default_rng(3).normal(0, [40.0, 1e-5], VALUES.shape)
    for one in (task, again):
        found = one.metrics(scores, VALUES)
        assert found["pinball"] == pytest.approx(mean_pinball_loss(VALUES, scores, alpha=share), rel=1e-12)
        assert not one.higher_is_better("pinball")
        for place, row in enumerate(one.per_class(scores, VALUES)):
            expected = mean_pinball_loss(VALUES[:, place], scores[:, place], alpha=share)
            assert row["pinball"] == pytest.approx(expected, rel=1e-12)
    assert "pinball" not in made().metric_names
    assert "pinball" not in made("mean_absolute").metric_names


def test_every_value_has_its_own_row() -> None:
    scores = VALUES + [1.0, 0.0]
    cells, area = made().per_class(scores, VALUES)
    assert (cells["value"], cells["support"]) == ("cells", 40)
    assert cells["mae"] == pytest.approx(1.0)
    assert cells["r2"] == pytest.approx(1 - 1 / VALUES[:, 0].var())
    assert (area["mae"], area["rmse"], area["r2"]) == (0.0, 0.0, 1.0)


def test_a_value_that_is_the_same_for_all_is_null_and_said() -> None:
    targets = VALUES.copy()
    targets[:, 1] = 7.0
    cells, area = made().per_class(VALUES, targets)
    assert cells["r2"] == 1.0
    assert area["r2"] is None
    assert set(made().undefined(VALUES, targets)) == {"value area"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_a_target_that_is_not_a_number_names_its_sample(value: float) -> None:
    with pytest.raises(DataError, match="target of '0'"):
        made().encode(rows(np.array([[1.0, value]])))
    with pytest.raises(DataError, match="2 numbers was expected"):
        made().encode([Sample("0", (), Value((1.0,)))])


def test_values_that_cannot_be_learnt_are_errors() -> None:
    constant = VALUES.copy()
    constant[:, 1] = 0.1
    with pytest.raises(DataError, match=r"'area' is 0\.1 for all 40 training samples"):
        make_task("regress", NAMES, rows(constant), loss="huber")
    with pytest.raises(DataError, match=r"'cells' differs by .* single precision"):
        make_task("regress", NAMES, rows(VALUES + [1e9, 0]), loss="huber")
    with pytest.raises(DataError, match="no training samples"):
        make_task("regress", NAMES, [], loss="huber")
    with pytest.raises(UsageError, match="no classes to balance"):
        make_task("regress", NAMES, rows(VALUES), loss="huber", class_weights="balanced")
    with pytest.raises(UsageError, match="1 means"):
        TASKS.get("regress")(NAMES, TaskSettings("huber", mean=(0.0,), std=(1.0,)))
