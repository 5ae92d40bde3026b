"""What the weights are selected by, and what is averaged."""

from striate.losses import LOSSES
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.remedies import RATIO
from striate.plan.rule import Decisions, rule


@rule(
    "selection",
    {
        "train.seed": Leaf(int, "seed of initialisation, order and augmentation", low=0),
        "train.metric": Leaf(str, "the validation metric that chooses the weights"),
        "train.ema": Leaf(
            float, "horizon of the average of weights, as a share of all steps; 0 is off", low=0, high=0.5
        ),
        "train.swa": Leaf(
            float, "share of the epochs, the last, whose weights are averaged equally; 0 is off", low=0, high=0.9
        ),
        "train.checkpoint_seconds": Leaf(float, "seconds between checkpoints", low=0),
    },
)
def selection(context: Context) -> Decisions:
    kind = context["task.kind"]
    if kind == "classify":
        counts = [count for count in context.class_counts.values() if count]
        ratio = max(counts) / min(counts)
        metric = ("accuracy", f"classes are of similar size (ratio {ratio:.1f})")
        if ratio > RATIO:
            metric = ("macro_f1", f"at a ratio of {ratio:.1f} accuracy would forget the small classes")
        if context["evaluate.costs"] is not None:
            metric = ("expected_cost", "mistakes cost what you say, and the least is looked for")
    elif kind == "multilabel":
        metric = ("macro_f1", "each label counts the same")
    elif context.per_pixel:
        metric = ("mean_iou", "each class counts the same, however few pixels it has")
    elif context.finds:
        metric = ("map50", "average precision where boxes overlap by half, each class alike")
    else:
        metric = _of_values(context)
    mean = context.overrides.get("train.swa")
    return {
        "train.seed": (0, "repeatable; other seeds show the spread"),
        "train.metric": metric,
        "train.ema": (0.0, f"the last {mean.value:g} of the epochs are averaged instead")
        if mean is not None and mean.value
        else (0.02, "an average over the last steps scores like a longer training"),
        "train.swa": (0.0, "off: what it is worth beside the moving average was not measured"),
        "train.checkpoint_seconds": (30.0, "a kill costs half a minute at most"),
    }


def _of_values(context: Context) -> tuple[str, str]:
    """The mean absolute error, which is least at the median; of a quantile what is least at that."""
    loss = LOSSES.get(context["loss.name"])
    if loss.name != "quantile":
        return "mae", "in the target's own unit"
    share = loss.bind(context["loss.options"]).keywords.get("share", loss.options["share"])
    return "pinball", f"in the target's own unit, and least where a share of {share:g} lies below, as the loss aims at"
