"""Augmentation: only what leaves the class, or the value, as it is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from striate.plan import boxes, masks
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule
from striate.plan.sides import CHIRAL, VERTICAL, words

POLICIES = "striate.data.augment.policy"

UP_MARGIN, UP_MOST, UP_MOST_IN_A_CLASS = 0.05, 0.7, 0.8
"""Pictures have an up where upside down is recognised so much more often than mirrored, or in more than so many, since
near 1, as under one dusty microscope, the two cannot be compared. Photographs of flowers lie at 0.72 and 0.51, CIFAR-10
at 0.68 and 0.50, waste photographed from above at 0.62 and 0.64, with 0.71 in one of its classes."""

LEAST_LOSS = 0.01
"""Of accuracy, under an augmentation, that it is dropped for where it is more than chance."""

UNMEASURED = ("cutmix", "shear", "perspective", "elastic", "gamma", "hue", "grey", "blur", "noise", "erase")
"""What stays off unless it is set."""


class ProbedAugmentation(NamedTuple):
    """What a small probe finds of held-out samples under one augmentation, as accuracies.

    Args:
        accuracy: of the samples as they are.
        samples: how many there are.
        shown: what it loses under the augmentation, fitted to unaltered samples.
        lost: what it loses once it is taught altered ones too; the same where it need not be.
        error: the standard error of `lost`, of paired differences.
    """

    accuracy: float
    samples: int
    shown: float
    lost: float
    error: float

    @property
    def keeps_class(self) -> bool:
        """Whether chance explains the loss, or it is too small to care for."""
        return self.lost <= max(LEAST_LOSS, 2 * self.error)

    def __str__(self) -> str:
        taught = f"; {self.shown:.1%} before it was taught altered samples" if self.shown != self.lost else ""
        return (
            f"a small probe, right on {self.accuracy:.1%} of {self.samples} validation samples, loses {self.lost:.1%} "
            f"under it (standard error {self.error:.1%}{taught})"
        )


def weaker(setting: str, value: Any) -> Any:
    """What is tried in place of a value that does not keep the class; None: the setting goes off.

    >>> weaker("flip", "both"), weaker("flip", "horizontal"), weaker("hue", 0.1)
    ('horizontal', None, None)
    """
    return "horizontal" if (setting, value) == ("flip", "both") else None


@rule(
    "augment",
    {
        "augment.flip": Leaf(str, "mirroring, and with both turning over too", names=("none", "horizontal", "both")),
        "augment.shift": Leaf(float, "largest shift, as a share of the side", low=0, high=0.5),
        "augment.crop": Leaf(float, "smallest area of a random resized crop, as a share; 1 is off", low=0.01, high=1),
        "augment.rotate": Leaf(float, "largest rotation, in degrees", low=0, high=180),
        "augment.scale": Leaf(float, "largest zoom in or out, as a share", low=0, high=0.9),
        "augment.color": Leaf(float, "strength of brightness, contrast and saturation", low=0, high=1),
        "augment.mixup": Leaf(float, "MixUp's alpha; 0 is off", low=0, high=2),
        "augment.function": Leaf(str, "a function of your own, module:function, applied last", none=True),
        "augment.cutmix": Leaf(float, "CutMix's alpha; 0 is off", low=0, high=2),
        "augment.mosaic": Leaf(
            float, "share of the pictures with boxes that become four laid around a point", low=0, high=1
        ),
        "augment.shear": Leaf(float, "largest shear, in degrees", low=0, high=60),
        "augment.perspective": Leaf(float, "largest move of a corner, as a share of half a side", low=0, high=0.66),
        "augment.gamma": Leaf(float, "strength of the change of gamma", low=0, high=2),
        "augment.hue": Leaf(float, "largest turn of colours, as a share of the circle", low=0, high=0.5),
        "augment.grey": Leaf(float, "share of the pictures that become grey", low=0, high=1),
        "augment.blur": Leaf(float, "largest blur, as a share of the side", low=0, high=0.1),
        "augment.noise": Leaf(float, "largest noise, as a share of the full scale", low=0, high=0.5),
        "augment.erase": Leaf(float, "largest area erased, as a share", low=0, high=0.8),
        "augment.elastic": Leaf(float, "largest elastic move, as a share of the side", low=0, high=0.2),
        "augment.jpeg": Leaf(int, "lowest JPEG quality; 100 is off", low=1, high=100),
        "augment.check": Leaf(bool, "whether a small probe drops what does not keep the class"),
        "augment.minority": Leaf(
            float,
            "factor on the strengths for samples of small classes (flips and policies have none); 1 is off",
            low=1,
            high=10,
        ),
        "augment.policy": Leaf(str, "operations drawn from many", names=("none",), package=POLICIES),
        "augment.policy_options": Leaf(dict, "further options of the policy, such as {n: 2, m: 9}"),
    },
)
def augment(context: Context) -> Decisions:
    names = context.dataset.target_names
    symbols = [name for name in names if _is_symbol(name)]
    values = context["task.kind"] == "regress"
    count, side = len(context.train_samples), context.typical_side
    if symbols and not values:
        flip = ("none", f"{len(symbols)} of {len(names)} classes are symbols, such as {symbols[0]!r}")
    else:
        flip = _flip(context.audit.orientation, names, values)
    small = side <= 48
    photos = not small and context["input.channels"] >= 3
    tuned = context["network.weights"] is not None
    brief = small and context["network.name"] == "cifarnet" and context.budget.minutes is not None
    shift = 0.0625 if brief else 0.125
    because = f"up to {shift * side:.0f} of {side} px: where an object stands does not name it"
    if brief:
        because += "; more than that pays over more passes than a short training makes"
    if values:
        shift, because = 0.0, "what is measured may lie at the border"
    mine = context.overrides.get("augment.policy")
    policy = "none" if mine is None else mine.value
    usual = {
        "augment.flip": flip,
        "augment.shift": (shift, because),
        "augment.crop": (1.0, "the whole picture is shown"),
        "augment.rotate": (
            (0.0, f"the policy {policy} turns pictures")
            if policy != "none"
            else (10.0, "hand-held pictures tilt")
            if photos and not values
            else (0.0, "small or measured pictures lose more in resampling than they gain")
        ),
        "augment.scale": (
            (0.0, "pictures keep their own sizes, and with them the scale at which things are seen")
            if context["input.sizing"] == "own"
            else (0.25, f"objects stand nearer and farther; {count} samples show few distances")
            if photos and not values
            else (0.0, "small or measured pictures keep their scale")
        ),
        "augment.color": (
            (0.0, f"the policy {policy} changes their light")
            if policy in ("randaugment", "trivialaugment")
            else (0.2, f"light differs between photos; {count} samples show few lights")
            if photos
            else (0.0, "grey or small pictures: light is not the difficulty")
        ),
        "augment.mixup": (
            0.0,
            "short fine-tuning gains nothing from it" if tuned else "pays only over many epochs",
        ),
        "augment.mosaic": (0.0, "off: it lays pictures with boxes together, and what it is worth was not measured"),
        "augment.function": (None, "none is given"),
        "augment.check": (False, "off: it was not measured whether what it drops pays in the end"),
        "augment.jpeg": (100, "off: what it is worth here was not measured"),
        "augment.minority": (
            1.0,
            "off: small classes are altered like the others; what more is worth was not measured",
        ),
        "augment.policy": ("none", "off: what one is worth here was not measured"),
        "augment.policy_options": ({}, "the policy's own defaults"),
        **{f"augment.{name}": (0.0, "off: what it is worth here was not measured") for name in UNMEASURED},
    }
    if context.finds:
        return boxes.augment(context, usual)
    return masks.augment(context, usual) if context.per_pixel else usual


def stronger(settings: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """The settings of single pictures with their strengths times a factor, each within what its leaf may hold.

    >>> stronger({"flip": "horizontal", "shift": 0.125, "crop": 0.8, "jpeg": 60}, 2.0)
    {'flip': 'horizontal', 'shift': 0.25, 'crop': 0.6, 'jpeg': 20}
    """
    found = dict(settings)
    for name, value in settings.items():
        leaf = augment.leaves[f"augment.{name}"]
        if leaf.type not in (int, float) or name in ("mixup", "cutmix", "mosaic", "minority"):
            continue
        off = {"crop": 1.0, "jpeg": 100}.get(name, 0.0)
        changed = min(max(off + factor * (value - off), leaf.low or 0), leaf.high or 0)
        found[name] = leaf.type(round(changed, 9))
    return found


def _is_symbol(name: str) -> bool:
    """Whether a mirror turns the class into something else: digits, letters, and sides."""
    last = name.rsplit("/", 1)[-1]
    return len(last) == 1 or last.isdigit() or bool(CHIRAL & words(name))


def _flip(orientation: dict[str, float], names: Sequence[str], values: bool) -> tuple[str, str]:
    """Over both axes where pictures have no up, or else left and right alone."""
    if values:
        return "horizontal", "a mirrored scene keeps its value; whether one turned over does, only you can know"
    kept = "a mirrored scene keeps its class"
    named = next((name for name in names if VERTICAL & words(name)), None)
    if named is not None:
        return "horizontal", f"{kept}; turned over, {named!r} may become another"
    if not orientation:
        return "horizontal", f"{kept}; it was not judged whether the pictures have an up, which takes 800 of 16 px"
    upside_down, mirrored = orientation["upside_down"], orientation["mirrored"]
    most = orientation.get("upside_down_in_a_class")
    shares = f"a linear classifier recognises {upside_down:.0%} of those turned over, {mirrored:.0%} of those mirrored"
    if upside_down > UP_MOST or upside_down > max(0.5, mirrored) + UP_MARGIN:
        return "horizontal", f"{kept}; the pictures have an up ({shares})"
    if most is None:
        return "horizontal", f"{kept}; no class has pictures enough to judge whether it has an up of its own"
    if most > UP_MOST_IN_A_CLASS:
        return "horizontal", f"{kept}; a class has an up: of it {most:.0%} are recognised when turned over"
    return "both", f"the pictures have no up ({shares}), and a mirrored one keeps its class"
