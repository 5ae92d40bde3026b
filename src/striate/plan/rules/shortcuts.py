"""Whether the finished network is asked what it knows with parts of the pictures hidden."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "shortcuts",
    {"evaluate.shortcuts": Leaf(bool, "whether it is looked at what a score keeps with parts of the pictures hidden")},
)
def shortcuts(context: Context) -> Decisions:
    if context["task.kind"] != "classify":
        return {"evaluate.shortcuts": (False, "it is told by accuracy, which this task does not have")}
    return {"evaluate.shortcuts": (True, "a score that stays without the subject comes of something else")}
