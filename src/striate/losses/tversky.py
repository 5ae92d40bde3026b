"""Tversky loss: overlap of regions, where what is missed may count more than what is invented."""

from __future__ import annotations

from torch import Tensor

from striate.core.errors import UsageError
from striate.losses import as_maps, check_least, loss, over_present


@loss("tversky", "mask")
def tversky(outputs: Tensor, targets: Tensor, *, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """1 − hits / (hits + α invented + β missed) of each class, the mean over the classes that a picture has.

    Hits are Σ p t, invented Σ p (1 − t) and missed Σ (1 − p) t over the pixels that are not void, p = softmax(outputs)
    (Salehi, Erdogmus and Gholipour 2017, "Tversky loss function for image segmentation"). Its weights balance
    classes already, so that it takes none of the task's.

    Args:
        outputs: logits, (N, K, H, W).
        targets: classes, (N, H, W), 255 where there is none.
        alpha: α, of what is predicted and not true.
        beta: β, of what is true and not predicted; both a half is Dice.

    Returns:
        (N,), 0 to 1; 0 for a picture that is all void.

    Raises:
        UsageError: α or β is below 0, or both are 0.
    """
    check_least("alpha", alpha)
    check_least("beta", beta)
    if not alpha + beta:
        raise UsageError("alpha and beta are both 0, so that no mistake would count", fix="raise one above 0")
    found, true = as_maps(outputs, targets).regions()
    hits, predicted, size = (found * true).sum(dim=2), found.sum(dim=2), true.sum(dim=2)
    whole = (1 - alpha - beta) * hits + alpha * predicted + beta * size
    return over_present(1 - hits / whole.clamp(min=1e-12), true)
