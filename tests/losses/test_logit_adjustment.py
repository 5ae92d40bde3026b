"""Logit adjustment and balanced softmax: their papers' formulas, by torch's cross-entropy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot
from torch.utils._python_dispatch import TorchDispatchMode

from striate.core.errors import UsageError
from striate.losses.balanced_softmax import balanced_softmax
from striate.losses.logit_adjustment import logit_adjustment

OUTPUTS = torch.randn(24, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(24) % 4
COUNTS = [900.0, 90.0, 9.0, 1.0]


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_it_is_cross_entropy_of_what_was_added(tau: float) -> None:
    added = OUTPUTS + tau * (torch.tensor(COUNTS, dtype=torch.float64) / 1000).log()
    expected = cross_entropy(added, CLASSES, reduction="none")
    torch.testing.assert_close(logit_adjustment(OUTPUTS, CLASSES, tau=tau, shares=COUNTS), expected)


def test_balanced_softmax_is_the_papers() -> None:
    n = torch.tensor(COUNTS, dtype=torch.float64)
    phi = n * OUTPUTS.exp() / (n * OUTPUTS.exp()).sum(1, keepdim=True)
    expected = -phi[torch.arange(24), CLASSES].log()
    torch.testing.assert_close(balanced_softmax(OUTPUTS, one_hot(CLASSES, 4), shares=COUNTS), expected)


def test_a_class_without_samples_costs_no_nan() -> None:
    outputs = OUTPUTS.clone().requires_grad_()
    found = logit_adjustment(outputs, CLASSES % 3, shares=[1.0, 1.0, 1.0, 0.0])
    found.sum().backward()
    assert found.isfinite().all()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("shares", [[1.0, 2.0], [1.0, 1.0, 1.0, -1.0], [0.0] * 4, [float("nan")] * 4])
def test_shares_are_one_a_class_and_not_below_0(shares: list[float]) -> None:
    with pytest.raises(UsageError, match="shares"):
        logit_adjustment(OUTPUTS, CLASSES, shares=shares)


def test_tau_is_checked() -> None:
    with pytest.raises(UsageError, match="tau"):
        logit_adjustment(OUTPUTS, CLASSES, tau=-0.1)


class Watched(TorchDispatchMode):
    """What torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        self.asked.append(str(function))
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("loss", [logit_adjustment, balanced_softmax])
def test_a_step_neither_asks_the_device_nor_brings_shares_to_it(loss: Any) -> None:
    targets = one_hot(CLASSES, 4).double()
    loss(OUTPUTS, targets, shares=COUNTS)
    with Watched() as watched:
        loss(OUTPUTS, targets, shares=COUNTS)
    assert watched.asked
    # Each of these waits for a GPU: a number read back, and a tensor made of numbers of the host.
    assert not [
        one for one in watched.asked if "_local_scalar_dense" in one or "lift_fresh" in one or "_to_copy" in one
    ]
