"""What a prediction averages over: the views that training showed as often as each other."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule("views", {"predict.views": Leaf(str, "what a prediction averages over", names=("single", "mirrored", "flipped"))})
def views(context: Context) -> Decisions:
    if context.finds:
        return {"predict.views": ("single", "what is found in each view has no mean")}
    return {"predict.views": views_after(context["augment.flip"])}


def views_after(flip: str) -> tuple[str, str]:
    """The views of a training that flips so, and why.

    >>> views_after("none")
    ('single', 'mirrored pictures are not trained on')
    """
    if flip == "none":
        return "single", "mirrored pictures are not trained on"
    if flip == "both":
        because = "training flips each picture in four ways; the mean of all outputs errs less, in four times the time"
        return "flipped", because
    because = (
        "training shows each picture mirrored as often as not; the mean of both outputs errs less, in twice the time"
    )
    return "mirrored", because
