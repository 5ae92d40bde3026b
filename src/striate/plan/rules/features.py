"""Whether the head of a frozen body learns from features that are computed once."""

from striate.data.augment import AUGMENTATIONS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

_BESIDE = {"augment.function": None, "augment.minority": 1.0}
"""Leaves that no augmentation has as a setting, with the values that switch them off."""


@rule(
    "features",
    {"transfer.cached_features": Leaf(bool, "compute what the head receives once, where nothing else learns")},
)
def features(context: Context) -> Decisions:
    frozen, count = context["transfer.frozen_epochs"], len(context.train_samples)
    always = context["transfer.kept_share"] >= 1
    if not frozen and not always:
        return {"transfer.cached_features": (False, "more than the head learns from the first epoch on")}
    if context["input.sizing"] != "one":
        return {"transfer.cached_features": (False, "pictures keep their own sizes, so batches differ by epoch")}
    altered = _altered(context)
    if altered:
        because = f"each epoch shows other pictures, by {', '.join(altered[:3])}{' …' if len(altered) > 3 else ''}"
        return {"transfer.cached_features": (False, because)}
    because = (
        f"nothing alters the {count} pictures while only the head learns, in "
        f"{'every epoch' if always else f'the first {frozen} epochs'}: what it receives is the same each time"
    )
    return {"transfer.cached_features": (True, because)}


def _altered(context: Context) -> list[str]:
    """The leaves by which pictures are altered."""
    off = {f"augment.{setting}": value for _, one in AUGMENTATIONS.items() for setting, value in one.settings.items()}
    return [key for key, value in {**off, **_BESIDE}.items() if context[key] != value]
