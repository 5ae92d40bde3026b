"""Cross-entropy equals torch's, for integers, one-hot and soft targets."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from striate.core.errors import UsageError
from striate.losses.cross_entropy import cross_entropy

OUTPUTS = 3 * torch.randn(20, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(20) % 7


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
def test_one_hot_and_integer_targets_agree(label_smoothing: float) -> None:
    # Worked example: categorical (one-hot) and sparse (integer) cross-entropy are the same.
    found = cross_entropy(OUTPUTS, functional.one_hot(CLASSES, 7), label_smoothing=label_smoothing)
    expected = functional.cross_entropy(OUTPUTS, CLASSES, reduction="none", label_smoothing=label_smoothing)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_soft_targets_equal_torch(label_smoothing: float) -> None:
    soft = torch.rand(20, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).softmax(1)
    found = cross_entropy(OUTPUTS, soft, label_smoothing=label_smoothing)
    expected = functional.cross_entropy(OUTPUTS, soft, reduction="none", label_smoothing=label_smoothing)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_mixed_target_is_the_mixture_of_the_losses() -> None:
    first, second = (functional.one_hot((CLASSES + shift) % 7, 7).double() for shift in (0, 3))
    mixed = cross_entropy(OUTPUTS, 0.3 * first + 0.7 * second)
    parts = 0.3 * cross_entropy(OUTPUTS, first) + 0.7 * cross_entropy(OUTPUTS, second)
    torch.testing.assert_close(mixed, parts, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_smoothing_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match="label_smoothing"):
        cross_entropy(OUTPUTS, OUTPUTS.softmax(1), label_smoothing=share)
