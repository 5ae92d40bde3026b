"""Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("adamw")
def adamw(
    groups: ParameterGroups, momentum: float, *, beta2: float = 0.999, eps: float = 1e-8
) -> torch.optim.Optimizer:
    """Decay shrinks the weights by themselves, and not through the averages.

    Args:
        beta2: decay of the squared gradients' average; `momentum` is that of the gradients'.
        eps: added to the root of it.
    """
    return torch.optim.AdamW(groups, betas=(momentum, beta2), eps=eps, fused=True)
