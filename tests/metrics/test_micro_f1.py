"""Micro F1 equals scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from striate.metrics.micro_f1 import micro_f1


def test_it_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores, targets = random.random((300, 4)), (random.random((300, 4)) < [0.05, 0.3, 0.5, 0.9]).astype(float)
    assert micro_f1(scores, targets) == pytest.approx(f1_score(targets, scores >= 0.5, average="micro"), rel=1e-14)


def test_it_is_not_defined_where_nothing_is_given_or_predicted() -> None:
    assert np.isnan(micro_f1(np.zeros((3, 2)), np.zeros((3, 2))))
    assert micro_f1(np.ones((3, 2)), np.zeros((3, 2))) == 0.0
