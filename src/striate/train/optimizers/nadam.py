"""Adam with Nesterov's momentum (Dozat 2016, algorithm 8), with decoupled weight decay."""

import torch

from striate.train.optimizers import OPTIMIZERS, ParameterGroups


@OPTIMIZERS.register("nadam")
def nadam(
    groups: ParameterGroups, momentum: float, *, beta2: float = 0.999, eps: float = 1e-8
) -> torch.optim.Optimizer:
    """The momentum rises over the steps towards what is given, as the paper has it (its decay is 0.004).

    Args:
        beta2: decay of the squared gradients' average.
        eps: added to the root of it.
    """
    return torch.optim.NAdam(groups, betas=(momentum, beta2), eps=eps, decoupled_weight_decay=True, foreach=True)
