"""What validation decides of predictions once the weights stand: calibration, labels' thresholds, what is possible."""

from collections.abc import Mapping

from striate.core.errors import PlanError
from striate.core.plan import Decision
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

_OFF = {
    "predict.calibration": "none",
    "evaluate.label_thresholds": "half",
    "evaluate.coverage": None,
    "evaluate.tidying": "none",
}
_KINDS = {
    "predict.calibration": ("classify", "multilabel"),
    "evaluate.label_thresholds": ("multilabel", "detect"),
    "evaluate.coverage": ("classify", "multilabel", "regress"),
    "evaluate.tidying": ("segment",),
}


@rule(
    "validated",
    {
        "predict.calibration": Leaf(
            str, "whether probabilities are made as sure as they are right on validation", names=("temperature", "none")
        ),
        "evaluate.label_thresholds": Leaf(
            str,
            "the probability from which on a label or a thing is held present: a half or of the best F1",
            names=("half", "f1"),
        ),
        "evaluate.coverage": Leaf(
            float,
            "share of new samples, or of their labels, whose truth is to be among what a prediction holds possible",
            low=0.5,
            high=0.999,
            none=True,
        ),
        "evaluate.tidying": Leaf(
            str,
            "whether small regions, all but the largest, and holes of masks go where validation gains",
            names=("validated", "none"),
        ),
    },
)
def validated(context: Context) -> Decisions:
    kind, found = context["task.kind"], bool(context.split.keys("val"))
    wanted = {
        "predict.calibration": (
            "temperature",
            "one number, fitted on validation, makes probabilities honest and changes no order; kept where unseen "
            "parts of validation gain by it",
        ),
        "evaluate.label_thresholds": (
            "f1",
            f"a half is seldom the best of a {'class of things' if kind == 'detect' else 'rare label'}; each is chosen "
            "on validation, where enough samples have it",
        ),
        "evaluate.tidying": ("none", "off: it takes a while, and what it is worth was not measured"),
        "evaluate.coverage": (
            0.9,
            f"nine of ten {'labels' if kind == 'multilabel' else 'new samples'}; validation finds what has to be held "
            "possible for it",
        ),
    }
    without = "there are no validation samples to fit it on"
    return {
        key: value if kind in _KINDS[key] and found else (_OFF[key], without if kind in _KINDS[key] else _other(key))
        for key, value in wanted.items()
    }


def _other(key: str) -> str:
    return {
        "predict.calibration": "for probabilities of samples, which values and masks have not",
        "evaluate.label_thresholds": "for several labels or things at once",
        "evaluate.coverage": "for classes, labels and values",
        "evaluate.tidying": "for masks",
    }[key]


def check_validated(decisions: Mapping[str, Decision], validated: bool) -> None:
    """Raise `PlanError` where validation is to decide what it cannot.

    Args:
        decisions: of every leaf.
        validated: whether there are validation samples.
    """
    kind = decisions["task.kind"].value
    for key, off in _OFF.items():
        value = decisions[key].value
        if value == off:
            continue
        if kind not in _KINDS[key]:
            raise PlanError(f"{key}={value} is {_other(key)}, and the task is {kind}", fix=f"leave {key} out")
        if not validated:
            raise PlanError(
                f"{key}={value} is fitted on validation samples, and there are none",
                fix=f"leave {key} out, or give validation samples",
            )
