"""Binary cross-entropy equals torch's, weighted and not."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from striate.core.errors import UsageError
from striate.losses import positive_ratios
from striate.losses.binary_cross_entropy import binary_cross_entropy

GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = 3 * torch.randn(30, 5, dtype=torch.float64, generator=GENERATOR)
TARGETS = (torch.rand(30, 5, generator=GENERATOR) < torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])).double()


def test_it_equals_torch() -> None:
    expected = functional.binary_cross_entropy_with_logits(OUTPUTS, TARGETS, reduction="none").mean(1)
    torch.testing.assert_close(binary_cross_entropy(OUTPUTS, TARGETS), expected, rtol=1e-12, atol=1e-12)


def test_smoothing_takes_targets_towards_a_half() -> None:
    smooth = TARGETS * 0.9 + 0.05
    expected = functional.binary_cross_entropy_with_logits(OUTPUTS, smooth, reduction="none").mean(1)
    found = binary_cross_entropy(OUTPUTS, TARGETS, label_smoothing=0.1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_positive_ratios_equal_torch_up_to_the_scale_of_a_label() -> None:
    ratios = torch.tensor([9.0, 2.0, 1.0, 0.5, 0.1], dtype=torch.float64)
    parts = functional.binary_cross_entropy_with_logits(OUTPUTS, TARGETS, reduction="none", pos_weight=ratios)
    found = binary_cross_entropy(OUTPUTS, TARGETS, positive_ratios=ratios.tolist())
    torch.testing.assert_close(found, (parts * (1 + ratios) / (2 * ratios)).mean(1), rtol=1e-12, atol=1e-12)


def test_balanced_positives_and_negatives_weigh_the_same_and_one_in_the_mean() -> None:
    ratios = positive_ratios(TARGETS.sum(0).tolist(), len(TARGETS))
    zero = torch.zeros_like(OUTPUTS)  # every loss is log 2, so what remains are the weights
    plain = binary_cross_entropy(zero, TARGETS).mean()
    balanced = binary_cross_entropy(zero, TARGETS, positive_ratios=ratios).mean()
    torch.testing.assert_close(balanced, plain, rtol=1e-12, atol=0)
    weights = torch.where(
        TARGETS > 0, (1 + torch.tensor(ratios)) / 2, (1 + torch.tensor(ratios)) / 2 / torch.tensor(ratios)
    )
    torch.testing.assert_close((weights * TARGETS).sum(0), (weights * (1 - TARGETS)).sum(0))


def test_ratios_must_be_one_a_label() -> None:
    with pytest.raises(UsageError, match="positive_ratios names 2 numbers for 5 classes"):
        binary_cross_entropy(OUTPUTS, TARGETS, positive_ratios=[1.0, 2.0])


@pytest.mark.parametrize("ratios", [[0.0, 1, 1, 1, 1], [-1.0, 1, 1, 1, 1], [float("nan")] * 5, [0.0] * 5])
def test_ratios_are_above_0(ratios: list[float]) -> None:
    with pytest.raises(UsageError, match="positive_ratios"):
        binary_cross_entropy(OUTPUTS, TARGETS, positive_ratios=ratios)
