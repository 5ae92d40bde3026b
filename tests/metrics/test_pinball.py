"""Pinball loss equals scikit-learn's, is the loss in the target's own unit, and is least at its quantile."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from striate.core.errors import UsageError
from striate.losses.quantile import quantile
from striate.metrics import METRICS
from striate.metrics.mae import mae
from striate.metrics.pinball import pinball

SHARES = [0.01, 0.1, 0.5, 0.75, 0.99]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_it_equals_scikit_learn_and_the_loss(share: float, outputs: int) -> None:
    scores, targets = np.random.default_rng(outputs).normal(5, 3, (2, 100, outputs))
    found = pinball(scores, targets, share=share)
    assert found == pytest.approx(mean_pinball_loss(targets, scores, alpha=share), rel=1e-13)
    losses = quantile(torch.from_numpy(scores), torch.from_numpy(targets), share=share)
    assert found == pytest.approx(float(losses.mean()), rel=1e-13)


@pytest.mark.parametrize("share", SHARES)
def test_of_all_constants_the_quantile_is_best(share: float) -> None:
    targets = np.random.default_rng(1).exponential(2, (301, 1))
    constants = np.quantile(targets, np.linspace(0, 1, 301))
    found = [pinball(np.full_like(targets, constant), targets, share=share) for constant in constants]
    assert constants[int(np.argmin(found))] == pytest.approx(np.quantile(targets, share), rel=1e-9)


def test_at_a_half_it_is_half_the_mean_absolute_error() -> None:
    scores, targets = np.random.default_rng(2).normal(0, 1, (2, 50, 2))
    assert pinball(scores, targets) == pytest.approx(mae(scores, targets) / 2, rel=1e-13)


def test_edges() -> None:
    one, none = np.ones((1, 1)), np.zeros((0, 1))
    assert pinball(one, one, share=0.9) == 0.0
    assert pinball(0 * one, one, share=0.9) == pytest.approx(0.9)
    assert pinball(one, 0 * one, share=0.9) == pytest.approx(0.1)
    assert np.isnan(pinball(none, none, share=0.9))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_quantile_lies_between(share: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        pinball(np.ones((1, 1)), np.ones((1, 1)), share=share)


def test_its_default_is_the_losss() -> None:
    assert METRICS.get("pinball")("value", 1).share == 0.5  # type: ignore[attr-defined]
