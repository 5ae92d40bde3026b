"""Subset accuracy equals scikit-learn's accuracy of whole rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from striate.metrics.subset_accuracy import subset_accuracy


def test_it_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((400, 3)) < 0.5).astype(float)
    scores = np.clip(targets + random.normal(0, 0.4, targets.shape), 0, 1)
    expected = accuracy_score(targets, scores >= 0.5)
    assert 0.2 < expected < 0.9
    assert subset_accuracy(scores, targets) == pytest.approx(expected, rel=1e-14)
