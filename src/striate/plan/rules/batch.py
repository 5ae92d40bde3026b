"""How many samples a step sees, within the memory predicted for it."""

import math
from collections.abc import Callable

from striate.core.plan import AUTO
from striate.nets import memory
from striate.plan import boxes
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

SIZES = (4, 8, 16, 32, 64, 128, 256)
ROOM = 0.6
"""Of the free memory, that a step may take by prediction."""


@rule(
    "batch",
    {
        "batch.size": Leaf(int, "samples a step", low=1, measured=True),
        "batch.accumulate": Leaf(int, "parts that a step's batch is computed in", low=1),
    },
)
def batch(context: Context) -> Decisions:
    count = context.shown
    wanted = usual_size(count, tuned=context["network.weights"] is not None)
    sentence = ""
    if context.finds:
        wanted, sentence = boxes.batch_size(context)
    need = memory_need(context, wanted)
    room = context.machine.memory_bytes * ROOM
    accumulate = 1
    while memory_need(context, wanted / accumulate) > room and accumulate < wanted:
        accumulate *= 2
    what = "patches" if context["input.sizing"] == "patch" else "samples"
    sentence = sentence or f"{count} {what} make {max(1, count // wanted)} steps an epoch"
    fits = f"{need / 1e9:.2f} GB predicted for a step, {context.machine.memory_bytes / 1e9:.1f} GB free"
    return {
        "batch.size": (wanted, sentence),
        "batch.accumulate": (accumulate, fits if accumulate == 1 else f"{fits}: computed in {accumulate} parts"),
    }


def _least_steps(tuned: bool) -> int:
    """Steps an epoch: from scratch 20, so that gradients are many; pretrained norms want a full batch instead."""
    return 4 if tuned else 20


def usual_size(count: int, tuned: bool) -> int:
    """The size for so many training samples, from pretrained weights or from scratch.

    >>> usual_size(1000, tuned=False), usual_size(10**6, tuned=False), usual_size(1000, tuned=True)
    (32, 128, 32)
    """
    most = 32 if tuned else 128
    return min(most, max((size for size in SIZES if size * _least_steps(tuned) <= count), default=4))


def planned_size(context: Context) -> int:
    """The size that is set; where it is still to be measured, the usual one, by which that is done."""
    size = context["batch.size"]
    if size == AUTO:
        return usual_size(context.shown, tuned=context["network.weights"] is not None)
    return int(size)


def memory_need(context: Context, batch_size: float) -> float:
    """Predicted bytes of a training step, with two moments and an average beside each parameter."""
    return memory(context.network_spec(), max(2, math.ceil(batch_size)), copies=3).training


def most_in(free_bytes: float, need: Callable[[int], float]) -> int:
    """The largest power of two whose step memory holds by prediction, or the smallest size there is.

    Args:
        free_bytes: of which a step may take a share.
        need: the bytes of a step on so many samples, which rise with them.

    >>> most_in(1000.0, lambda size: 10.0 * size)
    32
    """
    size = SIZES[0]
    while need(2 * size) <= ROOM * free_bytes:
        size *= 2
    return size


def chosen_size(scale: float, count: int, most: int, *, tuned: bool) -> tuple[int, str]:
    """The power of two nearest the gradient noise scale, as memory and the steps of an epoch bound it.

    There a training takes twice the fewest steps and twice the fewest samples that any batch could do with (McCandlish
    et al. 2018, "An Empirical Model of Large-Batch Training", equation 2.11). The scale grows while the loss falls: on
    the built-in digits from 4 after 32 steps to 200 after 128 and 600 after 600. What is measured at the start is the
    least it will be, so that a batch may be chosen above the usual and not below.

    Args:
        scale: in samples; infinite where the gradient is lost in the noise.
        count: training samples.
        most: what memory holds, see `most_in`.
        tuned: whether training begins with pretrained weights.

    Returns:
        the size and the because.

    >>> chosen_size(300.0, 10_000, 1024, tuned=False)
    (256, 'the power of two nearest it; memory holds 1024, and 20 steps an epoch allow 256')
    >>> chosen_size(300.0, 700, 1024, tuned=False)
    (32, '256 is nearest it; memory holds 1024, and 20 steps an epoch allow 32')
    >>> chosen_size(5.0, 700, 1024, tuned=False)
    (32, '4 is nearest it, and as it grows while the loss falls the usual 32 is the least')
    """
    steps, usual = _least_steps(tuned), usual_size(count, tuned)
    allowed = max(SIZES[0], 2 ** int(math.log2(max(1.0, count / steps))))
    bounds = f"memory holds {most}, and {steps} steps an epoch allow {allowed}"
    if math.isinf(scale):
        return min(usual, most, allowed), f"these gradients cannot tell it, so that the usual is kept; {bounds}"
    nearest = max(SIZES[0], 2 ** round(math.log2(max(1.0, scale))))
    if nearest < usual <= most:
        return usual, f"{nearest} is nearest it, and as it grows while the loss falls the usual {usual} is the least"
    size = min(nearest, most, allowed)
    near = "the power of two nearest it" if size == nearest else f"{nearest} is nearest it"
    return size, f"{near}; {bounds}"
