"""How many channels the network takes."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule("channels", {"input.channels": Leaf(int, "channels the network takes", low=1, high=512)})
def channels(context: Context) -> Decisions:
    counts = context.audit.channels
    widest = max(int(number) for number in counts)
    found = ", ".join(f"{count} with {number}" for number, count in sorted(counts.items()))
    if context.weights is not None and widest < 3:
        return {"input.channels": (3, f"the weights expect colour; grey is repeated (pictures: {found})")}
    return {"input.channels": (widest, f"pictures by channels: {found}")}
