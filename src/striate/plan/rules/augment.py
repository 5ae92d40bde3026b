"""Augmentation: only what leaves the class, or the value, as it is."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

# Symbols that a mirror turns into something else: digits, letters, arrows and sides.
CHIRAL = {"left", "right", "arrow_left", "arrow_right"}

MARKED = 0.05
"""By how much upside down must be told more often than mirrored for pictures to have an up. Photographs of flowers lie
at 0.22 and CIFAR-10 at 0.17, blood under a microscope at 0.02, and waste photographed from above at -0.03."""


@rule(
    "augment",
    {
        "augment.flip": Leaf(str, "mirroring", names=("none", "horizontal", "both")),
        "augment.shift": Leaf(float, "largest shift, as a share of the side", low=0, high=0.5),
        "augment.crop": Leaf(float, "smallest area of a random resized crop, as a share; 1 is off", low=0.01, high=1),
        "augment.rotate": Leaf(float, "largest rotation, in degrees", low=0, high=180),
        "augment.scale": Leaf(float, "largest zoom in or out, as a share", low=0, high=0.9),
        "augment.color": Leaf(float, "strength of brightness, contrast and saturation", low=0, high=1),
        "augment.mixup": Leaf(float, "MixUp's alpha; 0 is off", low=0, high=2),
    },
)
def augment(context: Context) -> Decisions:
    names = [name.lower().rsplit("/", 1)[-1] for name in context.dataset.target_names]
    symbols = [name for name in names if len(name) == 1 or name.isdigit() or name in CHIRAL]
    values = context["task.kind"] == "regress"
    count, side = len(context.train_samples), min(context["input.height"], context["input.width"])
    small = side <= 48
    kept = "value" if values else "class"
    if symbols and not values:
        flip = ("none", f"{len(symbols)} of {len(names)} classes are symbols, such as {symbols[0]!r}")
    elif small or not context.audit.told:
        flip = ("horizontal", f"a mirrored scene keeps its {kept}; upside down is rare")
    else:
        flip = _flip(context.audit.told["upside_down"], context.audit.told["mirrored"], kept)
    photos = not small and context["input.channels"] >= 3
    tuned = context["network.weights"] is not None
    brief = small and context["network.name"] == "cifarnet" and context.budget.minutes is not None
    shift = 0.0625 if brief else 0.125
    because = f"up to {shift * side:.0f} of {side} px: where an object stands does not name it"
    if brief:
        because += "; more than that pays over more passes than a short training makes"
    if values:
        shift, because = 0.0, "what is measured may lie at the border"
    return {
        "augment.flip": flip,
        "augment.shift": (shift, because),
        "augment.crop": (1.0, "the whole picture is shown"),
        "augment.rotate": (
            (10.0, "hand-held pictures tilt")
            if photos and not values
            else (0.0, "small or measured pictures lose more in resampling than they gain")
        ),
        "augment.scale": (
            (0.25, f"objects stand nearer and farther; {count} samples show few distances")
            if photos and not values
            else (0.0, "small or measured pictures keep their scale")
        ),
        "augment.color": (
            (0.2, f"light differs between photos; {count} samples show few lights")
            if photos
            else (0.0, "grey or small pictures: light is not the difficulty")
        ),
        "augment.mixup": (
            0.0,
            "short fine-tuning gains nothing from it" if tuned else "pays only over many epochs",
        ),
    }


def _flip(upside_down: float, mirrored: float, kept: str) -> tuple[str, str]:
    """Over both axes where pictures have no up: where it is marked no more than left and right are."""
    told = f"a linear classifier tells {upside_down:.0%} of them upside down and {mirrored:.0%} mirrored"
    if upside_down <= max(0.5, mirrored) + MARKED:
        return "both", f"the pictures have no up ({told}), and a mirrored one keeps its {kept}"
    return "horizontal", f"a mirrored scene keeps its {kept}; the pictures have an up ({told})"
