"""The hinge equals that of torchmetrics, and scikit-learn's for labels."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import hinge_loss
from torch.nn.functional import one_hot
from torchmetrics.functional.classification import multiclass_hinge_loss

from striate.core.errors import UsageError
from striate.losses.binary_hinge import binary_hinge
from striate.losses.hinge import hinge

OUTPUTS = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(40) % 5


def test_it_equals_others() -> None:
    found = hinge(OUTPUTS, CLASSES)
    torch.testing.assert_close(found, hinge(OUTPUTS, one_hot(CLASSES, 5)))
    assert float(found.mean()) == pytest.approx(hinge_loss(CLASSES, OUTPUTS.numpy(), labels=range(5)), rel=1e-12)
    # torchmetrics takes softmax of what is not a probability; scores that are some are left as they are.
    shares = OUTPUTS.softmax(1)
    expected = multiclass_hinge_loss(shares, CLASSES, num_classes=5)
    torch.testing.assert_close(hinge(shares, CLASSES).mean(), expected)


def test_equal_best_scores_are_each_others_rivals() -> None:
    assert hinge(torch.tensor([[2.0, 2.0, 0.0]]), torch.tensor([0]), margin=0.5).tolist() == [0.5]


def test_labels_equal_scikit_learn() -> None:
    present = (OUTPUTS.roll(1, 0) > 0).double()
    found = binary_hinge(OUTPUTS, present)
    expected = sum(hinge_loss(present[:, label], OUTPUTS[:, label].numpy()) for label in range(5)) / 5
    assert float(found.mean()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("margin", [-1.0, float("nan"), float("inf")])
def test_the_margin_is_a_number(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        hinge(OUTPUTS, CLASSES, margin=margin)
    with pytest.raises(UsageError, match="margin"):
        binary_hinge(OUTPUTS, OUTPUTS.sigmoid(), margin=margin)


def test_one_class_has_no_rival() -> None:
    with pytest.raises(ValueError, match="two classes"):
        hinge(OUTPUTS[:, :1], OUTPUTS[:, :1])
