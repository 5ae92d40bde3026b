"""What the rules decide where things are looked for: size, detector, anchors, batch and augmentation by the boxes.

The smallest boxes say how large pictures must be, their spread says which maps are looked at, and their sizes and
shapes say which anchors there are.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from striate.core.errors import UsageError
from striate.core.options import options_of
from striate.core.plan import Decision
from striate.nets import form_of
from striate.nets.detectors import DETECTORS
from striate.plan.context import Context
from striate.plan.rule import Decisions

SIDES = (96, 128, 192, 256, 320, 416, 512, 640, 800)
"""Pixels of the long side that pictures are brought to."""
MOST_OF_PROCESSOR = 416
"""Of these the largest on a processor: a side that doubles costs four times as much."""
ENLARGED = 2
"""How far pictures are enlarged at most: beyond that, more pixels show no more."""
SEEN = 32
"""Pixels of a side that nine of ten boxes should have at least, four positions of the finest map: what is rare may be
smaller still."""
GRID = 32
"""Sides are multiples of it, as the coarsest map of most backbones needs."""
FINEST, COARSEST = 8, 128
"""Strides of maps that may be looked at."""
PER_STRIDE = 2
"""A map of stride s looks for things of 2 s pixels and up to twice that: in smaller pictures than the usual, things are
smaller too (Lin et al. 2017, "Focal loss", section 4, look for 4 s in pictures of 600 px)."""
APART = 1.2
"""Shapes of anchors differ by more than that, or they would find the same things."""
LOOKS = {
    "retinanet": "one look at a pyramid of maps finds all things,",
    "fcos": "one look at a pyramid of maps finds all things without anchors,",
    "faster_rcnn": "a second look corrects what a first one proposes,",
    "ssdlite": "one look at maps of falling size finds all things cheaply,",
}
"""What is said of a detector."""
PARTS = 3
"""Sizes of anchors on a map, a third of an octave apart (there too)."""
FEW = 500
"""Training pictures below which four are laid into one."""
BATCHES = (4, 8, 16)
STEPS = 20
"""An epoch has so many steps at least, where pictures are enough."""


def size(context: Context) -> Decisions:
    """Height and width that pictures are brought to."""
    sizes, boxes = context.audit.sizes, context.audit.boxes
    height, width = sizes["height"]["median"], sizes["width"]["median"]
    long = max(height, width)
    small = min(boxes["width"]["p10"], boxes["height"]["p10"]) if boxes.get("width") else long / 10
    most = min(ENLARGED * long, MOST_OF_PROCESSOR if context.machine.device == "cpu" else SIDES[-1])
    options = [side for side in SIDES if side <= most] or [SIDES[0]]
    side = next((side for side in options if small * side / long >= SEEN), options[-1])
    scale = side / long
    because = (
        f"pictures of {width:.0f}×{height:.0f} px in the median; nine of ten boxes have {small:.0f} px at least, "
        f"{small * scale:.0f} of them at a long side of {side} px"
    )
    if small * scale < SEEN:
        because += f", fewer than the {SEEN} wanted: more pixels would cost too much here, or show no more"
    found = {"input.height": height, "input.width": width}
    return {leaf: (max(GRID, GRID * math.floor(one * scale / GRID + 0.5)), because) for leaf, one in found.items()}


def network(context: Context) -> Decisions:
    """A detector over the weights' network, or over a small one from scratch.

    Raises:
        UsageError: another detector is named than the weights are of.
    """
    weights = context.weights
    sidecar = weights.sidecar if weights is not None else None
    chosen = context.overrides.get("network.name")
    if sidecar is not None and form_of(sidecar["network"]) == "boxes":
        if chosen is not None and chosen.value != sidecar["network"]:
            raise UsageError(
                f"the weights are of a whole detector, {sidecar['network']}, and cannot begin another, {chosen.value}",
                fix=f"leave the model to the weights, or begin {chosen.value} from a network's weights or from scratch",
            )
        return {
            "network.name": (sidecar["network"], f"the weights are of a detector that has seen {sidecar['source']}"),
            "network.arguments": (dict(sidecar["arguments"]), "what the weights need"),
            "network.weights": (weights.source if weights else None, "given"),
        }
    name = "retinanet" if chosen is None else str(chosen.value)
    source = (weights.source, "given: they begin the body, what finds things is new") if weights is not None else None
    strides, why = _strides(context)
    mine = context.overrides.get("network.arguments")
    own = mine.value.get("strides") if mine is not None else None
    if isinstance(own, list) and own and all(type(stride) is int for stride in own):  # what hangs on them follows
        strides, why = own, "maps of your strides"
    arguments: dict[str, Any] = {
        "strides": strides,
        "width": 128 if context.machine.device == "cpu" else 256,
        "depth": 2 if context.machine.device == "cpu" else 4,
        "norm": "group",
    }
    if sidecar is not None:
        arguments |= {"backbone": sidecar["network"], "backbone_arguments": dict(sidecar["arguments"])}
        body = f"over {sidecar['network']}, which has seen {sidecar['source']}"
    else:
        arguments |= {"backbone": "resnet18", "backbone_arguments": {"width": 32}}
        body = "over a small network from scratch"
    if name == "retinanet":
        arguments |= {"aspects": _aspects(context), "sizes": [_octave(stride) for stride in strides]}
    if name == "faster_rcnn":  # a second look corrects the first, so that one size a map does
        sizes = [[_octave(stride)[PARTS // 2]] for stride in strides]
        arguments |= {"aspects": _aspects(context), "sizes": sizes, "depth": 1}
        arguments |= {"rois": 128} if context.machine.device == "cpu" else {}
    if name == "ssdlite":
        arguments |= _default_boxes(context, len(strides))
    known = {"backbone", "backbone_arguments", *options_of(DETECTORS.get(name))} if name in DETECTORS else set()
    arguments = {key: value for key, value in arguments.items() if key in known}
    return {
        "network.name": (name, f"{LOOKS.get(name, 'things are looked for')} {body}"),
        "network.arguments": (arguments, why),
        "network.weights": source or (None, "none are at hand: trained from scratch"),
    }


def laid_over(context: Context, mine: Decision) -> Decision:
    """Arguments of the user's over those of the rule: to name another backbone is not to give up the anchors."""
    value, because = network(context)["network.arguments"]
    more = [key for key in value if key not in mine.value]
    if not more:
        return mine
    return replace(
        mine, value={**value, **mine.value}, because=f"{mine.because}; {', '.join(more)} by the boxes: {because}"
    )


def _strides(context: Context) -> tuple[list[int], str]:
    """The strides of the maps that are looked at: from the smallest boxes to the largest."""
    boxes, sizes = context.audit.boxes, context.audit.sizes
    scale = context["input.width"] / sizes["width"]["median"]
    if not boxes.get("width"):
        return [8, 16, 32], "no box is known"
    low, high = (scale * math.sqrt(boxes["width"][end] * boxes["height"][end]) for end in ("min", "max"))
    ladder = [FINEST * 2**step for step in range(int(math.log2(COARSEST / FINEST)) + 1)]
    first = max((stride for stride in ladder if PER_STRIDE * stride <= low), default=FINEST)
    last = min((stride for stride in ladder if 2 * PER_STRIDE * stride >= high), default=COARSEST)
    found = [stride for stride in ladder if first <= stride <= max(last, 2 * first)]
    return found, (
        f"boxes are from {low:.0f} to {high:.0f} px at this size: maps of strides {', '.join(map(str, found))} suit "
        f"things of {PER_STRIDE} to {2 * PER_STRIDE} times that"
    )


def _octave(stride: int) -> list[float]:
    return [round(PER_STRIDE * stride * 2 ** (part / PARTS), 1) for part in range(PARTS)]


def _default_boxes(context: Context, levels: int) -> dict[str, Any]:
    """SSD's: their sides as shares of the picture's, from the small boxes to the large, and their shapes."""
    boxes = context.audit.boxes
    if not boxes.get("share"):
        return {}
    low, high = (math.sqrt(boxes["share"][end]) for end in ("p10", "max"))
    steps = [low * (max(high, 1.5 * low) / low) ** (step / levels) for step in range(levels + 1)]
    longest = round(max(boxes["aspect"]["p90"], 1 / boxes["aspect"]["p10"]), 2)
    return {"shares": [round(step, 4) for step in steps], "aspects": [longest] if longest > APART else []}


def _aspects(context: Context) -> list[float]:
    """Height over width of anchors: what boxes have in the middle, and towards both ends."""
    spread = context.audit.boxes.get("aspect")
    if not spread:
        return [0.5, 1.0, 2.0]
    found: list[float] = []
    for one in (1 / spread[share] for share in ("median", "p90", "p10")):
        if all(max(one / other, other / one) > APART for other in found):
            found.append(round(one, 2))
    return sorted(found)


def loss() -> Decisions:
    """The detector's own."""
    return {
        "loss.name": ("of_network", "a detector compares itself with the truth at each of its positions"),
        "loss.label_smoothing": (0.0, "it is for single classes"),
        "loss.class_weights": ("none", "they weigh samples, and here a picture has things of many classes"),
        "loss.options": ({}, "class and place weigh alike"),
    }


def batch_size(context: Context) -> tuple[int, str]:
    """Small batches: a picture has many things to learn from."""
    count = len(context.train_samples)
    found = max((one for one in BATCHES if one * STEPS <= count), default=BATCHES[0])
    return found, f"each picture has many things to learn from; {count} make {max(1, count // found)} steps an epoch"


def augment(context: Context, usual: Decisions) -> Decisions:
    """What boxes can follow.

    Args:
        usual: what is decided where a sample has a class.
    """
    count = len(context.train_samples)
    few = count < FEW
    why = f"{count} pictures show few arrangements"
    return {
        **usual,
        "augment.shift": (0.0, "pictures are moved by their scale and in mosaics"),
        "augment.rotate": (0.0, "a turned box is larger than what is in it"),
        "augment.scale": (0.25, "things are nearer and farther"),
        "augment.mosaic": (0.5, f"{why}: half of them are four laid into one")
        if few
        else (0.0, f"{count} pictures show enough arrangements"),
        "augment.color": (0.2, "light differs between pictures"),
        "augment.policy": ("none", "boxes could not follow its operations"),
        "augment.mixup": (0.0, "things would lie in each other"),
        "augment.cutmix": (0.0, "things would be cut"),
    }
