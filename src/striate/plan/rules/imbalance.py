"""What is done about classes of unequal size: measured, where they are so unequal that it matters."""

from striate.core.errors import PlanError
from striate.core.plan import AUTO
from striate.data.sampling import SAMPLINGS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.remedies import NEUTRAL, RATIO, REMEDIES, refuse_two, set_by
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
    own = {key: one.value for key, one in context.overrides.items()}
    mine = context.overrides.get("imbalance.remedy")
    named = "none" if mine is None else mine.value
    refuse_two({**REMEDIES.get(named, {}), **own})
    settled = [f"{key}={own[key]}" for key in (*NEUTRAL, "evaluate.costs") if key in own and own[key] is not None]
    if named == AUTO and settled:
        raise PlanError(
            f"imbalance.remedy=auto tries remedies, and {settled[0]}, which one of them would set, is set by you",
            fix="leave one of the two out",
        )
    remedy, because = _remedy(context, settled) if mine is None else (mine.value, mine.because)
    if remedy not in ("none", "own") and context["task.kind"] != "classify":
        raise PlanError(f"imbalance.remedy={remedy} is for single classes", fix="leave imbalance.remedy out")
    sampling, smote = set_by(remedy, "batch.sampling"), set_by(remedy, "transfer.smote")
    _refuse(context, own.get("batch.sampling", sampling), own.get("transfer.smote", smote) or 0)
    why = f"the remedy {remedy}"
    return {
        "imbalance.remedy": (remedy, because),
        "batch.sampling": (sampling, why) if sampling else ("natural", "each sample is shown once an epoch"),
        "transfer.smote": (smote, why) if smote else (0, "no features are made up"),
    }


def _refuse(context: Context, sampling: str | None, neighbours: int) -> None:
    """Raise `PlanError` where classes cannot be drawn, or features not made up."""
    if sampling not in (None, "natural") and context["task.kind"] != "classify":
        raise PlanError("batch.sampling is by the one class that a sample has", fix="leave batch.sampling out")
    if not neighbours:
        return
    if context["task.kind"] != "classify" or not context["transfer.probe"]:
        raise PlanError(
            "transfer.smote makes up features for a head that is fitted to them, and none is (transfer.probe)",
            fix="give weights with --weights, or choose another remedy, such as class weights",
        )
    smallest = min(count for count in context.class_counts.values() if count)
    if smallest <= neighbours:
        raise PlanError(
            f"transfer.smote draws towards the {neighbours} nearest of a class; the smallest has {smallest} samples",
            fix=f"--set transfer.smote={smallest - 1}" if smallest > 1 else "choose another remedy",
        )


def _remedy(context: Context, own: list[str]) -> tuple[str, str]:
    if context["task.kind"] != "classify":
        return "none", "for single classes only"
    counts = [count for count in context.class_counts.values() if count]
    ratio = max(counts) / min(counts)
    balance = f"the largest class has {max(counts)} training samples, the smallest {min(counts)}"
    if own:
        return "own", f"{balance}; you set {own[0]}"
    if ratio <= RATIO:
        return "none", f"{balance}: a ratio of {ratio:.1f} needs no remedy"
    if not context.split.keys("val"):
        return "class_weights", f"{balance}; without validation samples no trial can tell, so the usual remedy"
    return AUTO, f"{balance}: at a ratio of {ratio:.1f} short trials of each remedy decide"
