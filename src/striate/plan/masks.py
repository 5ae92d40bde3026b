"""What rules decide where each pixel has a class: patch, network, loss and augmentation, from the pictures at hand.

In the spirit of Isensee et al. 2021, "nnU-Net: a self-configuring method for deep learning-based biomedical image
segmentation": few numbers of the data and of the machine decide all of it.
"""

from __future__ import annotations

from typing import Any

from striate.core.errors import PlanError
from striate.nets import profile, resolve
from striate.plan.context import Context
from striate.plan.rule import Decisions
from striate.plan.sides import CHIRAL, VERTICAL, words

GRID = 16
"""Sides of patches are multiples of it, so that a U-Net halves them four times."""
PATCH, PATCH_OF_DEVICE = 128, 256
"""The longest side of a patch on a processor and on a GPU, where more of them are worth more than more around each."""
SMALLEST = 8
"""Pixels of the side of the last map, where positions still see parts."""
WIDTHS = (8, 12, 16, 24, 32, 48, 64)
EPOCHS, LOOKS = 30, 6000
"""What a training in a given time sees at least of its patches, each and in all, before the network is made wider."""
SMALL = 0.5
"""Of an equal share of the pixels: a class with less is small."""
FEW = 200
"""Training pictures below which they are altered strongly."""


def patch(context: Context) -> Decisions:
    """The size of the patches that training sees."""
    sizes = context.audit.sizes
    most = PATCH if context.machine.device == "cpu" else PATCH_OF_DEVICE
    found = {}
    for leaf in ("height", "width"):
        typical = round(sizes[leaf]["median"])
        side = max(GRID, min(most, GRID * (typical // GRID)))
        because = f"patches at the pictures' own scale, of {leaf} {typical} px in the median"
        if side < typical:
            because += f": {side} px hold what tells a class, and more patches are worth more than larger ones"
        if side > typical:
            because += f": padded to {GRID} px, which can be halved"
        found[f"input.{leaf}"] = side, because
    return found


def network(context: Context) -> Decisions:
    """A U-Net, as deep as its patches carry and as wide as the time does."""
    if context.weights is not None:
        raise PlanError(
            f"{context.weights.source} cannot begin a training on masks: pretrained weights are not taken there",
            fix="leave --weights out, and train from scratch",
        )
    chosen = context.overrides.get("network.name")
    none = (None, "none are at hand: trained from scratch")
    if chosen is not None and chosen.value != "unet":
        return {
            "network.name": (chosen.value, "given"),
            "network.arguments": ({}, "the network's own defaults"),
            "network.weights": none,
        }
    side = min(context["input.height"], context["input.width"])
    depth = max(depth for depth in range(1, 5) if depth == 1 or (side % 2**depth == 0 and side / 2**depth >= SMALLEST))
    count = context.shown
    why = f"{side} px are halved {depth} times, to {side // 2**depth}"
    rate, seconds = context.machine.macs_per_second, context.budget.fit_seconds
    if rate is None or seconds is None:
        width = 32 if context.machine.device == "cpu" else 64
        return _unet(width, depth, why, f"from {width} channels on, half of the paper's on a processor", none)
    wanted = max(EPOCHS * count, LOOKS)
    looks = {width: seconds * rate / profile(_spec(context, width, depth)).macs for width in WIDTHS}
    width = max((width for width, found in looks.items() if found >= wanted), default=WIDTHS[0])
    because = (
        f"at {rate / 1e9:.1f} GMAC/s measured, {seconds:.0f} s carry about {looks[width]:,.0f} looks through the one "
        f"from {width} channels on; {wanted:,} are wanted, {count} patches {wanted / count:.0f} times"
    )
    return _unet(width, depth, why, because, none)


def _unet(width: int, depth: int, why: str, because: str, weights: tuple[None, str]) -> Decisions:
    return {
        "network.name": ("unet", f"a class for each pixel, from what is around it and from itself; {because}"),
        "network.arguments": ({"width": width, "depth": depth, "norm": True}, f"{why}; norms let it learn fast"),
        "network.weights": weights,
    }


def _spec(context: Context, width: int, depth: int) -> dict[str, Any]:
    return resolve(
        "unet",
        outputs=len(context.dataset.target_names),
        channels=context["input.channels"],
        height=context["input.height"],
        width=context["input.width"],
        arguments={"width": width, "depth": depth, "norm": True},
        form="grid",
    )


def loss(context: Context) -> Decisions:
    """Cross-entropy, with Dice beside it where a class has few pixels."""
    shares = context.audit.pixel_shares
    told = ", ".join(f"{name} {share:.1%}" for name, share in sorted(shares.items(), key=lambda one: one[1])[:6])
    equal = 1 / max(1, len(context.dataset.target_names))
    small = {name: share for name, share in shares.items() if share < SMALL * equal}
    if small:
        name = "dice_cross_entropy"
        because = f"of the pixels {told}: Dice counts each class alike, which cross-entropy alone would forget"
    else:
        name = "pixel_cross_entropy"
        because = f"of the pixels {told}: no class has less than half of an equal share" if told else "no mask was read"
    return {
        "loss.name": (name, because),
        "loss.label_smoothing": (0.0, "what a pixel is of is not doubted"),
        "loss.class_weights": ("none", "they weigh samples, and here pixels have classes: see loss.options"),
        "loss.options": ({}, "the loss's own defaults"),
    }


def augment(context: Context, usual: Decisions) -> Decisions:
    """What leaves pixels their class where a mask moves as its picture does: much of it where pictures are few.

    Args:
        usual: what is decided where a sample has a class, of which most is off here.
    """
    count, grey = len(context.train_samples), context["input.channels"] == 1
    few = count < FEW
    names = context.dataset.target_names
    sided = next((name for name in names if CHIRAL & words(name)), None)
    upright = next((name for name in names if VERTICAL & words(name)), None)
    if sided is not None:
        flip = ("none", f"{sided!r} has a side, which a mirror turns into the other")
    elif upright is not None:
        flip = ("horizontal", f"a mirrored scene keeps its classes; turned over, {upright!r} may become another")
    elif grey:
        flip = ("both", "grey pictures, as microscopes and scanners give them, seldom have an up, and masks turn along")
    else:
        flip = ("horizontal", "a mirrored scene keeps its classes, and its mask is mirrored too")
    why = f"{count} pictures show few shapes"
    enough = f"{count} pictures show enough shapes"
    light = f"{count} pictures show few lights"
    return {
        **usual,
        "augment.flip": flip,
        "augment.shift": (0.0, "patches are cut at other places in every epoch"),
        "augment.crop": (1.0, "patches keep the scale of the pictures"),
        "augment.rotate": (30.0, why) if few else (0.0, enough),
        "augment.scale": (0.2, why) if few else (0.0, enough),
        "augment.elastic": (
            (0.03, f"{why}, and what microscopes show bends (Ronneberger et al. 2015, section 3.1)")
            if few and grey
            else (0.0, "what bends is for pictures of microscopes")
        ),
        "augment.color": (0.2, light),
        "augment.policy": ("none", "masks could not follow its operations"),
        "augment.mixup": (0.0, "a pixel has one class"),
        "augment.cutmix": (0.0, "a pixel has one class"),
    }
