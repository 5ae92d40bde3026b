"""The loss, and how classes and samples weigh in it."""

from typing import Any

from striate.losses import WEIGHTINGS
from striate.plan import boxes, masks
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.remedies import set_by
from striate.plan.rule import Decisions, rule

SMOOTHING = ("cross_entropy", "poly1")
"""Losses of classes that take label smoothing."""


@rule(
    "loss",
    {
        "loss.name": Leaf(str, "the loss", package="striate.losses"),
        "loss.label_smoothing": Leaf(float, "share of the target spread over all classes", low=0, high=0.5),
        "loss.class_weights": Leaf(str, "weights of classes; one not named weighs 1", names=WEIGHTINGS, named=True),
        "loss.options": Leaf(dict, "further options of the loss, such as {gamma: 2}"),
    },
)
def loss(context: Context) -> Decisions:
    kind = context["task.kind"]
    own: tuple[dict[str, Any], str] = ({}, "the loss's own defaults")
    if kind == "regress":
        skew = "single values far off do not rule the gradient"
        none = "classes only"
        return {
            "loss.name": ("huber", f"quadratic near zero, linear beyond one deviation: {skew}"),
            "loss.label_smoothing": (0.0, none),
            "loss.class_weights": ("none", none),
            "loss.options": own,
        }
    if context.per_pixel:
        return masks.loss(context)
    if context.finds:
        return boxes.loss()
    counts = [count for count in context.class_counts.values() if count]
    ratio = max(counts) / min(counts)
    balance = f"the largest class has {max(counts)} training samples, the smallest {min(counts)}"
    remedy = context["imbalance.remedy"]
    because = f"the remedy {remedy}: {balance}, a ratio of {ratio:.1f}"
    weighting, name = set_by(remedy, "loss.class_weights"), set_by(remedy, "loss.name")
    mine = context.overrides.get("loss.name")
    chosen = name if mine is None else mine.value
    if kind == "multilabel":
        return {
            "loss.name": ("binary_cross_entropy", "each label is a question of its own"),
            "loss.label_smoothing": (0.0, "labels are judged one by one"),
            "loss.class_weights": ("none", f"{balance}; `balanced` weighs the positives of rare labels up"),
            "loss.options": own,
        }
    return {
        "loss.name": (name, because) if name else ("cross_entropy", f"one of {len(counts)} classes"),
        "loss.label_smoothing": (
            (0.0, "costs are decided on by probabilities, which it would bend")
            if context["evaluate.costs"] is not None
            else (0.1, "keeps the network from certainty on labels that may be wrong")
            if chosen is None or chosen in SMOOTHING
            else (0.0, f"the loss {chosen} knows none")
        ),
        "loss.class_weights": (weighting, because) if weighting else ("none", f"{balance}; see imbalance.remedy"),
        "loss.options": own,
    }
