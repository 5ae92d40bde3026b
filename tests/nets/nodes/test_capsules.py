"""Capsules, against procedure 1 written out for one sample with NumPy."""

from __future__ import annotations

import numpy as np
import torch

from striate.nets import CapsuleLengths, DigitCapsules, PrimaryCapsules
from striate.nets.nodes.capsules import squash


def squashed(s: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    squares = (s**2).sum()
    result: np.ndarray = squares / (1 + squares) * s / np.sqrt(squares)  # type: ignore[type-arg]
    return result


def test_routing_is_procedure_1() -> None:
    torch.manual_seed(0)
    module = DigitCapsules(3, size=4, turns=3).build((2, 5)).double()
    u = torch.randn(1, 2, 5, dtype=torch.float64)
    w, lower = module.get_parameter("weight").detach().numpy(), u[0].numpy().T
    b = np.zeros((5, 3))
    v = np.zeros((3, 4))
    for _ in range(3):
        c = np.exp(b) / np.exp(b).sum(1, keepdims=True)
        for j in range(3):
            v[j] = squashed(sum(c[i, j] * (w[j, i] @ lower[i]) for i in range(5)))
        for i in range(5):
            for j in range(3):
                b[i, j] += (w[j, i] @ lower[i]) @ v[j]
    np.testing.assert_allclose(module(u)[0].detach().numpy().T, v, atol=1e-5)


def test_a_primary_capsule_is_what_one_kind_says_at_one_position() -> None:
    node = PrimaryCapsules(kinds=3, size=4, kernel_size=3, stride=1)
    module = node.build((2, 5, 5))
    x = torch.randn(1, 2, 5, 5)
    maps = module.get_submodule("conv")(x)  # (1, 12, 3, 3)
    expected = squash(maps[0, 4:8, 1, 2][None])[0]  # kind 1 at row 1, column 2
    torch.testing.assert_close(module(x)[0, :, 9 + 5], expected)


def test_lengths_are_logits_of_the_vectors_lengths_and_have_gradients_at_zero() -> None:
    module = CapsuleLengths().build((2, 3))
    capsules = torch.tensor([[[0.3, 0.0, 0.0], [0.4, 0.9, 0.0]]], requires_grad=True)
    logits = module(capsules)
    torch.testing.assert_close(logits[0, :2].sigmoid(), torch.tensor([0.5, 0.9]), atol=1e-4, rtol=1e-4)
    logits.sum().backward()
    assert capsules.grad is not None
    assert capsules.grad.isfinite().all()


def test_squashing_keeps_directions_and_bounds_lengths() -> None:
    vectors = torch.tensor([[3.0, 1e-3, 100.0], [4.0, 0.0, 0.0]])
    lengths = squash(vectors, 0).norm(dim=0)
    torch.testing.assert_close(lengths, torch.tensor([25 / 26, 1e-6, 1e4 / 10001]), atol=1e-4, rtol=1e-4)
