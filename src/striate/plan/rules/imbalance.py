"""What is done about classes of unequal size: measured, where they are so unequal that it matters."""

from striate.core.plan import AUTO
from striate.data.sampling import SAMPLINGS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.remedies import RATIO, REMEDIES, corrections, set_by, settled
from striate.plan.rule import Decisions, rule

NAMES = ("none", "own", *REMEDIES)


@rule(
    "imbalance",
    {
        "imbalance.remedy": Leaf(
            str, "what corrects for unequal classes; own is what you set yourself", names=NAMES, measured=True
        ),
        "batch.sampling": Leaf(str, "how often each class is shown", names=SAMPLINGS),
        "transfer.smote": Leaf(
            int, "neighbours towards which features of small classes are drawn for the fitted head; 0 is off", low=0
        ),
    },
)
def imbalance(context: Context) -> Decisions:
    remedy, because = _remedy(context)
    sampling, smote = set_by(remedy, "batch.sampling"), set_by(remedy, "transfer.smote")
    why = f"the remedy {remedy}"
    return {
        "imbalance.remedy": (remedy, because),
        "batch.sampling": (sampling, why) if sampling else ("natural", "each sample is shown once an epoch"),
        "transfer.smote": (smote, why) if smote else (0, "no features are made up"),
    }


def _remedy(context: Context) -> tuple[str, str]:
    named = context.overrides.get("imbalance.remedy")
    if named is not None:
        return named.value, named.because
    if context["task.kind"] != "classify":
        return "none", "for single classes only"
    counts = [count for count in context.class_counts.values() if count]
    ratio = max(counts) / min(counts)
    balance = f"the largest class has {max(counts)} training samples, the smallest {min(counts)}"
    mine = settled({key: one for key, one in context.overrides.items() if one.by == "user"})
    held = corrections({key: one.value for key, one in context.overrides.items()})
    if mine or held:  # the latter by a plan file of before there were remedies
        return "own", f"{balance}; {f'you set {mine[0]}' if mine else f'the plan file has {held[0]}'}"
    if ratio <= RATIO:
        return "none", f"{balance}: a ratio of {ratio:.1f} needs no remedy"
    if not context.split.keys("val"):
        return "class_weights", f"{balance}; without validation samples no trial can tell, so the usual remedy"
    return AUTO, f"{balance}: at a ratio of {ratio:.1f} short trials of each remedy decide"
