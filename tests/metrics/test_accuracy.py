"""Accuracy, plain: the worked example and torchmetrics."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from striate.metrics.accuracy import accuracy


def test_the_worked_example_is_55_of_72() -> None:
    matrix = [[20, 5, 2], [3, 18, 4], [1, 2, 17]]
    cells = [(true, guess) for true in range(3) for guess in range(3) for _ in range(matrix[true][guess])]
    true, guess = np.array(cells).T
    found = accuracy(np.eye(3)[guess], np.eye(3)[true])
    assert found == 55 / 72
    assert round(found, 4) == 0.7639


def test_it_equals_torchmetrics() -> None:
    random = np.random.default_rng(0)
    scores, true = random.random((500, 7)), random.integers(0, 7, 500)
    expected = multiclass_accuracy(torch.tensor(scores), torch.tensor(true), 7, average="micro")
    assert abs(accuracy(scores, np.eye(7)[true]) - float(expected)) < 1e-7
