"""Sharpness-aware minimisation: the gradient is taken where the loss is worst nearby."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


@contextlib.contextmanager
def uphill(networks: Sequence[nn.Module], radius: float) -> Iterator[None]:
    """Within, weights stand at the distance `radius` along their gradients, which are forgotten; afterwards as before.

    Foret et al. 2021, "Sharpness-aware minimization for efficiently improving generalization", eq. 2 and algorithm 1.
    The passes within leave the running statistics of norms alone, which are those of the weights themselves.

    Args:
        networks: with the gradients of their loss.
        radius: ρ, of all weights together.
    """
    learning = [one for network in networks for one in network.parameters() if one.grad is not None]
    kept = [one.detach().clone() for one in learning]
    norms = [
        module
        for network in networks
        for module in network.modules()
        if isinstance(module, _NormBase) and module.training and module.track_running_stats
    ]
    with torch.no_grad():
        gradients = [one.grad for one in learning if one.grad is not None]
        length = torch.nn.utils.get_total_norm(gradients)
        for one, gradient in zip(learning, gradients, strict=True):
            one.add_(gradient * (radius / (length + 1e-12)))
            one.grad = None
    for module in norms:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in norms:
            module.track_running_stats = True
        with torch.no_grad():
            for one, value in zip(learning, kept, strict=True):
                one.copy_(value)
