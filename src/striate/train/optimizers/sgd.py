"""Stochastic gradient descent with momentum (Sutskever et al. 2013, equations 1 to 4)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("sgd")
def sgd(groups: ParameterGroups, momentum: float, *, nesterov: bool = True) -> torch.optim.Optimizer:
    """Weight decay is added to the gradient.

    Args:
        nesterov: whether the gradient is taken as if the momentum's step were done already; else it is Polyak's.
    """
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov and momentum > 0, fused=True)
