"""Which network: the weights' own, or a compact residual network fitted to image size and count."""

from striate.nets.families.compact import fit
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "network",
    {
        "network.name": Leaf(str, "a family, timm/NAME, torchvision/NAME, or a network file"),
        "network.arguments": Leaf(dict, "arguments of the network"),
        "network.weights": Leaf(str, "a weights file, a Run, or hub", none=True),
    },
)
def network(context: Context) -> Decisions:
    count = len(context.train_samples)
    if context.weights is not None and context.weights.sidecar is not None:
        sidecar = context.weights.sidecar
        because = f"{count} training samples are few; these weights have seen {sidecar['source']}"
        name = context.overrides.get("network.name")
        same = name is None or name.value == sidecar["network"]
        return {
            "network.name": (sidecar["network"], because),
            "network.arguments": (
                dict(sidecar["arguments"]) if same else {},
                "what the weights need" if same else "none for another network than the weights'",
            ),
            "network.weights": (context.weights.source, "given"),
        }
    side = min(context["input.height"], context["input.width"])
    chosen = context.overrides.get("network.name")
    if chosen is not None and chosen.value != "compact":
        source = context.weights.source if context.weights is not None else None
        return {
            "network.name": (chosen.value, "given"),
            "network.arguments": ({}, "the network's own defaults"),
            "network.weights": (source, "given" if source else "none are given: trained from scratch"),
        }
    shape = fit(side)
    stages = len(shape["blocks"])
    width = 64 if count >= 2000 else 48 if count >= 1000 else 32
    because = f"no weights are at hand; {count} samples at {side} px get {stages} stages from {width} channels on"
    arguments = {"width": width, **shape, "dropout": 0.1 if count < 5000 else 0.0}
    return {
        "network.name": ("compact", because),
        "network.arguments": (arguments, f"{side} px come to a last map of 4 to 8 px, where positions still see parts"),
        "network.weights": (None, "none are at hand; `--weights FILE` fine-tunes"),
    }
