"""Whether pictures are brought to one size, or each keeps its own."""

from striate.data.prepare import SIZINGS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "sizing",
    {"input.sizing": Leaf(str, "whether pictures are brought to one size, or each keeps its own", names=SIZINGS)},
)
def sizing(context: Context) -> Decisions:
    why = "batches are full, and heads of any kind fit; own sizes are for what resizing would lose, such as scale"
    return {"input.sizing": ("one", why)}
