"""Of whole pictures that a network of outputs for each pixel predicts: the largest piece that is computed at once."""

from striate.nets import memory
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

SIDES = (256, 512, 1024)
ROOM = 0.25
"""Of the free memory, that the pass over a tile may take by prediction."""
OVERLAP = 4
"""Tiles share one in so many of their pixels along a side, and"""
OVERLAP_MOST = 128
"""so many at most: about what a U-Net's outputs see to each side."""


@rule(
    "tiles",
    {
        "input.tile": Leaf(int, "of whole pictures, the longest side computed at once; 0 without patches", low=0),
        "input.overlap": Leaf(int, "pixels that the tiles of a larger picture share", low=0),
    },
)
def tiles(context: Context) -> Decisions:
    if context["input.sizing"] != "patch":
        return dict.fromkeys(("input.tile", "input.overlap"), (0, "pictures are seen whole"))
    mine = context.overrides.get("input.tile")
    step, patch = context["input.step"], (context["input.height"], context["input.width"])
    found = memory(context.network_spec(), 1)
    each = max(1, found.inference - found.parameters) / (patch[0] * patch[1])
    room = ROOM * context.machine.memory_bytes
    least = -(-max(*patch, SIDES[0]) // step) * step
    side = max((-(-one // step) * step for one in SIDES if one > least and each * one * one <= room), default=least)
    because = (
        f"{each * side * side / 1e9:.2f} GB predicted for a pass, {context.machine.memory_bytes / 1e9:.1f} GB free"
    )
    chosen = side if mine is None else int(mine.value)
    overlap = min(OVERLAP_MOST, chosen // OVERLAP)
    return {
        "input.tile": (side, f"{because}; larger pictures go by tiles"),
        "input.overlap": (overlap, "about what outputs see to each side, so that the seams of tiles do not show"),
    }
