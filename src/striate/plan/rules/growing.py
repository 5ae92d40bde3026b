"""The size of the first pictures: smaller ones cost less, and coarse features come first."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

FULL_FROM = 0.7
"""The share of the epochs after which pictures have their whole size: norms and the last layers settle on it."""


@rule(
    "growing",
    {
        "train.start_size": Leaf(
            float, "size of the first pictures, as a share of the input's; 1 is off", low=0.2, high=1
        )
    },
)
def growing(context: Context) -> Decisions:
    return {"train.start_size": (1.0, "every epoch sees the whole size")}


def size_at(epoch: int, epochs: int, size: tuple[int, int], start: float) -> tuple[int, int]:
    """(H, W) of the pictures in an epoch: rising in equal steps from the first epoch on, whole in the last.

    Howard 2018, "Training Imagenet in 3 hours for 25 minutes" (progressive resizing); Tan and Le 2021, "EfficientNetV2:
    smaller models and faster training", section 4.

    Args:
        epoch, epochs: which of how many.
        size: of the network's input.
        start: the first size as a share; 1 is off.

    >>> [size_at(epoch, 10, (64, 64), 0.5)[0] for epoch in range(10)]
    [32, 40, 40, 48, 48, 56, 56, 64, 64, 64]
    """
    share = min(1.0, start + (1 - start) * epoch / max(FULL_FROM * epochs, 1))
    if epoch == epochs - 1:
        share = 1.0
    height, width = (_rounded(share * side, side) for side in size)
    return height, width


def _rounded(side: float, whole: int) -> int:
    """To a multiple that pooling divides well, unless that is the whole."""
    grid = 32 if whole > 128 else 8
    return whole if side > whole - grid / 2 else min(whole, max(grid, grid * int(side / grid + 0.5)))
