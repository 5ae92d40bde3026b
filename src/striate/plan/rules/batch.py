"""How many samples a step sees, within the memory predicted for it."""

import math

from striate.nets import memory
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

SIZES = (4, 8, 16, 32, 64, 128, 256)


@rule(
    "batch",
    {
        "batch.size": Leaf(int, "samples a step", low=1),
        "batch.accumulate": Leaf(int, "parts that a step's batch is computed in", low=1),
    },
)
def batch(context: Context) -> Decisions:
    count = len(context.train_samples)
    # From scratch at least 20 steps an epoch, so that gradients are many; pretrained norms want a full batch instead.
    tuned = context["network.weights"] is not None
    least, most = (4, 32) if tuned else (20, 128)
    wanted = min(most, max((size for size in SIZES if size * least <= count), default=4))
    need = memory_need(context, wanted)
    room = context.machine.memory_bytes * 0.6
    accumulate = 1
    while memory_need(context, wanted / accumulate) > room and accumulate < wanted:
        accumulate *= 2
    sentence = f"{count} samples make {max(1, count // wanted)} steps an epoch"
    fits = f"{need / 1e9:.2f} GB predicted for a step, {context.machine.memory_bytes / 1e9:.1f} GB free"
    return {
        "batch.size": (wanted, sentence),
        "batch.accumulate": (accumulate, fits if accumulate == 1 else f"{fits}: computed in {accumulate} parts"),
    }


def memory_need(context: Context, batch_size: float) -> float:
    """Predicted bytes of a training step, with two moments and an average beside each parameter."""
    return memory(context.network_spec(), max(2, math.ceil(batch_size)), copies=3).training
