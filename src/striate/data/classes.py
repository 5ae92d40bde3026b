"""The classes in targets, and how many samples each has."""

from __future__ import annotations

from collections.abc import Iterable

from striate.core.records import Boxes, Dataset, Label, Labels, Sample, Target

BACKGROUNDS = frozenset({"background", "_background_", "__background__", "bg"})
"""What the class of pixels is called, in small letters, that are of nothing that is looked for."""


def target_classes(target: Target | None) -> tuple[str, ...]:
    """The classes in a target, each once; none for regression.

    >>> target_classes(Labels(("cat", "indoors")))
    ('cat', 'indoors')
    """
    if isinstance(target, Label):
        return (target.name,)
    if isinstance(target, Boxes):
        return tuple(sorted({box.label for box in target.boxes}))
    return target.names if isinstance(target, Labels) else ()


def count_classes(dataset: Dataset, samples: Iterable[Sample]) -> dict[str, int]:
    """Samples of each class of the dataset, also of those with none; empty for regression.

    A picture with three boxes of a class is one sample of it.
    """
    if dataset.task not in ("classify", "multilabel", "detect"):
        return {}
    counts = dict.fromkeys(dataset.target_names, 0)
    for sample in samples:
        for name in target_classes(sample.target):
            counts[name] = counts.get(name, 0) + 1
    return counts
