"""Whether pictures are brought to one size, each keeps its own, or training sees patches of them."""

from striate.data.prepare import SIZINGS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "sizing",
    {
        "input.sizing": Leaf(
            str, "whether pictures are brought to one size, keep their own, or are seen in patches", names=SIZINGS
        )
    },
)
def sizing(context: Context) -> Decisions:
    if context.per_pixel:
        why = "pixels have classes: pictures keep their own scale, training sees patches, and predictions are whole"
        return {"input.sizing": ("patch", why)}
    why = "batches are full, and heads of any kind fit; own sizes are for what resizing would lose, such as scale"
    return {"input.sizing": ("one", why)}
