"""Root mean squared error equals scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from striate.metrics.rmse import rmse


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_equals_scikit_learn(outputs: int) -> None:
    scores, targets = np.random.default_rng(0).normal(5, 3, (2, 100, outputs)) * np.arange(1, outputs + 1)
    assert rmse(scores, targets) == pytest.approx(root_mean_squared_error(targets, scores), rel=1e-13)
