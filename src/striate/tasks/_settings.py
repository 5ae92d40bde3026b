"""What a task learnt: from the training samples, from the plan, and from validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from striate.tasks._costs import Costs
from striate.tasks._scale import Scale
from striate.tasks._tidying import Tidying

Weighting: TypeAlias = str | Mapping[str, float]
"""How classes weigh: one of `striate.losses.WEIGHTINGS`, or numbers by class."""


@dataclass(frozen=True)
class Sets:
    """What is still possible, at a coverage: conformal prediction (Vovk, Gammerman and Shafer 2005).

    Args:
        coverage: the share of new samples whose truth is to be among what is held possible; of labels, the share of
            those that a sample has, in the mean.
        bounds: for classes and labels the least probability at which each is possible; of values how far from the
            prediction each may be, in its own unit.
    """

    coverage: float
    bounds: tuple[float, ...]


@dataclass(frozen=True)
class TaskSettings:
    """What a task learnt from the training samples and was told by the plan; plain values.

    Args:
        loss: the loss's name.
        loss_options: its options.
        class_weights: a number a class, or None: for single classes the weight of its samples, for labels how many
            times as much a positive counts as a negative.
        mean, std: of each value over the training samples, for regression; empty otherwise.
        factors: a number a class by which its probability is multiplied before the likeliest is decided for, or None.
        costs: of each true class, what deciding for each class costs, or None.
        temperature: what outputs are divided by before they become probabilities, or None.
        thresholds: the probability from which on each label is held present, or None where it is a half.
        sets: what is held possible, or None where that is not said.
        tidying: what is done to predicted masks, or None.
        scale: where things are looked for, how large training pictures and things were; None where that is not known.
    """

    loss: str
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    class_weights: tuple[float, ...] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    factors: tuple[float, ...] | None = None
    costs: Costs | None = None
    temperature: float | None = None
    thresholds: tuple[float, ...] | None = None
    sets: Sets | None = None
    tidying: Tidying | None = None
    scale: Scale | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the settings."""
        return tuple(one.name for one in fields(cls))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TaskSettings:
        """The settings from plain values, as JSON gives them."""
        temperature, sets, tidying = content["temperature"], content["sets"], content["tidying"]
        scale = content["scale"]
        return cls(
            loss=content["loss"],
            loss_options=dict(content["loss_options"]),
            class_weights=_numbers(content["class_weights"]),
            mean=tuple(map(float, content["mean"])),
            std=tuple(map(float, content["std"])),
            factors=_numbers(content["factors"]),
            costs=None if content["costs"] is None else tuple(tuple(map(float, row)) for row in content["costs"]),
            temperature=None if temperature is None else float(temperature),
            thresholds=_numbers(content["thresholds"]),
            sets=None if sets is None else Sets(float(sets["coverage"]), tuple(map(float, sets["bounds"]))),
            tidying=None if tidying is None else Tidying.from_dict(tidying),
            scale=None if scale is None else Scale(int(scale["picture"]), float(scale["thing"])),
        )


def _numbers(found: Any) -> tuple[float, ...] | None:
    return None if found is None else tuple(map(float, found))
