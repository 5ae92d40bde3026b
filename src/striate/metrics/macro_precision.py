"""Macro precision: how many of the samples called a class are of it, each class counting the same."""

from __future__ import annotations

from striate.metrics import METRICS, ByClass, Floats, class_counts


def macro_precision(scores: Floats, targets: Floats) -> float:
    """The mean over the classes that samples have of hits / predicted; a class never predicted counts 0.

    Args:
        scores: (N, K).
        targets: one-hot, (N, K).

    Returns:
        NaN where no class has samples.
    """
    found = class_counts(scores, targets, "label")
    return float(found.macro(found.precision))


@METRICS.register("macro_precision")
class MacroPrecision(ByClass):
    """`macro_precision`, gathered."""

    kinds = ("label",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`macro_precision` of all rows."""
        return macro_precision(scores, targets)

    def value(self, sums: Floats) -> Floats:
        """From the counts of each class, (R,)."""
        found = self.split(sums)
        return found.macro(found.precision)
