"""Whether it is measured what torn groups, or a test that shares with training, would have added to the score."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "leak",
    {"evaluate.leak": Leaf(bool, "whether it is measured how many points a leak between training and test is worth")},
)
def leak(context: Context) -> Decisions:
    shared = set(context.split.left_out_for("test"))
    left_out = sum(sample.key in shared and sample.weight > 0 for sample in context.dataset.samples)
    because = (
        f"{left_out} training samples belong with the given test: what they would have added to its score is a number"
        if left_out
        else "where samples belong together, a random split says too much, and by how much is a number"
    )
    return {"evaluate.leak": (True, because)}
