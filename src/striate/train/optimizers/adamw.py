"""Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("adamw")
def adamw(groups: ParameterGroups, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, betas=(momentum, 0.999), fused=True)
