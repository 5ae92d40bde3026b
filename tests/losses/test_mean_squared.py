"""Mean squared error equals torch's."""

from __future__ import annotations

import torch
from torch.nn import functional

from striate.losses.mean_squared import mean_squared


def test_it_equals_torch() -> None:
    outputs, targets = torch.randn(2, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = functional.mse_loss(outputs, targets, reduction="none").mean(1)
    torch.testing.assert_close(mean_squared(outputs, targets), expected, rtol=1e-12, atol=0)
