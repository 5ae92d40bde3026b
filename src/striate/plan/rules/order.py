"""How samples were ordered before they were divided. Decided before any other rule, as the division is."""

from striate.data.contiguous import ORDERS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "order",
    {
        "split.order": Leaf(
            str,
            "whether samples are divided by lot and class, or in contiguous stretches by name (2 before 10)",
            names=ORDERS,
        ),
    },
)
def order(context: Context) -> Decisions:
    if any(one.name == "pictures in a row" for one in context.audit.findings):
        return {"split.order": (ORDERS[0], "you did not ask for contiguous, though pictures seem to be in a row")}
    return {"split.order": (ORDERS[0], "samples are independent but for groups and near-duplicates, it is taken")}
