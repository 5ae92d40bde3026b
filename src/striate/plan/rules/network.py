"""Which network: the weights' own, cifarnet as wide as a time budget carries, or a compact residual network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.nets import profile, resolve
from striate.nets.families import cifarnet, reference_of
from striate.nets.families.compact import fit
from striate.plan import boxes, masks
from striate.plan.context import Context
from striate.plan.equals import equal_words, is_equal
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
EPOCHS, LOOKS = 8, 120_000  # fewer passes, or fewer looks in all, cost more than the width gains


@rule(
    "network",
    {
        "network.name": Leaf(str, "a family, a detector, timm/NAME, torchvision/NAME, smp/NAME, or a network file"),
        "network.arguments": Leaf(dict, "arguments of the network"),
        "network.weights": Leaf(str, "a weights file, a Run, or hub", none=True),
    },
)
def network(context: Context) -> Decisions:
    if context.per_pixel:
        return masks.network(context)
    if context.finds:
        return boxes.network(context)
    count = len(context.train_samples)
    if context.weights is not None and context.weights.sidecar is not None:
        sidecar = context.weights.sidecar
        because = f"{count} training samples are few; these weights have seen {sidecar['source']}"
        name = context.overrides.get("network.name")
        same = name is None or name.value == sidecar["network"]
        alike = None if name is None else reference_of(name.value, sidecar["network"], sidecar["arguments"])
        arguments = sidecar["arguments"] if same else alike.arguments if alike else {}
        return {
            "network.name": (sidecar["network"], because),
            "network.arguments": (
                dict(arguments),
                "what the weights need" if same or alike else "none for another network than the weights'",
            ),
            "network.weights": (context.weights.source, "given"),
        }
    side = context.typical_side
    chosen = context.overrides.get("network.name")
    if chosen is not None and chosen.value != "compact":
        source = context.weights.source if context.weights is not None else None
        return {
            "network.name": (chosen.value, "given"),
            "network.arguments": ({}, "the network's own defaults"),
            "network.weights": (source, "given" if source else "none are given: trained from scratch"),
        }
    free = chosen is None and "network.arguments" not in context.overrides
    if free and context.budget.minutes is not None and context.machine.macs_per_second is not None and side >= 24:
        return _in_time(context, side, count)
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


def _in_time(context: Context, side: int, count: int) -> Decisions:
    """The widest network that sees the samples often enough in the time there is."""
    seconds = context.budget.fit_seconds
    assert seconds is not None
    assert context.machine.macs_per_second is not None
    wanted = max(EPOCHS * count, LOOKS)
    affordable: dict[int, tuple[float, dict[str, Any]]] = {}
    for width in WIDTHS:
        arguments = {**cifarnet.fit(side, width), "pool": "both" if context["task.kind"] == "regress" else "max"}
        spec = resolve(
            "cifarnet",
            outputs=max(1, len(context.dataset.target_names)),
            channels=context["input.channels"],
            height=context["input.height"],
            width=context["input.width"],
            arguments=arguments,
        )
        looks = seconds * context.machine.macs_per_second / profile(spec).macs
        if looks >= wanted or not affordable:
            affordable[width] = looks, arguments
    width = max(affordable)
    looks, arguments = affordable[width]
    because = (
        f"no weights are at hand; at {context.machine.macs_per_second / 1e9:.1f} GMAC/s measured, {seconds:.0f} s "
        f"carry about {looks:,.0f} looks through the one from {width} channels on; {wanted:,} are wanted, {count} "
        f"samples {wanted / count:.0f} times"
    )
    return {
        "network.name": ("cifarnet", because),
        "network.arguments": (arguments, f"{side} px come to a last map of 3 to 6 px, and pooling comes early"),
        "network.weights": (None, "none are at hand; `--weights FILE` fine-tunes"),
    }


@dataclass(frozen=True)
class ProbedWeights:
    """How a head on the frozen features of some weights did on samples that it was not fitted to.

    Args:
        kind: of the targets: "label", "labels" or "value".
        samples: that the features are of.
        score, error: the mean over them, the higher the better, and its standard error.
        behind, behind_error: how far it is behind the best, sample by sample, and the standard error of that.
        macs: multiply-accumulates of the network for a sample.
    """

    kind: str
    samples: int
    score: float
    error: float
    behind: float
    behind_error: float
    macs: int


def chosen_weights(sources: Sequence[str], found: Sequence[ProbedWeights]) -> tuple[int, str]:
    """Which weights to take, by place, and the because: the cheapest that is not behind the best by a standard error.

    Args:
        sources: what they were read from.
        found: how each did; empty where nothing could be tried.

    >>> one = ProbedWeights("label", 90, 0.8, 0.03, 0.0, 0.0, 300_000_000)
    >>> other = ProbedWeights("label", 90, 0.6, 0.04, 0.2, 0.05, 100_000_000)
    >>> chosen_weights(["a.safetensors", "b.safetensors"], [one, other])[0]
    0
    """
    if not found:
        return 0, f"the first of {len(sources)}: there is no time to try them on enough samples"
    names = [Path(source).name for source in sources]
    if len(set(names)) < len(names):
        names = list(sources)
    best = max(range(len(found)), key=lambda place: found[place].score)
    equals = [place for place, one in enumerate(found) if place == best or is_equal(one.behind, one.behind_error)]
    place = min(equals, key=lambda place: (found[place].macs, -found[place].score))
    ranking = ", ".join(
        f"{names[at]} {found[at].score:.3f} ± {found[at].error:.3f} ({found[at].macs / 1e6:,.0f} M operations)"
        for at in sorted(range(len(found)), key=lambda at: -found[at].score)
    )
    because = f"{_JUDGED[found[0].kind]} of a head on frozen features, on parts of {found[0].samples} training samples"
    because += f" that it was not fitted to: {ranking}"
    if place != best:
        one = found[place]
        because += equal_words(one.behind, one.behind_error, "cheaper")
    return place, because


_JUDGED = {
    "label": "accuracy",
    "labels": "share of labels that are right",
    "value": "minus the mean error, in deviations,",
}
