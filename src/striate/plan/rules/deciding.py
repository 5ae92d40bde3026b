"""How a prediction becomes a decision: the likeliest class, moved thresholds, or the least expected cost."""

from striate.core.errors import PlanError
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
    kind = context["task.kind"]
    for key in ("evaluate.thresholds", "evaluate.costs"):
        mine = context.overrides.get(key)
        if mine is not None and mine.value not in (None, "likeliest") and kind != "classify":
            raise PlanError(f"{key} is for single classes, and the task is {kind}", fix=f"leave {key} out")
    moved = set_by(context["imbalance.remedy"], "evaluate.thresholds")
    mine = context.overrides.get("evaluate.thresholds")
    if "moved" in (moved, mine and mine.value) and not context.split.keys("val"):
        raise PlanError(
            "thresholds are moved by validation samples, and there are none",
            fix="leave evaluate.thresholds out, or give validation samples",
        )
    return {
        "evaluate.thresholds": (moved, f"the remedy {context['imbalance.remedy']}")
        if moved
        else ("likeliest", "the likeliest class is decided for"),
        "evaluate.costs": (None, "every mistake costs the same"),
    }
