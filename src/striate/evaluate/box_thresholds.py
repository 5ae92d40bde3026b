"""From which score on a detector's boxes are shown: chosen on validation for each class that has boxes enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.core.wording import some
from striate.metrics import THRESHOLD, Floats, best_thresholds, boxes_by_class, pooled_threshold

LEAST_TRUTHS = 10
"""Boxes of a class below which its threshold is that of all classes together.

The best of so many thresholds is in part luck. Where scores of right and wrong boxes are normal, 2.2 standard
deviations apart, and thrice as many are wrong, a threshold chosen by 20 boxes loses 0.02 of F1 on new ones against the
best, by 10 0.03, by 5 0.04, by 3 0.055; that of all classes loses 0.015 where their best thresholds vary by a quarter
of a standard deviation, and 0.045 where by half of one."""


@dataclass(frozen=True)
class BoxThresholds:
    """A threshold for each class.

    Args:
        values: the score from which on its detections are shown.
        pooled: the classes, by place, that too few boxes are of, or of which none was found: theirs is `overall`.
        overall: the threshold of all classes together; a half where no box was found.
        before, after: F1 on the validation that chose them, with `overall` and with these, as a mean over classes that
            have boxes; NaN where none has.
        notes: sentences about classes that have no threshold of their own.
    """

    values: tuple[float, ...]
    pooled: tuple[int, ...]
    overall: float
    before: float
    after: float
    notes: tuple[str, ...]


def choose_box_thresholds(rows: Floats, names: Sequence[str]) -> BoxThresholds:
    """For each class the threshold of the best F1 at an overlap of 0.5, see `striate.metrics.best_thresholds`.

    Args:
        rows: (N, S) of validation pictures, as `striate.core.boxes.joined` gives them; the test's choose nothing.
        names: of the classes, K.

    Raises:
        ValueError: the rows are not of boxes, or of more classes.

    >>> from striate.core.boxes import joined
    >>> found = np.tile([[[0.0, 0, 8, 8, 0.75, 0], [20, 0, 28, 8, 0.25, 0]]], (12, 1, 1))
    >>> chosen = choose_box_thresholds(joined(found, np.tile([[[0.0, 0, 8, 8, 0, 0, 0]]], (12, 1, 1))), ["cat", "dog"])
    >>> chosen.values
    (0.5, 0.5)
    >>> chosen.notes
    ('no box of dog is in validation: its threshold is that of all classes together, 0.5',)
    """
    classes = len(names)
    halves = boxes_by_class(rows, classes, [THRESHOLD] * classes)
    own, support, common = best_thresholds(rows, classes), halves["support"], pooled_threshold(rows, classes)
    overall = THRESHOLD if np.isnan(common) else common
    pooled = tuple(np.flatnonzero((support < LEAST_TRUTHS) | np.isnan(own)).tolist())
    values = tuple(overall if place in pooled else float(own[place]) for place in range(classes))
    before, after = (boxes_by_class(rows, classes, one)["f1"] for one in ([overall] * classes, values))
    notes = _notes(names, support, pooled, common)
    return BoxThresholds(values, pooled, overall, _mean(before), _mean(after), notes)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _notes(names: Sequence[str], support: Floats, pooled: Sequence[int], common: float) -> tuple[str, ...]:
    """Which classes have no threshold of their own, and why."""
    if np.isnan(common):
        reason = "no box of validation was found" if support.any() else "there is no box in validation"
        return (f"{reason}, so that detections are shown from a score of {THRESHOLD:g} on",)
    none = [names[place] for place in pooled if not support[place]]
    few = [names[place] for place in pooled if 0 < support[place] < LEAST_TRUTHS]
    lost = [names[place] for place in pooled if support[place] >= LEAST_TRUTHS]
    reasons = [
        (none, f"no box of {some(none)} is in validation"),
        (few, f"{some(few)} {'has' if len(few) == 1 else 'have'} fewer than {LEAST_TRUTHS} boxes in validation"),
        (lost, f"no box of {some(lost)} was found in validation"),
    ]
    return tuple(f"{reason}: {_theirs(classes)}, {common:.3g}" for classes, reason in reasons if classes)


def _theirs(classes: Sequence[str]) -> str:
    whose = "its threshold is" if len(classes) == 1 else "their thresholds are"
    return f"{whose} that of all classes together"
