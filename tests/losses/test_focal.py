"""Focal losses: the worked example, torchvision's, and cross-entropy where γ is 0."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot
from torchvision.ops import sigmoid_focal_loss

from striate.core.errors import UsageError
from striate.losses.binary_cross_entropy import binary_cross_entropy
from striate.losses.binary_focal import binary_focal
from striate.losses.cross_entropy import cross_entropy
from striate.losses.focal import focal

OUTPUTS = 2 * torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(30) % 4
PRESENT = (OUTPUTS.roll(1, 0) > 0).double()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_the_worked_example(gamma: float) -> None:
    p = OUTPUTS.softmax(1)[torch.arange(30), CLASSES]
    torch.testing.assert_close(focal(OUTPUTS, CLASSES, gamma=gamma), -((1 - p) ** gamma) * p.log())


def test_without_gamma_it_is_cross_entropy() -> None:
    torch.testing.assert_close(focal(OUTPUTS, CLASSES, gamma=0), cross_entropy(OUTPUTS, CLASSES))
    torch.testing.assert_close(binary_focal(OUTPUTS, PRESENT, gamma=0), binary_cross_entropy(OUTPUTS, PRESENT))


def test_alpha_weighs_classes() -> None:
    alpha = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    found = focal(OUTPUTS, one_hot(CLASSES, 4), alpha=alpha.tolist())
    torch.testing.assert_close(found, alpha[CLASSES] * focal(OUTPUTS, CLASSES))


@pytest.mark.parametrize("alpha", [None, 0.0, 0.25, 1.0])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_labels_equal_torchvision(gamma: float, alpha: float | None) -> None:
    expected = sigmoid_focal_loss(OUTPUTS, PRESENT, alpha=-1 if alpha is None else alpha, gamma=gamma).mean(1)
    torch.testing.assert_close(binary_focal(OUTPUTS, PRESENT, gamma=gamma, alpha=alpha), expected)


def test_what_is_certain_has_a_gradient_of_nothing_and_not_of_no_number() -> None:
    outputs = torch.tensor([[200.0, -200.0]], requires_grad=True)
    focal(outputs, torch.tensor([0]), gamma=0.5).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.abs().max() < 1e-6


def test_options_are_checked() -> None:
    for call in (
        lambda: focal(OUTPUTS, CLASSES, gamma=-1),
        lambda: focal(OUTPUTS, CLASSES, alpha=[1.0, 2.0]),
        lambda: binary_focal(OUTPUTS, PRESENT, gamma=float("nan")),
        lambda: binary_focal(OUTPUTS, PRESENT, alpha=1.5),
    ):
        with pytest.raises(UsageError, match=r"gamma|alpha"):
            call()


@pytest.mark.parametrize("alpha", [[1.0, 1.0, 1.0, -0.5], [0.0] * 4, [1.0, float("nan"), 1.0, 1.0], [float("inf")] * 4])
def test_weights_of_classes_are_not_below_0_nor_all_0(alpha: list[float]) -> None:
    with pytest.raises(UsageError, match="alpha takes numbers of at least 0"):
        focal(OUTPUTS, CLASSES, alpha=alpha)
