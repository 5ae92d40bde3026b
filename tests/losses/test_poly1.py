"""Poly-1 is the paper's formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from striate.core.errors import UsageError
from striate.losses.poly1 import poly1

OUTPUTS = torch.randn(20, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(20) % 7


@pytest.mark.parametrize("epsilon", [-0.5, 0.0, 1.0, 3.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_papers_formula(epsilon: float, smoothing: float) -> None:
    shares = one_hot(CLASSES, 7).double() * (1 - smoothing) + smoothing / 7
    p = (shares * OUTPUTS.softmax(1)).sum(1)
    expected = cross_entropy(OUTPUTS, CLASSES, reduction="none", label_smoothing=smoothing) + epsilon * (1 - p)
    found = poly1(OUTPUTS, CLASSES, epsilon=epsilon, label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("epsilon", [-1.0, float("nan")])
def test_epsilon_is_above_minus_one(epsilon: float) -> None:
    with pytest.raises(UsageError, match="epsilon"):
        poly1(OUTPUTS, CLASSES, epsilon=epsilon)
