"""Training on pictures that keep their own sizes, whole or in patches: what it excludes."""

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

_EXCLUDED_OF_PATCHES = {
    "train.start_size": (1.0, "a patch has one size, and larger ones are cut where smaller ones would be"),
    "batch.sampling": ("natural", "an epoch shows as many patches of a picture as its area has room for"),
    "augment.check": (False, "its probe looks at whole pictures"),
    "input.margin": (1.0, "patches are cut from anywhere"),
    "input.least": (1, "smaller pictures are padded to a patch"),
}
"""The same of patches."""

_OF_OTHERS = {
    "input.step": ("one", 1, "pictures that keep their own sizes"),
    "input.least": ("one", 1, "pictures that keep their own sizes"),
    "input.tile": ("patch", 0, "patches"),
    "input.overlap": ("patch", 0, "patches"),
}
"""Leaves that do nothing but where pictures are brought to another sizing than one: the value that they then have."""


def refuse_own_sizes(plan: Plan) -> None:
    """Raise `PlanError` where a leaf and `input.sizing` exclude each other, or where one would do nothing."""
    sizing = plan["input.sizing"]
    for leaf, (named, neutral, what) in _OF_OTHERS.items():
        idle = sizing == "one" if named == "one" else sizing != "patch"
        if idle and plan[leaf] != neutral:
            wanted = "own" if named == "one" else "patch"
            raise PlanError(
                f"{leaf} is {plan[leaf]}, and is for {what}: it would do nothing",
                fix=f"leave {leaf} out, or add --set input.sizing={wanted}",
            )
    if sizing == "one":
        return
    for leaf, (value, why) in (_EXCLUDED if sizing == "own" else _EXCLUDED_OF_PATCHES).items():
        if plan[leaf] != value:
            raise PlanError(
                f"{leaf}={plan[leaf]} and input.sizing={sizing} exclude each other: {why}",
                fix=f"leave {leaf} out, or input.sizing",
            )
    if sizing == "patch":
        _refuse_tiles(plan)
    else:
        _refuse_batches(plan)


def _refuse_tiles(plan: Plan) -> None:
    """Raise `PlanError` where whole pictures cannot be computed in such tiles."""
    step, tile, overlap = (plan[f"input.{leaf}"] for leaf in ("step", "tile", "overlap"))
    if tile < step or tile % step:
        raise PlanError(
            f"input.tile is {tile} px, and the network takes sides that are multiples of {step}",
            fix=f"set input.tile={max(1, round(tile / step)) * step}",
        )
    if not 0 <= 2 * overlap < tile:
        raise PlanError(
            f"tiles of {tile} px cannot share {overlap} px with each neighbour",
            fix=f"set input.overlap to less than {tile // 2}, or a larger input.tile",
        )


def _refuse_batches(plan: Plan) -> None:
    """Raise `PlanError` where batches of one size each cannot be made or computed so."""
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
