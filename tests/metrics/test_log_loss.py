"""Log loss equals scikit-learn's and torch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from striate.metrics.log_loss import log_loss


def test_it_equals_scikit_learn_for_one_class() -> None:
    random = np.random.default_rng(0)
    scores, true = random.dirichlet(np.ones(5), 200), random.integers(0, 5, 200)
    expected = reference.log_loss(true, scores, labels=range(5))
    assert log_loss(scores, np.eye(5)[true]) == pytest.approx(expected, rel=1e-12)


def test_it_equals_torch_for_several_labels() -> None:
    random = np.random.default_rng(1)
    scores, targets = random.uniform(0.001, 0.999, (200, 4)), (random.random((200, 4)) < 0.3).astype(float)
    expected = torch.nn.functional.binary_cross_entropy(torch.tensor(scores), torch.tensor(targets))
    assert log_loss(scores, targets, "labels") == pytest.approx(float(expected), rel=1e-12)


def test_a_certain_mistake_costs_sixteen_nats_as_in_scikit_learn() -> None:
    scores = np.eye(2, dtype=np.float32)
    expected = reference.log_loss([1, 1], scores, labels=[0, 1])
    found = log_loss(scores.astype(np.float64), np.eye(2)[[1, 1]])
    assert found == pytest.approx(expected, rel=1e-6)
    assert found == pytest.approx(-math.log(np.finfo(np.float32).eps) / 2, rel=1e-6)
