"""Huber's loss equals torch's on both sides of its corner."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from striate.core.errors import UsageError
from striate.losses.huber import huber


@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_it_equals_torch(delta: float) -> None:
    outputs, targets = 3 * torch.randn(2, 50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    size = (outputs - targets).abs()
    assert (size < delta).any()
    assert (size > delta).any()
    expected = functional.huber_loss(outputs, targets, reduction="none", delta=delta).mean(1)
    torch.testing.assert_close(huber(outputs, targets, delta=delta), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_delta_is_positive(delta: float) -> None:
    with pytest.raises(UsageError, match="delta"):
        huber(torch.zeros(1, 1), torch.zeros(1, 1), delta=delta)
