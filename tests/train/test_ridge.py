"""Heads in closed form: what scikit-learn's ridge regression gives, fitted part by part."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from striate.train.ridge import PENALTIES, OutOfFold, answers, seconds_of, standardised


def made(count: int, features: int, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets; with equal rows, or one that never varies, where asked."""
    random = np.random.default_rng(seed)
    rows = random.normal(3.0, 2.0, (count, features))
    if kind == "twins":
        rows[count // 2 :] = rows[: count - count // 2]
    if kind == "constant":
        rows[:, 0] = 7.0
    targets = np.eye(3)[random.integers(0, 3, count)] if kind != "values" else random.normal(size=(count, 2))
    return rows, targets


@pytest.mark.parametrize("kind", ["plain", "twins", "constant", "values"])
@pytest.mark.parametrize(("count", "features"), [(40, 6), (30, 90)])
@pytest.mark.parametrize("penalty", [100.0, 1.0, 0.01])
def test_parts_are_judged_as_ridge_regression_of_the_others_judges_them(
    kind: str, count: int, features: int, penalty: float
) -> None:
    rows, targets = made(count, features, kind)
    random = np.random.default_rng(1)
    divisions = [random.permutation(count) % 4, np.arange(count) // (count // 2 + 1)]
    found = OutOfFold(rows, targets).answers(divisions, penalty)
    scaled = StandardScaler().fit_transform(rows)
    for division, one in zip(divisions, found, strict=True):
        for part in set(division.tolist()):
            head = Ridge(alpha=penalty * features).fit(scaled[division != part], targets[division != part])
            np.testing.assert_allclose(one[division == part], head.predict(scaled[division == part]), atol=1e-7)


@pytest.mark.parametrize("kind", ["plain", "twins", "constant", "values"])
@pytest.mark.parametrize("penalty", [10.0, 0.1])
def test_others_are_judged_as_by_a_pipeline_of_scikit_learn(kind: str, penalty: float) -> None:
    rows, targets = made(50, 70, kind)
    asked = made(20, 70, "plain", seed=5)[0]
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=penalty * 70)).fit(rows, targets)
    np.testing.assert_allclose(answers(rows, targets, asked, penalty), pipeline.predict(asked), atol=1e-8)


def test_the_best_penalty_errs_least_of_those_up_to_the_first_that_is_worse() -> None:
    rows, targets = made(60, 20, "plain")
    targets = targets + rows[:, :3]
    heads, division = OutOfFold(rows, targets), np.arange(60) % 5
    errors = [float(np.square(heads.answers([division], one) - targets).sum()) for one in PENALTIES]
    rises = next((place for place in range(1, len(errors)) if errors[place] > errors[place - 1]), len(errors))
    found, penalty = heads.best([division])
    assert penalty == PENALTIES[rises - 1]
    assert float(np.square(found - targets).sum()) == pytest.approx(errors[rises - 1])
    assert rises > 1  # a signal this strong asks for less than the strongest


def test_time_grows_with_the_cube_and_columns_are_standardised_by_others() -> None:
    assert seconds_of(100) > 0
    found = standardised(np.ones((2, 3)), np.zeros((4, 3)))
    assert found.tolist() == [[1.0] * 3] * 2
