"""Losses of values equal torch's and scikit-learn's, and aim at what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance
from torch.nn.functional import l1_loss, poisson_nll_loss

from striate.core.errors import UsageError
from striate.losses.mean_absolute import mean_absolute
from striate.losses.poisson import STEEP, poisson
from striate.losses.quantile import quantile

OUTPUTS, TARGETS = torch.randn(2, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_mean_absolute_is_torchs() -> None:
    expected = l1_loss(OUTPUTS, TARGETS, reduction="none").mean(1)
    torch.testing.assert_close(mean_absolute(OUTPUTS, TARGETS), expected)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_quantile_is_scikit_learns_and_least_at_the_quantile(share: float) -> None:
    expected = mean_pinball_loss(TARGETS, OUTPUTS, alpha=share)
    assert float(quantile(OUTPUTS, TARGETS, share=share).mean()) == pytest.approx(expected, rel=1e-12)
    values = TARGETS.flatten()[:, None]
    rows = torch.linspace(-3, 3, 601, dtype=torch.float64)
    losses = [float(quantile(values * 0 + place, values, share=share).mean()) for place in rows]
    assert float(rows[int(np.argmin(losses))]) == pytest.approx(float(values.quantile(share)), abs=0.03)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_quantile_lies_between(share: float) -> None:
    with pytest.raises(UsageError, match="share"):
        quantile(OUTPUTS, TARGETS, share=share)


def test_poisson_is_half_the_deviance_and_torchs_up_to_a_constant() -> None:
    counts = torch.poisson(TARGETS.abs() * 5, generator=torch.Generator().manual_seed(1))
    found = poisson(OUTPUTS, counts)
    expected = mean_poisson_deviance(counts.flatten(), OUTPUTS.exp().flatten()) / 2
    assert float(found.mean()) == pytest.approx(expected, rel=1e-10)
    other = poisson_nll_loss(OUTPUTS, counts, reduction="none").mean(1)
    constant = (counts - torch.xlogy(counts, counts)).mean(1)
    torch.testing.assert_close(found, other - constant)


def test_a_steep_rate_goes_on_as_a_straight_line() -> None:
    places = torch.tensor([[STEEP - 1e-6], [STEEP], [STEEP + 1e-6], [STEEP + 100]], dtype=torch.float64)
    outputs = places.clone().requires_grad_()
    found = poisson(outputs, torch.zeros_like(places))
    (slope,) = torch.autograd.grad(found.sum(), outputs)
    torch.testing.assert_close(slope, torch.full_like(slope, np.exp(STEEP)), rtol=1e-5, atol=0)
    torch.testing.assert_close(found[3], found[1] + 100 * slope[3, 0])
