"""The gradient noise scale: how many samples a step must see before their gradients say more than their noise.

McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", section 2.2 and appendix A.1. Of random first
weights it is small and means little, as all samples pull alike; so a few steps are trained before.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from striate.core.errors import NonFinite
from striate.core.plan import Decision
from striate.data.loader import Batch
from striate.train.recipe import Recipe
from striate.train.speed import endless, learning_state
from striate.train.state import State
from striate.train.step import backward, clear_gradients, train_step

WARM, GRADIENTS, LEAST = 32, 32, 8
"""Steps before, and gradients that are compared; fewer than the last tell too little."""


@dataclass(frozen=True)
class Noise:
    """What gradients of equal batches say, without bias.

    Args:
        trace: tr(Σ), the variance of one sample's gradient, over all parameters.
        signal: |G|², of the true gradient; chance may put it below 0 where it is lost in the noise.
        batch: samples of each gradient.
        gradients: that were compared.
        steps: that were trained before.
    """

    trace: float
    signal: float
    batch: int
    gradients: int
    steps: int = 0

    @property
    def scale(self) -> float:
        """B_simple = tr(Σ) / |G|², in samples; infinite where no signal was seen.

        >>> Noise(trace=8.0, signal=0.5, batch=4, gradients=8).scale
        16.0
        """
        return self.trace / self.signal if self.signal > 0 else float("inf")


class GradientNoise:
    """Gathers gradients one by one, in the memory of two.

    The two batch sizes of the paper are that of one gradient, b, and that of the mean of all n, n b:
    |G|² = (n b |ḡ|² − b ⟨|g|²⟩) / (n b − b) and tr(Σ) = (⟨|g|²⟩ − |ḡ|²) / (1/b − 1/(n b)).

    Args:
        batch: samples of each gradient, b.

    >>> noise = GradientNoise(batch=2)
    >>> for gradient in ([3.0, 0.0], [1.0, 0.0]):
    ...     noise.add(torch.tensor(gradient))
    >>> noise.found()
    Noise(trace=4.0, signal=3.0, batch=2, gradients=2, steps=0)
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.count = 0
        self._squares = 0.0
        self._sum: Tensor | None = None

    def add(self, gradient: Tensor) -> None:
        """Take in the mean gradient of a batch, (P,)."""
        self.count += 1
        self._squares += float(gradient.square().sum(dtype=torch.float64))
        self._sum = gradient.to(torch.float64, copy=True) if self._sum is None else self._sum.add_(gradient)

    def found(self, steps: int = 0) -> Noise:
        """What they say. Raises `ValueError` of fewer than two."""
        if self.count < 2 or self._sum is None:
            raise ValueError(f"noise shows in two gradients or more, not in {self.count}")
        small, large = self.batch, self.batch * self.count
        each = self._squares / self.count
        whole = float((self._sum / self.count).square().sum())
        signal = (large * whole - small * each) / (large - small)
        trace = (each - whole) / (1 / small - 1 / large)
        return Noise(trace, signal, self.batch, self.count, steps)


def measure_noise(recipe: Recipe, networks: dict[str, nn.Module], *, steps: int, seconds: float) -> Noise | None:
    """The noise of a recipe's gradients, all at the weights that a few steps lead to.

    The gradients are of one epoch's batches, so that no sample is in two.

    Args:
        recipe: with its execution decided, and the rates of those steps.
        networks: with their first weights; they are used up.
        steps: at most this many, before and for gradients together.
        seconds: the time for it, of which the steps before take a half at most.

    Returns:
        None where there are too few batches, steps or seconds, or gradients are not finite.
    """
    count = min(GRADIENTS, len(recipe.batches), steps - min(WARM, steps // 2))
    if count < LEAST:
        return None
    plan = recipe.plan.replace(transfer={"frozen_epochs": Decision(0, "while measuring", "measured")})
    recipe = replace(recipe, plan=plan)
    state, begun = learning_state(recipe, networks), time.perf_counter()
    batches = endless(recipe)
    try:
        for batch in itertools.islice(batches, min(WARM, steps // 2)):
            train_step(state, recipe, batch)
            if time.perf_counter() - begun > seconds / 2:
                break
    except NonFinite:
        pass  # the weights are as before that step, and good enough to measure at
    finally:
        batches.close()
    warm, noise = state.counters.step, GradientNoise(recipe.batches.batch_size)
    later = recipe.batches.epoch(1 + warm // len(recipe.batches))
    for batch in itertools.islice(later, count):
        noise.add(gradient_of(state, recipe, batch))
        state.counters.step += 1  # on which dropout's draws hang
        if time.perf_counter() - begun > seconds:
            break
    found = noise.found(warm) if noise.count >= LEAST else None
    return found if found is not None and math.isfinite(found.trace) and math.isfinite(found.signal) else None


def gradient_of(state: State, recipe: Recipe, batch: Batch) -> Tensor:
    """The mean gradient of a batch, (P,), in however many parts it is computed; none is left behind."""
    backward(state, recipe, batch)
    found = [
        parameter.grad.flatten()
        for network in state.networks.values()
        for parameter in network.parameters()
        if parameter.grad is not None
    ]
    clear_gradients(state)
    return torch.cat(found)
