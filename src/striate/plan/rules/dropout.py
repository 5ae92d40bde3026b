"""What the network leaves out at random in training."""

from typing import Any

from striate.plan.context import LEFT_OUT, Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

_RATE: dict[str, Any] = {"low": 0, "high": 0.9}


@rule(
    "dropout",
    {
        "network.dropout": Leaf(float, "share of numbers left out ahead of the head; 0 is the network's own", **_RATE),
        "network.channel_dropout": Leaf(float, "share of the channels left out behind each stage; 0 is off", **_RATE),
        "network.stochastic_depth": Leaf(
            float, "share of the samples that pass the last block by, fewer before it; 0 is the network's own", **_RATE
        ),
    },
)
def dropout(context: Context) -> Decisions:
    count = len(context.train_samples)
    because = f"off: what more of it is worth on {count} samples was not measured"
    return {f"network.{leaf}": (0.0, because) for leaf in LEFT_OUT}
