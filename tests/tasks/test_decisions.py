"""Decisions that are not the likeliest class: by costs of mistakes, and by moved thresholds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from striate.core.errors import StriateError, UnknownName, UsageError
from striate.evaluate import score
from striate.tasks import LATER, Task, make_task, task_from_dict
from striate.tasks._costs import cost_matrix
from tests.tasks.parts import NAMES, samples

COSTS = {NAMES[0]: {NAMES[1]: 8}}


def made(**options: Any) -> Task:
    return make_task("classify", NAMES, samples("label"), loss="cross_entropy", **options)


def judged() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(len(NAMES)), 60)
    return scores, np.eye(len(NAMES))[random.integers(0, len(NAMES), 60)]


def test_the_least_expected_cost_is_decided_for_and_reported() -> None:
    task, (scores, targets) = made(costs=COSTS), judged()
    matrix = 1 - np.eye(len(NAMES))
    matrix[0, 1] = 8
    decided = np.array([min(range(len(NAMES)), key=lambda k: float(row @ matrix[:, k])) for row in scores])
    assert (task.judged(scores).argmax(1) == decided).all()
    assert (decided != scores.argmax(1)).any()
    cost = float(np.mean([matrix[true, k] for true, k in zip(targets.argmax(1), decided, strict=True)]))
    found = score(task, scores, targets, resamples=200)
    assert found["expected_cost"] == pytest.approx(cost)
    low, high = found["expected_cost_interval"]
    assert low < cost < high
    assert found["accuracy"] == pytest.approx(float((decided == targets.argmax(1)).mean()))
    assert not task.higher_is_better("expected_cost")
    plain = score(made(), scores, targets, resamples=20)
    assert "expected_cost" not in plain
    assert found["log_loss"] == plain["log_loss"], "probabilities stay what they are"
    assert [task.decode(row)["label"] for row in scores] == [NAMES[k] for k in decided]
    assert task.decode(scores[0])["probability"] == pytest.approx(scores[0][decided[0]])
    assert np.array(found["confusion"]).sum(0).tolist() == np.bincount(decided, minlength=len(NAMES)).tolist()


def test_moved_thresholds_decide_and_leave_probabilities() -> None:
    scores, targets = judged()
    task = made().with_factors([1.0, 5.0, *[1.0] * (len(NAMES) - 2)])
    decided = (scores * np.array(task.settings.factors)).argmax(1)
    assert (task.judged(scores).argmax(1) == decided).all()
    assert task.metrics(scores, targets)["accuracy"] == pytest.approx(float((decided == targets.argmax(1)).mean()))
    assert task.metrics(scores, targets)["log_loss"] == made().metrics(scores, targets)["log_loss"]


def test_decisions_are_kept_in_the_model() -> None:
    for task in (made(costs=COSTS), made().with_factors([1.0] * len(NAMES))):
        again = task_from_dict(json.loads(json.dumps(task.to_dict())))
        assert again.settings == task.settings
        older = {key: value for key, value in task.to_dict().items() if key not in LATER}
        assert task_from_dict(older).settings == task.settings
        scores, _ = judged()
        assert (again.judged(scores) == task.judged(scores)).all()


K = len(NAMES)
ZEROS = [[0.0] * K for _ in range(K)]


@pytest.mark.parametrize(
    ("costs", "error", "words"),
    [
        ([[0, 1], [1, 0]], UsageError, f"2 rows of 2; {K} rows of {K}"),
        ([[0] * K] * (K - 1), UsageError, "rows"),
        ([], UsageError, "0 rows of nothing"),
        ({"nobody": {NAMES[0]: 1}}, UnknownName, "nobody"),
        ({NAMES[0]: {"nobody": 1}}, UnknownName, "nobody"),
        ({NAMES[0]: 3}, UsageError, "takes {predicted class: cost}"),
        ({NAMES[0]: {NAMES[1]: -1}}, UsageError, "no cost"),
        ({NAMES[0]: {NAMES[1]: float("nan")}}, UsageError, "no cost"),
        ({NAMES[0]: {NAMES[1]: "much"}}, UsageError, "no cost"),
        ({NAMES[0]: {NAMES[0]: 5}}, UsageError, "less than being right"),
    ],
)
def test_costs_that_make_no_sense_say_what_was_expected(costs: Any, error: type[StriateError], words: str) -> None:
    with pytest.raises(error, match=words):
        made(costs=costs)


def test_rows_and_names_say_the_same() -> None:
    matrix = [[float(row != column) for column in range(K)] for row in range(K)]
    matrix[0][1] = 8.0
    assert made(costs=matrix).settings == made(costs=COSTS).settings


def test_costs_are_for_single_classes() -> None:
    with pytest.raises(UsageError, match="single classes"):
        make_task("multilabel", NAMES, samples("labels"), loss="binary_cross_entropy", costs=COSTS)


def test_classes_named_by_numbers_may_be_given_as_numbers() -> None:
    assert cost_matrix({3: {8: 5}}, ["3", "8"]) == ((0.0, 5.0), (1.0, 0.0))
    with pytest.raises(UsageError, match="twice"):
        cost_matrix({3: {"8": 5}, "3": {"8": 4}}, ["3", "8"])
