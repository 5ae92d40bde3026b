"""Remedies for classes of unequal size: what each sets in the plan, and that no two of them correct at once.

Each corrects for how often classes are, in the loss, in what is shown, in the features or in the decision; two of them
would correct twice, and small classes would be called too often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from striate.core.errors import PlanError
from striate.core.plan import AUTO, Decision

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


def settled(overrides: Mapping[str, Decision]) -> list[str]:
    """Which of what remedies set is set by the user, as it would be typed."""
    keys = (*NEUTRAL, "evaluate.costs")
    return [f"{key}={overrides[key].value}" for key in keys if key in overrides and overrides[key].value is not None]


def reconciled(overrides: Mapping[str, Decision]) -> dict[str, Decision]:
    """Decisions of a plan file and of the user without those of the file that the user's make void.

    A remedy that the user names sets its leaves anew; what it sets, set by the user, leaves no remedy to the file.
    """
    mine = {key for key, one in overrides.items() if one.by == "user"}
    void: set[str] = set()
    if "imbalance.remedy" in mine:
        void = {*NEUTRAL, "loss.label_smoothing"} - mine
    elif mine & {*NEUTRAL, "evaluate.costs"}:
        void = {"imbalance.remedy"}
    return {key: one for key, one in overrides.items() if key not in void}


def possible(decisions: Mapping[str, Decision]) -> list[str]:
    """The remedies that would change nothing that the user set, in their order; of own sizes none that samples, as
    their batches show every sample once an epoch."""
    sizing = decisions.get("input.sizing")
    own = sizing is not None and sizing.value == "own"
    return [
        name
        for name, leaves in REMEDIES.items()
        if not (own and "batch.sampling" in leaves)
        and all(decisions[key].by != "user" or decisions[key].value == value for key, value in leaves.items())
    ]


def check_remedies(decisions: Mapping[str, Decision], smallest: int, validated: bool) -> None:
    """Raise `PlanError` where a whole plan corrects twice, or asks for a correction that there cannot be.

    Args:
        decisions: of every leaf.
        smallest: samples of the smallest class in training; 0 where samples have not one class each.
        validated: whether there are validation samples.
    """
    values = {key: one.value for key, one in decisions.items()}
    remedy, kind = values["imbalance.remedy"], values["task.kind"]
    asked = corrections(values)
    if kind != "classify":
        keys = ("batch.sampling", "transfer.smote", "evaluate.thresholds")
        single = [f"{key}={values[key]}" for key in keys if values[key] != NEUTRAL[key]]
        single += ["evaluate.costs"] if values["evaluate.costs"] is not None else []
        single += [f"imbalance.remedy={remedy}"] if remedy not in ("none", "own") else []
        if single:
            raise PlanError(f"{single[0]} is for single classes, and the task is {kind}", fix="leave it out")
    own = settled({key: one for key, one in decisions.items() if one.by == "user"})
    if remedy == AUTO and own:
        raise PlanError(
            f"imbalance.remedy=auto tries remedies, and {own[0]}, which one of them would set, is set by you",
            fix="leave one of the two out",
        )
    for key, value in REMEDIES.get(remedy, {}).items():
        if values[key] != value:
            raise PlanError(
                f"imbalance.remedy={remedy} sets {key}={value}, and it is set to {values[key]}",
                fix=f"leave {key} out, or imbalance.remedy",
            )
    if len(asked) > 1:
        raise PlanError(
            f"{' and '.join(asked)} would each correct for how often classes are, together twice",
            fix="keep one of them",
        )
    if values["evaluate.thresholds"] == "moved" and not validated:
        raise PlanError(
            "thresholds are moved by validation samples, and there are none",
            fix="leave evaluate.thresholds out, or give validation samples",
        )
    if values["evaluate.costs"] is not None:
        _refuse_bent(values)
    if values["transfer.smote"]:
        _refuse_smote(values, smallest)


def _refuse_bent(values: Mapping[str, Any]) -> None:
    """Raise `PlanError` where probabilities would not be those of classes, by which costs are decided on."""
    bent = [
        f"{key}={values[key]}" for key in ("loss.label_smoothing", "augment.mixup", "augment.cutmix") if values[key] > 0
    ]
    if values["loss.name"] != "cross_entropy":
        bent.append(f"loss.name={values['loss.name']}")
    if bent:
        raise PlanError(
            f"evaluate.costs decides by probabilities, and with {bent[0]} they are not those of the classes",
            fix=f"leave {bent[0].split('=')[0]} out",
        )


def _refuse_smote(values: Mapping[str, Any], smallest: int) -> None:
    """Raise `PlanError` where features cannot be made up."""
    neighbours = values["transfer.smote"]
    if not values["transfer.probe"]:
        raise PlanError(
            "transfer.smote makes up features for a head that is fitted to them, and none is (transfer.probe)",
            fix="give weights with --weights, or choose another remedy, such as class weights",
        )
    if smallest <= neighbours:
        raise PlanError(
            f"transfer.smote draws towards the {neighbours} nearest of a class; the smallest has {smallest} samples",
            fix=f"--set transfer.smote={smallest - 1}" if smallest > 1 else "choose another remedy",
        )


def chosen_remedy(
    figures: Mapping[str, float], behind: Mapping[str, tuple[float, float]], allowed: Sequence[str] = tuple(REMEDIES)
) -> tuple[str, str]:
    """The remedy to take, and the because: the first of the list that is not behind the best by a standard error; none
    where nothing gives more than that.

    Args:
        figures: what each gave; empty where nothing could be tried.
        behind: how far each is behind the best of them, and the standard error of that.
        allowed: the remedies that may be taken.

    >>> chosen_remedy({"none": 0.5, "focal": 0.6}, {"none": (0.1, 0.02), "focal": (0.0, 0.0)})
    ('focal', 'F1 with classes alike, in short trials: focal 0.600, none 0.500')
    """
    if not figures:
        first = FIRST if FIRST in allowed else "class_weights" if "class_weights" in allowed else "none"
        return first, "nothing could be tried, and of what you leave open it is right the most often"
    told = ", ".join(f"{name} {figures[name]:.3f}" for name in sorted(figures, key=lambda name: -figures[name]))
    because = f"F1 with classes alike, in short trials: {told}"
    best = max(figures, key=lambda one: (figures[one], one == "none"))
    for name in ("none",) if best == "none" else (*allowed, "none"):
        if name in behind and behind[name][0] <= behind[name][1]:
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
