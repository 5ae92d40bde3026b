"""How a prediction is computed: precision and layout in validation, scoring and the Model alike; the Model's batch."""

import itertools
from collections.abc import Mapping

from striate.core.plan import AUTO, Plan
from striate.infer import ForwardWay
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule
from striate.plan.rules.execution import DETOURS, WORTH

BATCHES, DEVICE_BATCHES = (8, 32), (32, 128, 512)
"""Pictures at once that are tried, on a processor and on a GPU."""


@rule(
    "prediction",
    {
        "predict.precision": Leaf(str, "arithmetic of predictions", names=("float32", "bfloat16"), measured=True),
        "predict.channels_last": Leaf(bool, "memory layout of pictures in predictions", measured=True),
        "predict.batch": Leaf(int, "pictures that a prediction computes at once", low=1, measured=True),
    },
)
def prediction(context: Context) -> Decisions:
    timed = "a short timed trial of the forward pass decides"
    return {
        "predict.precision": (AUTO, timed) if context.machine.bfloat16 else ("float32", DETOURS),
        "predict.channels_last": (AUTO, timed),
        "predict.batch": (AUTO, timed),
    }


def batches_of(device: str) -> tuple[int, ...]:
    """Pictures at once that are tried on a device, the smallest first; ways are compared by the second."""
    return BATCHES if device == "cpu" else DEVICE_BATCHES


def forward_ways(plan: Plan) -> list[ForwardWay]:
    """The ways to try, the likeliest first; what the plan has fixed stays. The first is the reference of the others."""
    usual = {"precision": ("float32", "bfloat16"), "channels_last": (True, False)}
    given = {leaf: plan[f"predict.{leaf}"] for leaf in usual}
    choices = [usual[leaf] if value == AUTO else (value,) for leaf, value in given.items()]
    likeliest, *others = (ForwardWay(*values) for values in itertools.product(*choices))
    return [likeliest, *sorted(others, key=lambda way: way.precision == likeliest.precision)]  # the time may be short


def best_batch(rates: Mapping[int, float]) -> tuple[int, str]:
    """The smallest batch that none is clearly faster than, and the because.

    Args:
        rates: pictures a second by pictures at once.

    >>> best_batch({8: 95.0, 16: 101.0, 32: 103.0})
    (16, 'pictures a second measured: 95 with 8, 101 with 16, 103 with 32')
    """
    enough = max(rates.values()) / WORTH
    chosen = min(batch for batch, rate in rates.items() if rate >= enough)
    return chosen, "pictures a second measured: " + ", ".join(f"{rate:.0f} with {n}" for n, rate in rates.items())
