"""Fine-tuning: the head first on frozen features, then the whole with smaller rates below."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "transfer",
    {
        "transfer.frozen_epochs": Leaf(int, "epochs in which only the head learns", low=0),
        "transfer.head_rate": Leaf(float, "rate of the head alone, while the rest is frozen", low=0),
        "transfer.stem_rate": Leaf(
            float, "factor on the rate at the stem; geometric from the head down to it", low=0, high=1
        ),
    },
)
def transfer(context: Context) -> Decisions:
    if context["network.weights"] is None:
        because = "there are no weights to protect"
        return {
            "transfer.frozen_epochs": (0, because),
            "transfer.head_rate": (0.0, because),
            "transfer.stem_rate": (1.0, because),
        }
    count = len(context.train_samples)
    scarce = count < 500
    return {
        "transfer.frozen_epochs": (
            4 if scarce else 1,
            f"a new head would tear the features at first; {count} samples make "
            + ("short epochs" if scarce else "one epoch enough"),
        ),
        "transfer.head_rate": (3e-3, "AdamW's usual rate for a linear layer on fixed features, times three"),
        "transfer.stem_rate": (
            0.03 if scarce else 0.1,
            f"{count} samples: the stem's filters are general and should move " + ("least" if scarce else "less"),
        ),
    }
