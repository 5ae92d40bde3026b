"""Adam (Kingma and Ba 2015, algorithm 1)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("adam")
def adam(groups: ParameterGroups, momentum: float, *, beta2: float = 0.999, eps: float = 1e-8) -> torch.optim.Optimizer:
    """Weight decay is added to the gradient, so that it weakens where gradients are large; `adamw` decouples it.

    Args:
        beta2: decay of the squared gradients' average; `momentum` is that of the gradients'.
        eps: added to the root of it.
    """
    return torch.optim.Adam(groups, betas=(momentum, beta2), eps=eps, fused=True)
