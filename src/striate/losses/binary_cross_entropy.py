"""Binary cross-entropy: the loss of any number of labels at once, each a question of its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import logsigmoid

from striate.core.errors import UsageError
from striate.losses import as_real, check_per_class, check_share, loss


@loss("binary_cross_entropy", "labels")
def binary_cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    positive_ratios: Sequence[float] | None = None,
) -> Tensor:
    """The mean over labels of −p log σ(o) · t − n log σ(−o) · (1 − t), where p and n weigh positives and negatives.

    Args:
        outputs: logits, (N, K).
        targets: 1 where the label is present, 0 where not, or a share between, (N, K).
        label_smoothing: the share ε of each target that is taken towards ½: t ← (1 − ε) t + ε / 2.
        positive_ratios: K numbers r; a positive of a label counts r times as much as a negative, with
            p = (1 + r) / 2 and n = (1 + r) / (2 r). Where r is negatives over positives, each side counts half and
            the mean weight is 1, so the learning rate keeps its meaning. None weighs all the same.

    Returns:
        (N,), in nats.
    """
    check_share("label_smoothing", label_smoothing)
    outputs, targets = as_real(outputs, targets)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / 2
    positive, negative = targets, 1 - targets
    if positive_ratios is not None:
        ratios = check_per_class("positive_ratios", positive_ratios, outputs)
        if not all(positive_ratios):
            raise UsageError(
                "positive_ratios takes numbers above 0: a label whose positives count nothing is not learnt"
            )
        positive = positive * (1 + ratios) / 2
        negative = negative * (1 + ratios) / (2 * ratios)
    return -(positive * logsigmoid(outputs) + negative * logsigmoid(-outputs)).mean(dim=1)
