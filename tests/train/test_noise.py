"""The gradient noise scale: right where gradient and noise are known, and the same however gradients are computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from striate.train.noise import LEAST, GradientNoise, Noise, gradient_of, measure_noise
from striate.train.speed import learning_state
from tests.train.toy import CLASSES, SIDE, bits, toy_networks, toy_recipe

HESSIAN = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]], dtype=torch.float64)
SPREAD = torch.tensor([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.4, 0.5]], dtype=torch.float64)
MEAN, PLACE = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([1.5, -1.0, 1.0]).double()


def batch_gradients(count: int, batch: int, draws: torch.Generator) -> torch.Tensor:
    """Of ½ (w − x)ᵀ H (w − x), the means over batches of x ~ N(MEAN, SPREAD SPREADᵀ), at w = PLACE, by torch."""
    places = PLACE.repeat(count, 1, 1).requires_grad_()
    away = places - MEAN - torch.randn(count, batch, 3, dtype=torch.float64, generator=draws) @ SPREAD.T
    (0.5 * (away @ HESSIAN * away).sum(2)).mean(1).sum().backward()
    assert places.grad is not None
    return places.grad[:, 0]


@pytest.mark.parametrize(("batch", "gradients"), [(1, 2), (4, 8), (16, 32)])
def test_on_a_quadratic_it_is_unbiased(batch: int, gradients: int) -> None:
    draws, trials = torch.Generator().manual_seed(batch), 400
    trace = float(torch.trace(HESSIAN @ SPREAD @ SPREAD.T @ HESSIAN.T))
    signal = float((HESSIAN @ (PLACE - MEAN)).square().sum())
    found = []
    for _ in range(trials):
        noise = GradientNoise(batch)
        for gradient in batch_gradients(gradients, batch, draws):
            noise.add(gradient)
        found.append(noise.found())
    for name, true in (("trace", trace), ("signal", signal)):
        figures = np.array([getattr(one, name) for one in found])
        assert abs(figures.mean() - true) < 4 * figures.std(ddof=1) / math.sqrt(trials)
    if gradients == 32:
        scales = np.array([one.scale for one in found])
        assert np.median(scales) == pytest.approx(trace / signal, rel=0.1)


def test_it_equals_the_sample_covariance() -> None:
    rows = np.random.default_rng(0).normal(1, 2, (12, 40))
    noise = GradientNoise(8)
    for row in rows:
        noise.add(torch.from_numpy(row))
    found, trace = noise.found(steps=5), 8 * np.trace(np.cov(rows, rowvar=False))
    assert found.trace == pytest.approx(trace, rel=1e-10)
    assert found.signal == pytest.approx(np.square(rows.mean(0)).sum() - trace / (8 * 12), rel=1e-10)
    assert (found.batch, found.gradients, found.steps) == (8, 12, 5)


def test_edges() -> None:
    assert Noise(trace=1.0, signal=-0.1, batch=4, gradients=8).scale == math.inf
    noise = GradientNoise(4)
    noise.add(torch.ones(3))
    with pytest.raises(ValueError, match="two gradients"):
        noise.found()
    noise.add(torch.ones(3))
    assert noise.found().scale == 0.0


def plain(recipe: Any) -> dict[str, nn.Module]:
    """A network without norms and dropout, of which a batch in parts is the same as the whole."""
    torch.manual_seed(0)
    return {
        "network": nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 8), nn.Tanh(), nn.Linear(8, len(CLASSES)))
    }


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_it_is_the_same_however_gradients_are_accumulated(parts: int) -> None:
    found = []
    for accumulate in (1, parts):
        recipe = toy_recipe(batch__accumulate=accumulate, batch__size=8, optimizer__rate=0.01)
        noise = measure_noise(recipe, plain(recipe), steps=20, seconds=60)
        assert noise is not None
        found.append(noise)
    whole, in_parts = found
    assert (whole.gradients, whole.steps) == (in_parts.gradients, in_parts.steps) == (9, 10)
    assert in_parts.trace == pytest.approx(whole.trace, rel=1e-4)
    assert in_parts.signal == pytest.approx(whole.signal, rel=1e-3)


def test_a_gradient_is_that_of_plain_torch_and_leaves_nothing_behind() -> None:
    recipe = toy_recipe(batch__size=8, batch__accumulate=2, augment__mixup=0.0)
    networks = plain(recipe)
    state, batch = learning_state(recipe, networks), next(iter(recipe.batches.epoch(0)))
    before = bits(state)
    found = gradient_of(state, recipe, batch)
    assert bits(state) == before
    assert all(parameter.grad is None for parameter in networks["network"].parameters())
    outputs = networks["network"](recipe.normalize(batch.images))
    loss = (recipe.task.losses(outputs, batch.targets) * batch.weights).sum() / batch.weights.sum()
    expected = torch.autograd.grad(loss, list(networks["network"].parameters()))
    torch.testing.assert_close(found, torch.cat([one.flatten() for one in expected]), rtol=1e-4, atol=1e-6)


def test_too_few_batches_or_steps_or_seconds_tell_nothing() -> None:
    recipe = toy_recipe(batch__size=8)
    assert len(recipe.batches) > LEAST
    assert measure_noise(recipe, toy_networks(recipe), steps=2 * LEAST - 2, seconds=60) is None
    assert measure_noise(recipe, toy_networks(recipe), steps=40, seconds=1e-9) is None
    large = toy_recipe(batch__size=16)
    assert measure_noise(large, toy_networks(large), steps=40, seconds=60) is None
    found = measure_noise(recipe, toy_networks(recipe), steps=2 * LEAST, seconds=60)
    assert found is not None
    assert (found.gradients, found.steps) == (LEAST, LEAST)
    assert found == measure_noise(recipe, toy_networks(recipe), steps=2 * LEAST, seconds=60)
