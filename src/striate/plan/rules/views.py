"""What a prediction averages over."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule("views", {"predict.views": Leaf(str, "what a prediction averages over", names=("single", "mirrored"))})
def views(context: Context) -> Decisions:
    if context["augment.flip"] == "none":
        return {"predict.views": ("single", "mirrored pictures are not trained on")}
    because = (
        "training shows each picture mirrored as often as not; the mean of both outputs errs less, in twice the time"
    )
    return {"predict.views": ("mirrored", because)}
