"""The split that a Run is judged by, its headline figure and its counts, as every section reads them from the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from striate.report.facts import Facts

BACKGROUND, MISSED = "background", "missed"
"""The last row and the last column of a confusion of things."""


@dataclass(frozen=True)
class Judged:
    """A split that was scored.

    Args:
        key: its name in the files, "test" or "val".
        words: its name in sentences.
        scores: its metrics by name.
        count: its samples; None where that is not recorded.
    """

    key: str
    words: str
    scores: dict[str, Any]
    count: int | None

    def value(self, name: str) -> float | None:
        """A metric, or None where it has no value."""
        found = self.scores.get(name)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def bounds(self, name: str) -> tuple[float, float] | None:
        """The two ends of a metric's interval, or None where there is none."""
        return interval_bounds(self.scores.get(f"{name}_interval"))


def judged(facts: Facts) -> Judged | None:
    """The test split, or validation where there is no test; None where neither has scores."""
    counts = facts.metrics.get("split")
    counts = counts if isinstance(counts, dict) else {}
    for key, words in (("test", "test"), ("val", "validation")):
        scores = facts.metrics.get(key)
        if isinstance(scores, dict) and scores:
            count = counts.get(key)
            return Judged(key, words, scores, count if isinstance(count, int) else None)
    return None


def supports(facts: Facts, key: str, counted: str = "support") -> dict[str, int]:
    """Samples of each class of a split, as the table of classes counts them; empty where it does not, as of values.

    Args:
        counted: the table's column; of masks `support` counts pixels, and `pictures` pictures.
    """
    found = facts.metrics.get("per_class")
    entries = found.get(key) if isinstance(found, dict) else None
    return {
        str(entry["class"]): entry[counted]
        for entry in entries or []
        if isinstance(entry, dict) and "class" in entry and isinstance(entry.get(counted), int)
    }


def confusion(facts: Facts, key: str) -> tuple[list[str], list[list[int]]] | None:
    """The classes and the counts of a split's confusion matrix, true classes down; None where there is none."""
    found = facts.metrics.get("confusion")
    content = found.get(key) if isinstance(found, dict) else None
    if not content:
        return None
    if isinstance(content, dict):
        return [str(name) for name in content["classes"]], content["matrix"]
    names = list(supports(facts, key))  # the order of the table of classes is that of a bare matrix
    return (names if len(names) == len(content) else [str(number) for number in range(len(content))]), content


def confused(
    names: list[str], matrix: list[list[int]], called: list[str] | None = None
) -> list[tuple[int, str, str, int]]:
    """Every pair of a true class and another that its samples were called, most frequent first.

    Args:
        called: what the columns stand for; the names, where it is not said.

    Returns:
        (samples, true class, called, samples of the true class).

    >>> confused(["cat", "dog"], [[8, 2], [3, 9]])
    [(3, 'dog', 'cat', 12), (2, 'cat', 'dog', 10)]
    """
    pairs = [
        (count, names[row], (called or names)[column], sum(counts))
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))


def called_names(facts: Facts, names: list[str]) -> list[str]:
    """What the columns of a confusion matrix stand for: its classes, and of things the last for what was missed."""
    return [*names[:-1], MISSED] if facts.task == "detect" else names


def interval_bounds(interval: Any) -> tuple[float, float] | None:
    """The two bounds of an interval in `metrics.json`, or None where it is not one.

    >>> interval_bounds([0.7, 0.8]), interval_bounds(None)
    ((0.7, 0.8), None)
    """
    if isinstance(interval, list) and len(interval) == 2 and all(isinstance(bound, int | float) for bound in interval):
        return interval[0], interval[1]
    return None
