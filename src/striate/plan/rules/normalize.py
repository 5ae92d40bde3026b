"""How pixels are standardised: as the weights expect, or by the data's own statistics."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "normalize",
    {
        "normalize.mean": Leaf(list, "mean of each channel on a 0 to 1 scale"),
        "normalize.std": Leaf(list, "deviation of each channel on a 0 to 1 scale", low=1e-6),
    },
)
def normalize(context: Context) -> Decisions:
    channels = context["input.channels"]
    sidecar = context.weights.sidecar if context.weights else None
    if sidecar is not None:
        preprocessing = sidecar["preprocessing"]
        because = "what the weights were trained with"
        mean, std = list(preprocessing["mean"]), list(preprocessing["std"])
        if len(mean) != channels:
            mean, std = [sum(mean) / len(mean)] * channels, [sum(std) / len(std)] * channels
            because += f", averaged over channels for {channels}"
    else:
        because = f"measured on {context.audit.samples} pictures of this data"
        mean = [round(value, 4) for value in context.audit.mean]
        std = [round(max(value, 0.01), 4) for value in context.audit.std]
        if len(mean) != channels:
            mean, std = [mean[0]] * channels, [std[0]] * channels
    return {"normalize.mean": (mean, because), "normalize.std": (std, because)}
