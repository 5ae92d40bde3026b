"""Macro F1: the balance of precision and recall, each class counting the same."""

from __future__ import annotations

from striate.core.records import TargetKind
from striate.metrics import METRICS, ByClass, Floats, class_counts


def macro_f1(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean over the classes that samples have of 2 hits / (predicted + support).

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        NaN where no class has samples.
    """
    found = class_counts(scores, targets, kind)
    return float(found.macro(found.f1))


@METRICS.register("macro_f1")
class MacroF1(ByClass):
    """`macro_f1`, gathered."""

    kinds = ("label", "labels")

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`macro_f1` of all rows."""
        return macro_f1(scores, targets, self.kind)

    def value(self, sums: Floats) -> Floats:
        """From the counts of each class, (R,)."""
        found = self.split(sums)
        return found.macro(found.f1)
