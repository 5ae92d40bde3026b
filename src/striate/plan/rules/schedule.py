"""How the rate moves over the steps."""

from typing import Any

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "schedule",
    {
        "schedule.name": Leaf(str, "the schedule", package="striate.train.schedules"),
        "schedule.warmup": Leaf(float, "share of the steps in which the rate rises", low=0, high=0.9),
        "schedule.options": Leaf(dict, "further options of the schedule, such as {gamma: 0.3}"),
        "schedule.extension_peak": Leaf(
            float, "peak of the cycle that an extension adds, as a share of the rate", low=0, high=1
        ),
    },
)
def schedule(context: Context) -> Decisions:
    own: tuple[dict[str, Any], str] = ({}, "the schedule's own defaults")
    again = (1.0, "should the Run be extended: half of it taught the digits less, and the best weights stay anyway")
    if context["network.weights"] is not None:
        return {
            "schedule.name": ("cosine", "falls to zero by the last step, and pretrained weights need no long rise"),
            "schedule.warmup": (0.1, "the optimizer's averages settle first"),
            "schedule.options": own,
            "schedule.extension_peak": again,
        }
    return {
        "schedule.name": ("one_cycle", "a high rate in the middle finds flat minima in few epochs"),
        "schedule.warmup": (0.25, "a quarter of the way up, three quarters down"),
        "schedule.options": own,
        "schedule.extension_peak": again,
    }
