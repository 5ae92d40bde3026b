"""RMSprop with momentum (Tieleman and Hinton 2012, lecture 6.5)."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("rmsprop")
def rmsprop(
    groups: ParameterGroups, momentum: float, *, smoothing: float = 0.99, eps: float = 1e-8, centered: bool = False
) -> torch.optim.Optimizer:
    """Weight decay is added to the gradient.

    Args:
        smoothing: decay of the squared gradients' average.
        eps: added to the root of it.
        centered: whether that average is of the squared distance from the mean gradient.
    """
    return torch.optim.RMSprop(
        groups, lr=0.0, alpha=smoothing, eps=eps, momentum=momentum, centered=centered, foreach=True
    )
