"""Training on pictures that keep their own sizes: what it excludes."""

from __future__ import annotations

from striate.core.errors import PlanError
from striate.core.plan import AUTO, Plan

_EXCLUDED = {
    "train.start_size": (1.0, "pictures that grow have one size at a time"),
    "execution.compile": (False, "every size would be compiled"),
    "batch.sampling": ("natural", "batches of one size show every sample once an epoch"),
    "augment.check": (False, "its probe looks at pictures of one size"),
    "input.margin": (1.0, "nothing is cut from around the centre but for input.step"),
}
"""By leaf, the value that goes with own sizes, and why no other does."""


def refuse_own_sizes(plan: Plan) -> None:
    """Raise `PlanError` where a leaf and `input.sizing` exclude each other, or where one would do nothing."""
    if plan["input.sizing"] == "one":
        for leaf in ("input.step", "input.least"):
            if plan[leaf] != 1:
                raise PlanError(
                    f"{leaf} is {plan[leaf]}, and is for pictures that keep their own sizes: it would do nothing",
                    fix=f"leave {leaf} out, or add --set input.sizing=own",
                )
        return
    for leaf, (value, why) in _EXCLUDED.items():
        if plan[leaf] != value:
            raise PlanError(
                f"{leaf}={plan[leaf]} and input.sizing=own exclude each other: {why}",
                fix=f"leave {leaf} out, or input.sizing",
            )
    if plan["batch.size"] == AUTO:
        raise PlanError(
            "batch.size=auto and input.sizing=own exclude each other: the noise of gradients is told by batches of one "
            "size, and those of own sizes are of many",
            fix="set batch.size to a number, or leave input.sizing out",
        )
    if plan["execution.graphed"] is True:
        raise PlanError(
            "execution.graphed=True and input.sizing=own exclude each other: a graph would be recorded for each size",
            fix="leave execution.graphed out, or input.sizing",
        )
    if plan["input.policy"] == "squash":
        raise PlanError(
            "input.policy=squash resamples pictures, and input.sizing=own keeps their sizes",
            fix="set input.policy=crop, which cuts sides to a multiple of input.step, or pad",
        )
    if plan["input.least"] > min(plan["input.height"], plan["input.width"]):
        raise PlanError(
            f"input.least is {plan['input.least']}, more than the largest pictures of "
            f"{plan['input.height']}×{plan['input.width']} px",
            fix="raise input.height and input.width (--size), or choose a network that takes smaller pictures",
        )
