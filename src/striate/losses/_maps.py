"""What losses of masks share: outputs for each pixel, true classes, and which pixels have one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.core.records import VOID


@dataclass(frozen=True)
class Maps:
    """Outputs and truth of the pixels of some pictures, P = H · W in a row.

    Args:
        outputs: logits, (N, K, P), in single precision at least.
        truth: the class of each pixel, (N, P) int64; 0 where there is none.
        known: 1 where a pixel has a class, 0 where it is void, (N, P).
    """

    outputs: Tensor
    truth: Tensor
    known: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """The mean of values (N, P) over the known pixels of each picture, (N,); 0 where a picture has none."""
        return (values * self.known).sum(dim=1) / self.known.sum(dim=1).clamp(min=1)

    def of_truth(self, values: Tensor) -> Tensor:
        """What values (N, K, P) are for the true class of each pixel, (N, P)."""
        return values.gather(1, self.truth[:, None])[:, 0]

    def weights(self, of_classes: Tensor) -> Tensor:
        """How much each pixel counts, (N, P), by weights of classes (K,)."""
        return of_classes[self.truth]

    def regions(self) -> tuple[Tensor, Tensor]:
        """Probabilities and truth of each class, both (N, K, P), and both 0 at void pixels."""
        known = self.known[:, None]
        true = one_hot(self.truth, self.outputs.shape[1]).movedim(2, 1)
        return self.outputs.softmax(dim=1) * known, true * known


def as_maps(outputs: Tensor, targets: Tensor) -> Maps:
    """Outputs (N, K, H, W) and classes (N, H, W) of an integer type, `VOID` where there is none.

    Raises:
        ValueError: the shapes differ, or the classes are not whole numbers.
    """
    fits = outputs.dim() == 4 and targets.shape == (len(outputs), *outputs.shape[2:])
    if not fits or targets.is_floating_point():
        raise ValueError(
            f"outputs {tuple(outputs.shape)} must be (N, K, H, W) and targets {tuple(targets.shape)} whole numbers "
            f"(N, H, W), not {targets.dtype}"
        )
    real = outputs.to(torch.promote_types(outputs.dtype, torch.float32)).flatten(2)
    truth = targets.flatten(1).long()
    void = truth == VOID
    return Maps(real, truth.masked_fill(void, 0), (~void).to(real.dtype))


def over_present(losses: Tensor, true: Tensor) -> Tensor:
    """The mean of losses (N, K) over the classes that each picture has, (N,); 0 where it has none.

    Args:
        true: the truth of each class, (N, K, P).
    """
    present = (true.sum(dim=2) > 0).to(losses.dtype)
    return (losses * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
