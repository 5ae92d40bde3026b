"""The loss, and how classes and samples weigh in it."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "loss",
    {
        "loss.name": Leaf(str, "the loss", package="striate.losses"),
        "loss.label_smoothing": Leaf(float, "share of the target spread over all classes", low=0, high=0.5),
        "loss.class_weights": Leaf(str, "weights of classes", names=("none", "balanced")),
    },
)
def loss(context: Context) -> Decisions:
    kind = context["task.kind"]
    if kind == "regress":
        skew = "single values far off do not rule the gradient"
        none = "classes only"
        return {
            "loss.name": ("huber", f"quadratic near zero, linear beyond one deviation: {skew}"),
            "loss.label_smoothing": (0.0, none),
            "loss.class_weights": ("none", none),
        }
    counts = [count for count in context.class_counts.values() if count]
    ratio = max(counts) / min(counts)
    balance = f"the largest class has {max(counts)} training samples, the smallest {min(counts)}"
    weights = ("none", f"{balance}: a ratio of {ratio:.1f} needs no remedy")
    if kind == "classify" and ratio > 10:
        weights = ("balanced", f"{balance}: at a ratio of {ratio:.1f} the small ones would be given up")
    if kind == "multilabel":
        return {
            "loss.name": ("binary_cross_entropy", "each label is a question of its own"),
            "loss.label_smoothing": (0.0, "labels are judged one by one"),
            "loss.class_weights": ("none", f"{balance}; `balanced` weighs the positives of rare labels up"),
        }
    return {
        "loss.name": ("cross_entropy", f"one of {len(counts)} classes"),
        "loss.label_smoothing": (0.1, "keeps the network from certainty on labels that may be wrong"),
        "loss.class_weights": weights,
    }
