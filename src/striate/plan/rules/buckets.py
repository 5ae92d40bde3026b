"""Of pictures that keep their own sizes: what sides are a multiple of, and how short the shortest may be."""

from striate.core.wording import plural
from striate.data.buckets import Bounds, Census, census
from striate.nets.sizes import AnySize
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule
from striate.plan.rules.batch import planned_size

STEPS = (1, 2, 4, 8, 16, 32, 64)
ENOUGH = 0.5
"""How full batches should be in the mean: norms take their statistics from each, and each has costs of its own."""
CUT = 8
"""A step is at most one in so many of the pixels of the short side, in the median: on average half of it is cut."""

LEAVES = ("input.step", "input.least")


@rule(
    "buckets",
    {
        "input.step": Leaf(
            int,
            "pixels that own sizes are cut to a multiple of, or whole pictures padded to",
            low=1,
            high=512,
        ),
        "input.least": Leaf(int, "of own sizes, the shortest side; shorter ones are padded", low=1, high=4096),
    },
)
def buckets(context: Context) -> Decisions:
    if context["input.sizing"] == "one":
        return dict.fromkeys(LEAVES, (1, "all pictures are brought to one size"))
    if context["input.sizing"] == "patch":
        step = AnySize(context.network_spec()).grid_step()
        because = "sides of whole pictures are padded to a multiple of it, which the network needs"
        return {"input.step": (step, because), "input.least": (1, "smaller pictures are padded to a patch")}
    chosen = {leaf: context.overrides[leaf].value for leaf in LEAVES if leaf in context.overrides}
    shortest = AnySize(context.network_spec()).least(chosen.get("input.step", 1))
    least = chosen.get("input.least", shortest)
    most = max(1, context.typical_side // CUT)
    steps = [chosen["input.step"]] if "input.step" in chosen else [step for step in STEPS if step <= most]
    found: dict[int, Census] = {}
    for step in steps:
        found[step] = _counted(context, step, least)
        if found[step].fill >= ENOUGH:
            break
    step = max(found, key=lambda one: (found[one].fill >= ENOUGH, found[one].fill))
    return {
        "input.step": (step, _told(context, step, found[step])),
        "input.least": (shortest, _needed(shortest, found[step].padded)),
    }


def _counted(context: Context, step: int, least: int) -> Census:
    """The buckets of the training samples, as far as those of all tell."""
    bounds = Bounds(context["input.height"], context["input.width"], step, least, context["input.policy"] == "pad")
    counts = context.audit.by_size
    share = len(context.train_samples) / max(1, sum(counts.values()))
    return census(counts, bounds, planned_size(context), share)


def _told(context: Context, step: int, found: Census) -> str:
    if not context.audit.by_size:
        return "an audit from before sizes were counted cannot say how many there are"
    sizes = plural(found.sizes, "distinct size", "distinct sizes")
    made = plural(found.buckets, "bucket", "buckets")
    batches = f"batches of {planned_size(context)} are {found.fill:.0%} full in the mean"
    how = "nothing is cut" if step == 1 else f"up to {step - 1} px of a side are cut at its ends"
    if context["input.policy"] == "pad" and step > 1:
        how = f"up to {step - 1} px are added to a side"
    larger = f"; {found.scaled} of the training pictures are larger than the bound and scaled down" * (found.scaled > 0)
    return f"{sizes}, {made}: {batches}, and {how}{larger}"


def _needed(least: int, padded: int) -> str:
    if least == 1:
        return "the network takes pictures of any size"
    shorter = plural(
        padded, "training picture has a shorter one and is", "training pictures have a shorter one and are"
    )
    return f"the network takes no shorter side; {shorter if padded else 'no picture is'} padded to it"
