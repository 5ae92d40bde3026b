"""The size the network sees: the weights' own, the pictures' own, or what the machine affords."""

import math

from striate.data.audit import ENLARGED
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

SCRATCH_SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128)


@rule(
    "size",
    {
        "input.height": Leaf(int, "height the network takes, in pixels", low=1, high=4096),
        "input.width": Leaf(int, "width the network takes, in pixels", low=1, high=4096),
    },
)
def size(context: Context) -> Decisions:
    sizes = context.audit.sizes
    typical = round(min(sizes["height"]["median"], sizes["width"]["median"]))
    sidecar = context.weights.sidecar if context.weights else None
    if sidecar is not None:
        trained = int(sidecar["preprocessing"]["size"])
        side, because = _affordable(context, trained, typical)
    else:
        # Convolutions from scratch learn little more from detail than from count: a side that doubles costs four
        # times the steps. 64 px holds a whole object; below that the pictures' own size is the limit.
        side = max((option for option in SCRATCH_SIDES if option <= typical), default=typical)
        because = f"the pictures' own short side is {typical} px in the median"
        filled = typical * context.audit.detail
        if context.audit.detail < ENLARGED and filled < side and typical >= 64:  # small smooth ones lose too much
            side = min(option for option in (*SCRATCH_SIDES, side) if option >= filled)
            because += (
                f", of which detail fills about {filled:.0f}: they look enlarged or soft, and more pixels add little"
            )
        if side > 64:
            side, because = 64, f"{because}; from scratch more steps at 64 px are worth more than detail"
    return {"input.height": (side, because), "input.width": (side, because)}


def _affordable(context: Context, trained: int, typical: int) -> tuple[int, str]:
    """The size for pretrained weights: theirs, or smaller where the pictures or the time do not carry it."""
    side = min(trained, max(32, 32 * math.ceil(typical / 32)))
    because = f"the weights were trained at {trained} px, the pictures have {typical} px in the median"
    count = len(context.train_samples)
    if context.machine.device == "cpu" and count > 1000 and side > 160:
        side = 160
        because += f"; {count} samples on a processor: 160 px costs half as much and moves the scale by little"
    return side, because
