"""The augmenter of a plan: small classes may be altered more strongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import PlanError
from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.core.records import Label, Labels, Sample
from striate.data.augment import Augmenter, switched_on
from striate.plan.rules.augment import stronger

SMALL = 0.5
"""Of the mean class: a class with a smaller share of its samples is small."""
SHOWN = 8
"""Classes that are named."""


def augmenter_of(plan: Plan, samples: Sequence[Sample], size: tuple[int, int] | None) -> Augmenter:
    """What alters the training samples.

    Args:
        size: (H, W) that they are cut to; None where they keep their own.

    Raises:
        PlanError: samples of small classes are to be altered more strongly, and there are no classes.
    """
    settings, seed, keys = plan.section("augment"), plan["train.seed"], [sample.key for sample in samples]
    factor, fill = float(settings.get("minority", 1.0)), [255 * mean for mean in plan["normalize.mean"]]
    if factor == 1:
        return Augmenter(settings, seed, size, keys, fill=fill)
    refuse_values(plan, factor)
    return Augmenter(settings, seed, size, keys, (small_classes(samples), stronger(settings, factor)))


def tell_minority(plan: Plan, samples: Sequence[Sample], reporter: Reporter) -> None:
    """Say which classes are altered more strongly, and by what, before training.

    Raises:
        PlanError: that was asked for, and nothing is altered more strongly by it.
    """
    settings = plan.section("augment")
    factor = float(settings.get("minority", 1.0))
    if factor == 1:
        return
    refuse_values(plan, factor)
    small, changed = sorted(_small(samples)), strengthened(settings, factor)
    if plan.decisions["augment.minority"].by == "user" and not (small and changed):
        on = ", ".join(switched_on(settings)) or "nothing"
        raise PlanError(
            f"augment.minority={factor:g} changes nothing: "
            + (
                f"no augmentation with a strength of its own is on ({on}); flips, policies, mixing and your own "
                "function are not scaled"
                if small
                else "no class has fewer than half of the training samples of the mean one"
            ),
            fix="leave augment.minority out" + (", or switch one on such as augment.rotate=10" if small else ""),
        )
    if small and changed:
        shown = ", ".join(small[:SHOWN]) + (f" and {len(small) - SHOWN} more" if len(small) > SHOWN else "")
        words = ", ".join(f"{name} {settings[name]} → {value}" for name, value in changed.items())
        reporter.line(f"augment.minority: samples of {shown} are altered more strongly: {words}")


def strengthened(settings: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """What is on and has another value for small classes, with that value.

    >>> strengthened({"flip": "horizontal", "shift": 0.125, "rotate": 0.0}, 2.0)
    {'shift': 0.25}
    """
    grown = stronger(settings, factor)
    return {name: grown[name] for name, value in switched_on(settings).items() if grown[name] != value}


def small_classes(samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Which samples have a class, or a label, with fewer than half of the samples of the mean one."""
    small = _small(samples)
    return np.array([not small.isdisjoint(_names(sample)) for sample in samples], np.bool_)


def _small(samples: Sequence[Sample]) -> set[str]:
    counts = Counter(name for sample in samples for name in _names(sample))
    least = SMALL * sum(counts.values()) / max(1, len(counts))
    return {name for name, count in counts.items() if count < least}


def refuse_values(plan: Plan, factor: float) -> None:
    """Raise `PlanError` where samples have no classes of which some could be altered more strongly."""
    if plan["task.kind"] not in ("classify", "multilabel"):
        raise PlanError(
            f"augment.minority={factor:g} is for classes, not {plan['task.kind']}", fix="leave augment.minority out"
        )


def _names(sample: Sample) -> Sequence[str]:
    if isinstance(sample.target, Label):
        return (sample.target.name,)
    return sample.target.names if isinstance(sample.target, Labels) else ()
