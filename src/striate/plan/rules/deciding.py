"""How a prediction becomes a decision: the likeliest class, moved thresholds, or the least expected cost."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.remedies import set_by
from striate.plan.rule import Decisions, rule

THRESHOLDS = ("likeliest", "moved")


@rule(
    "deciding",
    {
        "evaluate.thresholds": Leaf(
            str, "the likeliest class, or thresholds moved by the validation samples", names=THRESHOLDS
        ),
        "evaluate.costs": Leaf(
            dict,
            "what a mistake costs, {true class: {predicted class: cost}}, 1 where it is left out; or rows of numbers",
            none=True,
            rows=True,
        ),
    },
)
def deciding(context: Context) -> Decisions:
    moved = set_by(context["imbalance.remedy"], "evaluate.thresholds")
    return {
        "evaluate.thresholds": (moved, f"the remedy {context['imbalance.remedy']}")
        if moved
        else ("likeliest", "the likeliest class is decided for"),
        "evaluate.costs": (None, "every mistake costs the same"),
    }
