"""How the samples were divided. Decided before any other rule, recorded here so that the plan says it."""

from striate.data.by_time import goes_by_time, periods
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "split",
    {
        "split.file": Leaf(str, "a split.csv to obey", none=True),
        "split.relabel": Leaf(str, "a list of corrected labels", none=True),
        "split.seed": Leaf(int, "seed of the division", low=0),
        "split.folds": Leaf(int, "folds that take turns in being held out", low=2, none=True),
        "split.fold": Leaf(int, "which of the folds is held out, from 1 on", low=1, none=True),
        "split.near_duplicates": Leaf(bool, "whether near-duplicates are searched for and kept together"),
        "split.damage_limit": Leaf(float, "share of damaged samples above which training stops", low=0, high=1),
    },
)
def split(context: Context) -> Decisions:
    counts = ", ".join(f"{len(context.split.keys(part))} {part}" for part in ("train", "val", "test"))
    duplicates, near = len(context.audit.duplicates), context.audit.near
    dataset = context.dataset
    contiguous = context["split.order"] == "contiguous"
    how = (
        f"in contiguous stretches of the names' order into {counts}"
        if contiguous
        else f"by time into {counts}: {periods(dataset.samples, context.split.fates)}"
        if goes_by_time(dataset, dataset.given_splits)
        else f"stratified by target into {counts}"
    )
    return {
        "split.file": (None, f"{how}; {duplicates} groups of duplicates kept together"),
        "split.folds": (None, "one division, by which all is trained and tested once"),
        "split.fold": (None, "there are no folds"),
        "split.near_duplicates": (
            near.asked,
            f"{len(near.duplicates)} groups of {near.compared} pictures that were compared",
        ),
        "split.relabel": (None, "labels are as the data has them"),
        "split.seed": (0, "the division stays the same while the training seed varies"),
        "split.damage_limit": (0.05, f"{len(context.audit.quarantined)} of {context.audit.samples} are quarantined"),
    }
