"""Remedies for classes of unequal size: what each sets in the plan, and that no two of them correct at once.

Each corrects for how often classes are, in the loss, in what is shown, in the features or in the decision; two of them
would correct twice, and small classes would be called too often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from striate.core.errors import PlanError
from striate.core.plan import Decision

NEIGHBOURS = 5
"""That SMOTE draws towards (Chawla et al. 2002, section 4.2)."""

REMEDIES: Mapping[str, Mapping[str, Any]] = {
    "moved_thresholds": {"evaluate.thresholds": "moved"},
    "balanced_softmax": {"loss.name": "balanced_softmax", "loss.label_smoothing": 0.0},
    "class_weights": {"loss.class_weights": "balanced"},
    "effective_weights": {"loss.class_weights": "effective"},
    "square_root_weights": {"loss.class_weights": "square_root"},
    "balanced_sampling": {"batch.sampling": "balanced"},
    "square_root_sampling": {"batch.sampling": "square_root"},
    "undersampling": {"batch.sampling": "undersampled"},
    "smote": {"transfer.smote": NEIGHBOURS},
    "focal": {"loss.name": "focal", "loss.label_smoothing": 0.0},
}
"""By name, the leaves that a remedy sets, in the order in which equals are taken: what leaves training as it is comes
first. `logit_adjustment` is `balanced_softmax` where its tau is 1."""

NEUTRAL: Mapping[str, Any] = {
    "loss.name": "cross_entropy",
    "loss.class_weights": "none",
    "batch.sampling": "natural",
    "transfer.smote": 0,
    "evaluate.thresholds": "likeliest",
}
"""What these leaves are without a remedy."""

FIRST = "balanced_softmax"
"""What is taken where nothing can be tried."""

RATIO = 10.0
"""Of the largest class to the smallest, above which small classes would be given up."""


def set_by(remedy: str, key: str) -> Any | None:
    """What a remedy sets a leaf to; None where it leaves it alone, as "none", "own" and "auto" do."""
    return REMEDIES.get(remedy, {}).get(key)


def corrections(values: Mapping[str, Any]) -> list[str]:
    """The settings, of those given by key, that correct for how often classes are, as they would be typed."""
    found = [
        f"{key}={values[key]}"
        for key, neutral in NEUTRAL.items()
        if key in values and key != "loss.name" and values[key] != neutral
    ]
    if values.get("loss.name") in ("balanced_softmax", "logit_adjustment"):
        found.append(f"loss.name={values['loss.name']}")
    if (values.get("loss.options") or {}).get("alpha") is not None:
        found.append("loss.options.alpha")
    if values.get("evaluate.costs") is not None:
        found.append("evaluate.costs")
    return found


def refuse_two(values: Mapping[str, Any]) -> None:
    """Raise `PlanError` where two settings would correct twice."""
    found = corrections(values)
    if len(found) > 1:
        raise PlanError(
            f"{' and '.join(found)} would each correct for how often classes are, together twice",
            fix="keep one of them",
        )


def chosen_remedy(figures: Mapping[str, float], behind: Mapping[str, tuple[float, float]]) -> tuple[str, str]:
    """The remedy to take, and the because: the first of the list that is not behind the best by a standard error.

    Args:
        figures: what each gave; empty where nothing could be tried.
        behind: how far each is behind the best of them, and the standard error of that.

    >>> chosen_remedy({"none": 0.5, "focal": 0.6}, {"none": (0.1, 0.02), "focal": (0.0, 0.0)})
    ('focal', 'F1 with classes alike, in short trials: focal 0.600, none 0.500')
    """
    if not figures:
        return FIRST, "nothing could be tried in the time there is, and of all it is right the most often"
    told = ", ".join(f"{name} {figures[name]:.3f}" for name in sorted(figures, key=lambda name: -figures[name]))
    because = f"F1 with classes alike, in short trials: {told}"
    for name in (*REMEDIES, "none"):
        if name in behind and behind[name][0] <= behind[name][1]:
            best = max(figures, key=lambda one: figures[one])
            if name != best:
                far, error = behind[name]
                because += f"; {far:.3f} behind, within a standard error of {error:.3f}, and it asks less"
            return name, because
    raise ValueError("nothing is the best of them")


def applied(remedy: str, because: str) -> dict[str, dict[str, Decision]]:
    """The leaves of a remedy that was measured to be the best, as `Plan.replace` takes them."""
    groups: dict[str, dict[str, Decision]] = {"imbalance": {"remedy": Decision(remedy, because, "measured")}}
    for key, value in REMEDIES.get(remedy, {}).items():
        group, leaf = key.split(".", 1)
        groups.setdefault(group, {})[leaf] = Decision(value, f"the remedy {remedy}: {because}", "measured")
    return groups
