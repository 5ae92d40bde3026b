"""The losses of a network that computes them itself, as detectors do, added up."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.losses import loss


@loss("of_network", "boxes")
def of_network(outputs: Tensor, targets: Tensor, *, place: float = 1.0) -> Tensor:
    """What a network lacks in telling classes, plus `place` times what it lacks in saying where things are.

    A detector compares its predictions with what it is asked at each of its positions or anchors, which only it knows:
    Ren et al. 2015, "Faster R-CNN", equation 1, where the weight of place is λ; Lin et al. 2017, "Focal loss",
    section 4; Tian et al. 2019, "FCOS", equation 2.

    Args:
        outputs: of each picture the losses of class and of place, (N, 2).
        targets: (N, …), which are in there.

    Returns:
        (N,).

    >>> of_network(torch.tensor([[1.0, 2.0]]), torch.zeros(1, 0), place=0.5)
    tensor([2.])
    """
    if outputs.dim() != 2 or outputs.shape[1] != 2 or len(targets) != len(outputs):
        raise ValueError(
            f"outputs {tuple(outputs.shape)} must be (N, 2), and targets {tuple(targets.shape)} of as many"
        )
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return outputs[:, 0] + place * outputs[:, 1]
