"""How the network's first weights are drawn."""

from striate.nets import INITS, LAST_NORMS
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "first_weights",
    {
        "network.init": Leaf(str, "how filters and matrices are drawn; own is as the network says", names=INITS),
        "network.last_norm": Leaf(
            str,
            "first scale of the last norm of residual branches; own is as the network says",
            names=LAST_NORMS,
        ),
    },
)
def first_weights(context: Context) -> Decisions:
    because = f"as {context['network.name']} was published; weights that are read replace what is drawn"
    return {"network.init": ("own", because), "network.last_norm": ("own", because)}
