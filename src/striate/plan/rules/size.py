"""The size the network sees: the weights' own, the pictures' own, or what the machine affords."""

import math

from striate.data.detail import ENLARGED
from striate.plan import boxes, masks
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

TUNED_SIDE = 160
"""On a processor, what many pictures are brought to where a larger size would leave too few epochs."""

TUNED_EPOCHS = 8
"""On trashnet, single runs: MobileNetV2 had a validation log loss of 0.326 after 9 epochs at 224 px, 0.328 after 12 at
192 px; where time carried less, an accuracy of 0.883 after 4 epochs at 256×192 px, 0.906 after 8 at 160 px."""

OWN_MOST = 512
"""Pixels of a side above which pictures that keep their own sizes are scaled down, from scratch."""
SOFT = 64
"""Short side in pixels of soft pictures below which they lose too much by being made smaller."""

SCRATCH_SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128)


@rule(
    "size",
    {
        "input.height": Leaf(int, "height the network takes, in pixels", low=1, high=4096),
        "input.width": Leaf(int, "width the network takes, in pixels", low=1, high=4096),
    },
)
def size(context: Context) -> Decisions:
    if context["input.sizing"] == "own":
        return _largest(context)
    if context["input.sizing"] == "patch":
        return masks.patch(context)
    if context.finds:
        return boxes.size(context)
    sizes = context.audit.sizes
    typical = round(min(sizes["height"]["median"], sizes["width"]["median"]))
    sidecar = context.weights.sidecar if context.weights else None
    if sidecar is not None:
        trained = int(sidecar["preprocessing"]["size"])
        side, because = _affordable(context, trained, typical, "in the median")
    else:
        # Convolutions from scratch learn little more from detail than from count: a side that doubles costs four
        # times the steps. 64 px holds a whole object; below that the pictures' own size is the limit.
        side = max((option for option in SCRATCH_SIDES if option <= typical), default=typical)
        because = f"the pictures' own short side is {typical} px in the median"
        filled = typical * context.audit.detail
        if context.audit.detail < ENLARGED and filled < side and typical >= SOFT:
            side = min(option for option in (*SCRATCH_SIDES, side) if option >= filled)
            because += (
                f", of which detail fills about {filled:.0f}: they look enlarged or soft, and more pixels add little"
            )
        if side > 64:
            side, because = 64, f"{because}; from scratch more steps at 64 px are worth more than detail"
    return {"input.height": (side, because), "input.width": (side, because)}


def _largest(context: Context) -> Decisions:
    """Of pictures that keep their own sizes, the bound: above it they are scaled down."""
    sizes = context.audit.sizes
    tallest, widest = int(sizes["height"]["max"]), int(sizes["width"]["max"])
    if context.weights is not None and context.weights.sidecar is not None:
        trained = int(context.weights.sidecar["preprocessing"]["size"])
        side, because = _affordable(context, trained, max(tallest, widest), "at most")
        because += ": larger pictures are scaled down to it, smaller ones keep their size"
        return {"input.height": (side, because), "input.width": (side, because)}
    because = f"pictures keep their own sizes, of up to {tallest}×{widest} px"
    if max(tallest, widest) > OWN_MOST:
        because += f"; those above {OWN_MOST} px are scaled down, as a step on them would cost too much"
    return {"input.height": (min(tallest, OWN_MOST), because), "input.width": (min(widest, OWN_MOST), because)}


def asks_for_speed(device: str, count: int, side: int) -> bool:
    """Whether the size for pretrained weights depends on how fast their network is tuned.

    Args:
        device: that trains.
        count: training samples.
        side: that the weights were trained at, or less where the pictures have less.
    """
    return device == "cpu" and count > 1000 and side > TUNED_SIDE


def _affordable(context: Context, trained: int, found: int, how: str) -> tuple[int, str]:
    """The size for pretrained weights: theirs, or smaller where the pictures or the time do not carry it.

    Args:
        found, how: pixels of the pictures, and in what sense they have them.
    """
    side = min(trained, max(32, 32 * math.ceil(found / 32)))
    because = f"the weights were trained at {trained} px, the pictures have {found} px {how}"
    if context.audit.detail < ENLARGED and found >= SOFT:
        because += (
            f", of which detail fills about {found * context.audit.detail:.0f}: they look enlarged or soft, but "
            "these weights know things at their own size"
        )
    count = len(context.train_samples)
    if not asks_for_speed(context.machine.device, count, side):
        return side, because
    seconds, each = context.budget.fit_seconds, context.machine.tuning_seconds
    if seconds is None or each is None:
        return (
            TUNED_SIDE,
            f"{because}; {count} samples on a processor: {TUNED_SIDE} px costs half and does nearly as well",
        )
    for option in (side, *range(32 * math.ceil(side / 32) - 32, TUNED_SIDE, -32)):
        epochs = seconds / (count * each * (option / trained) ** 2)
        if epochs >= TUNED_EPOCHS:
            break
    else:
        option, epochs = TUNED_SIDE, seconds / (count * each * (TUNED_SIDE / trained) ** 2)
    measured = f"at {1 / each:.0f} samples a second measured at {trained} px, {seconds:.0f} s"
    return option, f"{because}; {measured} carry about {epochs:.0f} epochs of {count} samples at {option} px"
