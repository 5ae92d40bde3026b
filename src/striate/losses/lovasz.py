"""Lovász-softmax: intersection over union itself, made smooth."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.losses import as_maps, loss, over_present


@loss("lovasz", "mask")
def lovasz(outputs: Tensor, targets: Tensor) -> Tensor:
    """The Lovász extension of 1 − IoU of each class, at the pixels' errors; the mean over the classes a picture has.

    The error of a pixel for a class is 1 − p where it is of the class, else p, p = softmax(outputs). Void pixels have
    none (Berman, Triki and Blaschko 2018, "The Lovász-softmax loss", eq. 8 to 11). It balances classes already, so that
    it takes no weights of them.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.

    Returns:
        (N,), 0 to 1; 0 for a picture that is all void.

    >>> import torch
    >>> lovasz(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # all errors are a half
    tensor([0.5000])
    """
    found, true = as_maps(outputs, targets).regions()
    errors, order = (true - found).abs().sort(dim=2, descending=True, stable=True)
    # Void pixels have an error of 0, so that they come last and weigh nothing, whatever the slope there.
    return over_present((errors * _slope(true.gather(2, order))).sum(dim=2), true)


def _slope(true: Tensor) -> Tensor:
    """How much 1 − IoU grows with each pixel that is wrong, from the first on, (N, K, P); eq. 9.

    A pixel of the class takes 1 from the intersection I, another adds 1 to the union U: it grows by 1 / U, or by
    I / (U − 1) − I / U. Differences of two IoUs would be lost in single precision, where a pixel is one of many.

    Args:
        true: 1 for pixels of the class, in the order in which they are wrong, (N, K, P).
    """
    seen = true.long().cumsum(dim=2)  # whole numbers, whose sums do not depend on the order of adding
    size = seen[:, :, -1:]
    union = size + torch.arange(1, true.shape[2] + 1, device=true.device) - seen
    other = (size - seen).to(true.dtype) / (union * (union - 1)).clamp(min=1).to(true.dtype)
    return torch.where(true > 0, 1 / union.to(true.dtype), other)
