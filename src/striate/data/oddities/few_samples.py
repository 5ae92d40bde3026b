"""Classes with too few samples to learn or to judge, or with none in a split that the data gives."""

from __future__ import annotations

from collections import Counter

from striate.core.wording import plural, some
from striate.data.classes import target_classes
from striate.data.oddities import Examined, Oddity, oddity

FEW = 20
"""Samples of a class below which its share of a test, a fifth, is three or fewer."""


@oddity("few_samples", order=2)
def few_samples(examined: Examined) -> Oddity | None:
    """A class has fewer than 20 samples, or none in a given split where others have some."""
    classes = {name: count for name, count in examined.classes.items() if count}
    if not classes:
        return None
    few = sorted((name for name, count in classes.items() if count < FEW), key=lambda name: (classes[name], name))
    splits: dict[str, Counter[str]] = {split: Counter() for split in sorted(examined.given)}
    for sample in examined.samples:
        splits.setdefault(sample.split or "train", Counter()).update(target_classes(sample.target))
    absent = [(split, name) for split, counts in splits.items() if counts for name in classes if not counts[name]]
    if not few and not absent:
        return None
    words = []
    if few:
        named = some([f"{name} ({classes[name]})" for name in few])
        words.append(f"{plural(len(few), 'class has', 'classes have')} fewer than {FEW} samples: {named}")
    if absent and len(splits) > 1:
        named = some([f"{name} in {split}" for split, name in absent])
        words.append(f"missing from a given split: {named}")
    if not words:
        return None
    told = {*few, *(name for _, name in absent)}
    rare = [sample for sample in examined.samples if told.intersection(target_classes(sample.target))]
    rare.sort(key=lambda one: (min(classes[name] for name in told.intersection(target_classes(one.target))), one.key))
    return Oddity(
        "few samples of a class",
        "; ".join(words),
        len(rare),
        tuple(sample.key for sample in rare[:1]),
        "high" if absent else "medium",
        "add samples of these classes, or leave them out: what is learnt and said of them is up to chance",
    )
