"""Losses of masks against torch, torchvision and definitions restated pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torchvision.ops import sigmoid_focal_loss

from striate.core.errors import UsageError
from striate.core.records import VOID
from striate.losses import LOSSES
from striate.losses.dice import dice
from striate.losses.dice_cross_entropy import dice_cross_entropy
from striate.losses.dice_focal import dice_focal
from striate.losses.lovasz import lovasz
from striate.losses.lovasz_cross_entropy import lovasz_cross_entropy
from striate.losses.pixel_cross_entropy import pixel_cross_entropy
from striate.losses.pixel_focal import pixel_focal
from striate.losses.tversky import tversky

NAMES = [name for name, loss in LOSSES.items() if "mask" in loss.kinds]
WEIGHTS = [0.25, 0.5, 2.0, 4.0]
SEEDS = pytest.mark.parametrize("seed", range(4))


def drawn(seed: int, classes: int = 4, void: float = 0.25, pictures: int = 3) -> tuple[Tensor, Tensor]:
    """Logits, and classes of which the first picture lacks the last."""
    generator = torch.Generator().manual_seed(seed)
    outputs = 2 * torch.randn(pictures, classes, 5, 6, dtype=torch.float64, generator=generator)
    targets = torch.randint(0, classes, (pictures, 5, 6), generator=generator)
    targets[0] = targets[0].clamp(max=classes - 2)
    hidden = torch.rand(targets.shape, generator=generator) < void
    return outputs, targets.masked_fill(hidden, VOID)


@SEEDS
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_torchs(seed: int, weights: list[float] | None) -> None:
    outputs, targets = drawn(seed)
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    each = cross_entropy(outputs, targets, weight=weight, ignore_index=VOID, reduction="none").sum((1, 2))
    expected = each / (targets != VOID).sum((1, 2))
    torch.testing.assert_close(pixel_cross_entropy(outputs, targets, class_weights=weights), expected)
    if weights is None:
        mean = cross_entropy(outputs[:1], targets[:1], ignore_index=VOID)
        torch.testing.assert_close(pixel_cross_entropy(outputs, targets)[0], mean)


@SEEDS
def test_smoothed_cross_entropy_is_torchs(seed: int) -> None:
    outputs, targets = drawn(seed)
    found = pixel_cross_entropy(outputs, targets, label_smoothing=0.1)
    for picture in range(3):
        one = slice(picture, picture + 1)
        expected = cross_entropy(outputs[one], targets[one], ignore_index=VOID, label_smoothing=0.1)
        torch.testing.assert_close(found[picture], expected)


@SEEDS
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_by_hand(seed: int, gamma: float) -> None:
    outputs, targets = drawn(seed)
    found = pixel_focal(outputs, targets, gamma=gamma, class_weights=WEIGHTS)
    for picture, (logits, classes) in enumerate(zip(outputs.softmax(1).numpy(), targets.numpy(), strict=True)):
        each = [
            -WEIGHTS[one] * (1 - logits[one, row, column]) ** gamma * np.log(logits[one, row, column])
            for (row, column), one in np.ndenumerate(classes)
            if one != VOID
        ]
        assert found[picture].item() == pytest.approx(np.mean(each), rel=1e-12)


@SEEDS
def test_focal_of_two_classes_is_torchvisions(seed: int) -> None:
    outputs, targets = drawn(seed, classes=2, void=0)
    expected = sigmoid_focal_loss(outputs[:, 1] - outputs[:, 0], targets.double(), alpha=-1).mean((1, 2))
    torch.testing.assert_close(pixel_focal(outputs, targets), expected)


@SEEDS
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7), (1.0, 1.0), (0.0, 1.0)])
def test_overlap_by_hand(seed: int, alpha: float, beta: float) -> None:
    outputs, targets = drawn(seed)
    expected = []
    for logits, classes in zip(outputs.softmax(1).numpy(), targets.numpy(), strict=True):
        known, losses = classes != VOID, []
        for one in sorted(set(classes[known].tolist())):
            p, t = logits[one][known], classes[known] == one
            hits, invented, missed = p[t].sum(), p[~t].sum(), (1 - p[t]).sum()
            losses.append(1 - hits / (hits + alpha * invented + beta * missed))
        expected.append(np.mean(losses))
    np.testing.assert_allclose(tversky(outputs, targets, alpha=alpha, beta=beta), expected, rtol=1e-12)
    if alpha == beta == 0.5:
        np.testing.assert_allclose(dice(outputs, targets), expected, rtol=1e-12)


def jaccard(wrong: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """1 − IoU of a class if these pixels are wrong, and no others."""
    return 1 - float((true & ~wrong).sum() / (true | wrong).sum())


@SEEDS
def test_lovasz_is_the_integral_of_the_losses_of_what_is_more_wrong_than_a_level(seed: int) -> None:
    """The Lovász extension of Δ at m is ∫ Δ({i: m_i ≥ z}) dz over z from 0 to 1, Δ(∅) = 0 (Choquet's integral)."""
    outputs, targets = drawn(seed)
    expected = []
    for logits, classes in zip(outputs.softmax(1).numpy(), targets.numpy(), strict=True):
        known, losses = classes != VOID, []
        for one in sorted(set(classes[known].tolist())):
            true = classes[known] == one
            errors = np.abs(true - logits[one][known])
            levels = np.unique(np.append(errors, 0.0))
            steps = pairwise(levels)
            losses.append(sum((high - low) * jaccard(errors >= high, true) for low, high in steps))
        expected.append(np.mean(losses))
    np.testing.assert_allclose(lovasz(outputs, targets), expected, rtol=1e-12)


@SEEDS
def test_of_certain_outputs_lovasz_and_dice_are_what_they_stand_for(seed: int) -> None:
    outputs, targets = drawn(seed)
    decided = outputs.argmax(1)
    certain = one_hot(decided, 4).movedim(3, 1).double() * 200
    for picture in range(3):
        known = targets[picture] != VOID
        overlaps, dices = [], []
        for one in targets[picture][known].unique():
            p, t = decided[picture][known] == one, targets[picture][known] == one
            overlaps.append(1 - (p & t).sum() / (p | t).sum())
            dices.append(1 - 2 * (p & t).sum() / (p.sum() + t.sum()))
        assert lovasz(certain, targets)[picture].item() == pytest.approx(torch.stack(overlaps).mean().item(), abs=1e-6)
        assert dice(certain, targets)[picture].item() == pytest.approx(torch.stack(dices).mean().item(), abs=1e-6)


@SEEDS
def test_sums_are_their_parts(seed: int) -> None:
    outputs, targets = drawn(seed)
    entropy = pixel_cross_entropy(outputs, targets, label_smoothing=0.1, class_weights=WEIGHTS)
    shared = {"label_smoothing": 0.1, "class_weights": WEIGHTS}
    found = dice_cross_entropy(outputs, targets, dice_weight=2, cross_entropy_weight=0.5, **shared)
    torch.testing.assert_close(found, 2 * dice(outputs, targets) + 0.5 * entropy)
    found = lovasz_cross_entropy(outputs, targets, lovasz_weight=2, cross_entropy_weight=0.5, **shared)
    torch.testing.assert_close(found, 2 * lovasz(outputs, targets) + 0.5 * entropy)
    focal = pixel_focal(outputs, targets, gamma=1, class_weights=WEIGHTS)
    found = dice_focal(outputs, targets, dice_weight=0, focal_weight=3, gamma=1, class_weights=WEIGHTS)
    torch.testing.assert_close(found, 3 * focal)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.0, 1.0, 1e4, -1e4])
def test_gradients_are_numbers_and_void_has_none(name: str, strength: float) -> None:
    """At outputs that say nothing, that are right, and that are as wrong as can be."""
    _, targets = drawn(1)
    targets[2] = VOID
    right = one_hot(targets.masked_fill(targets == VOID, 0), 4).movedim(3, 1).float()
    outputs = (strength * right).requires_grad_()
    losses = LOSSES.get(name)(outputs, targets)
    losses.sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert losses.isfinite().all()
    assert losses[2] == 0
    assert not outputs.grad.movedim(1, 3)[targets == VOID].any()
    if strength == 0:
        assert outputs.grad[:2].any()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_void_pixels_changes_nothing(name: str) -> None:
    outputs, targets = drawn(2)
    other = torch.where((targets == VOID)[:, None], outputs.flip(1) * 3, outputs)
    torch.testing.assert_close(LOSSES.get(name)(other, targets), LOSSES.get(name)(outputs, targets))


@pytest.mark.parametrize("name", NAMES)
def test_the_kind_of_whole_number_does_not_matter(name: str) -> None:
    outputs, targets = drawn(3)
    assert torch.equal(LOSSES.get(name)(outputs, targets.to(torch.uint8)), LOSSES.get(name)(outputs, targets))
    with pytest.raises(ValueError, match="whole numbers"):
        LOSSES.get(name)(outputs, targets.double())


def test_which_losses_take_weights_of_pixels() -> None:
    taken = {name for name in NAMES if LOSSES.get(name).weighs_pixels}
    assert taken == set(NAMES) - {"dice", "tversky", "lovasz"}
    assert not LOSSES.get("cross_entropy").weighs_pixels


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (pixel_cross_entropy, {"class_weights": [1.0, 2.0]}),
        (pixel_cross_entropy, {"class_weights": [0.0] * 4}),
        (pixel_cross_entropy, {"label_smoothing": 1.0}),
        (pixel_focal, {"gamma": -1.0}),
        (pixel_focal, {"class_weights": [1.0, 1.0, 1.0, -1.0]}),
        (tversky, {"alpha": -0.1}),
        (tversky, {"alpha": 0.0, "beta": 0.0}),
        (dice_cross_entropy, {"dice_weight": 0.0, "cross_entropy_weight": 0.0}),
        (dice_focal, {"focal_weight": -1.0}),
        (lovasz_cross_entropy, {"lovasz_weight": float("nan")}),
    ],
)
def test_options_are_checked(function: Callable[..., Tensor], options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        function(*drawn(0), **options)


def test_single_precision_holds_for_many_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, 3, 300, 300, generator=generator)
    targets = torch.randint(0, 3, (1, 300, 300), generator=generator)
    for name in NAMES:
        found = LOSSES.get(name)(outputs, targets)
        torch.testing.assert_close(found.double(), LOSSES.get(name)(outputs.double(), targets), rtol=2e-6, atol=0)
