"""Stochastic gradient descent with Nesterov's momentum (Sutskever et al. 2013, equations 3 and 4)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("sgd")
def sgd(groups: ParameterGroups, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, fused=True)
