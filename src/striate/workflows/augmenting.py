"""The augmenter of a plan: small classes may be altered more strongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import PlanError
from striate.core.plan import Plan
from striate.core.records import Label, Labels, Sample
from striate.data.augment import Augmenter
from striate.plan.rules.augment import stronger

SMALL = 0.5
"""Of the mean class: a class with a smaller share of its samples is small."""


def augmenter_of(plan: Plan, samples: Sequence[Sample], size: tuple[int, int]) -> Augmenter:
    """What alters the training samples.

    Raises:
        PlanError: samples of small classes are to be altered more strongly, and there are no classes.
    """
    settings, seed, keys = plan.section("augment"), plan["train.seed"], [sample.key for sample in samples]
    factor = float(settings.get("minority", 1.0))
    if factor == 1:
        return Augmenter(settings, seed, size, keys)
    if plan["task.kind"] not in ("classify", "multilabel"):
        raise PlanError(
            f"augment.minority={factor:g} is for classes, not {plan['task.kind']}", fix="leave augment.minority out"
        )
    return Augmenter(settings, seed, size, keys, (small_classes(samples), stronger(settings, factor)))


def small_classes(samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Which samples have a class, or a label, with fewer than half of the samples of the mean one."""
    named = [_names(sample) for sample in samples]
    counts = Counter(name for names in named for name in names)
    least = SMALL * sum(counts.values()) / max(1, len(counts))
    return np.array([any(counts[name] < least for name in names) for names in named], np.bool_)


def _names(sample: Sample) -> Sequence[str]:
    if isinstance(sample.target, Label):
        return (sample.target.name,)
    return sample.target.names if isinstance(sample.target, Labels) else ()
