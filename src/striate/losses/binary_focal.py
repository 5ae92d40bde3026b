"""Binary focal loss: the focal loss of any number of labels, each a question of its own."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from striate.core.errors import UsageError
from striate.losses import as_real, check_least, loss
from striate.losses.focal import unknown


@loss("binary_focal", "labels")
def binary_focal(outputs: Tensor, targets: Tensor, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """The mean over labels of −α t (1 − p)^γ log p − (1 − α) (1 − t) p^γ log(1 − p), where p = σ(outputs).

    Lin et al. 2017, "Focal loss for dense object detection", eq. 5.

    Args:
        outputs: logits, (N, K).
        targets: 1 where the label is present, 0 where not, or a share between, (N, K).
        gamma: γ: how far it looks away from what is known well; 0 is binary cross-entropy.
        alpha: α, what the positives weigh, from 0 to 1 (the paper takes 0.25); None weighs both sides 1.

    Returns:
        (N,), in nats.
    """
    check_least("gamma", gamma)
    if alpha is not None and not 0 <= alpha <= 1:
        raise UsageError(f"alpha takes a number from 0 to 1, not {alpha!r}")
    outputs, targets = as_real(outputs, targets)
    present, absent = logsigmoid(outputs), logsigmoid(-outputs)
    positive, negative = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    parts = positive * targets * unknown(present, gamma) * present
    parts = parts + negative * (1 - targets) * unknown(absent, gamma) * absent
    return -parts.mean(dim=1)
