"""Mean absolute error equals scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from striate.metrics.mae import mae


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_equals_scikit_learn(outputs: int) -> None:
    scores, targets = np.random.default_rng(0).normal(5, 3, (2, 100, outputs))
    assert mae(scores, targets) == pytest.approx(mean_absolute_error(targets, scores), rel=1e-13)
