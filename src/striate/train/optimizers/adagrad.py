"""Adagrad (Duchi et al. 2011, figure 1)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("adagrad")
def adagrad(
    groups: ParameterGroups, momentum: float, *, start: float = 0.0, eps: float = 1e-10
) -> torch.optim.Optimizer:
    """It has no momentum, so that leaf does nothing. Weight decay is added to the gradient.

    Args:
        start: of the sums of squared gradients; a large one makes the first steps small.
        eps: added to the roots of them.
    """
    return torch.optim.Adagrad(groups, initial_accumulator_value=start, eps=eps, foreach=True)
