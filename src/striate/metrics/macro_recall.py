"""Macro recall: how many of a class's samples are found, each class counting the same."""

from __future__ import annotations

from striate.metrics import METRICS, ByClass, Floats, class_counts


def macro_recall(scores: Floats, targets: Floats) -> float:
    """The mean over the classes that samples have of hits / support (also called balanced accuracy).

    Args:
        scores: (N, K).
        targets: one-hot, (N, K).

    Returns:
        NaN where no class has samples.
    """
    found = class_counts(scores, targets, "label")
    return float(found.macro(found.recall))


@METRICS.register("macro_recall")
class MacroRecall(ByClass):
    """`macro_recall`, gathered."""

    kinds = ("label",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`macro_recall` of all rows."""
        return macro_recall(scores, targets)

    def value(self, sums: Floats) -> Floats:
        """From the counts of each class, (R,)."""
        found = self.split(sums)
        return found.macro(found.recall)
