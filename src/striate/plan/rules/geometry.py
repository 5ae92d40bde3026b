"""How a picture of any shape and depth is brought to the network's size."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "geometry",
    {
        "input.policy": Leaf(str, "how other aspect ratios are brought to it", names=("crop", "pad", "squash")),
        "input.margin": Leaf(float, "picture kept around the centre crop, as a factor of its side", low=1, high=2),
        "input.interpolation": Leaf(str, "how pixels are resampled", names=("bilinear", "bicubic", "nearest")),
        "input.full_scale": Leaf(float, "the value in the files that means white", low=0),
    },
)
def geometry(context: Context) -> Decisions:
    own = context["input.sizing"] != "one"
    aspect = context.audit.sizes["aspect"]
    low, middle, high = aspect["min"], aspect["median"], aspect["max"]
    spread = f"width over height from {low:.2f} to {high:.2f}, median {middle:.2f}"
    if high / low < 1.05:
        policy, why = "squash", f"all pictures have nearly one shape ({spread})"
    elif 0.5 <= middle <= 2.0:
        policy, why = "crop", f"most shapes are mild ({spread}): the centre crop loses little"
    else:
        policy, why = "pad", f"most pictures are long ({spread}): nothing is cut off"
    if context["input.sizing"] == "patch":
        policy, why = (
            "pad",
            "pictures keep their scale; of smaller ones than a patch the reflection is seen around them",
        )
    elif own:
        policy, why = "crop", "sides are cut to a multiple of input.step: padding would draw a frame that pooling sees"
    elif context.finds and policy == "crop":
        policy, why = "pad", f"things may lie at the border, and keep their shape ({spread})"
    elif context["task.kind"] == "regress" and policy == "crop":
        policy, why = "squash", f"what is measured may lie at the border ({spread})"
    sidecar = context.weights.sidecar if context.weights else None
    margin, because = 1.0, "the whole picture is used"
    if policy == "crop" and not own:
        margin, because = 1.15, "the outer 13 % of the short side is kept for shifted crops in training"
        if sidecar is not None:
            margin = round(1 / float(sidecar["preprocessing"]["crop_pct"]), 4)
            because = f"the weights were trained with a crop of {sidecar['preprocessing']['crop_pct']}"
    interpolation = sidecar["preprocessing"]["interpolation"] if sidecar else "bilinear"
    scale = context.audit.full_scale
    return {
        "input.policy": (policy, why),
        "input.margin": (margin, because),
        "input.interpolation": (
            interpolation,
            "as the weights were trained" if sidecar else "antialiased, the usual choice",
        ),
        "input.full_scale": (
            float(scale),
            f"the files hold {context.audit.depth} bits with values up to {context.audit.value_range[1]:g}",
        ),
    }
