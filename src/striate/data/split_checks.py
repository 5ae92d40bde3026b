"""Whether a division of the samples can be trained and tested with; and the classes of each side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from striate.core.errors import DataError
from striate.core.records import SPLITS, Dataset, Sample
from striate.core.wording import plural, some
from striate.data.chained import REMEDY, Chains
from striate.data.classes import target_classes

FATES = (*SPLITS, "quarantined", "excluded")


def classes_by_fate(samples: Iterable[Sample], fates: Mapping[str, str]) -> dict[str, set[str]]:
    """The classes in each split."""
    found: dict[str, set[str]] = {fate: set() for fate in FATES}
    for sample in samples:
        found[fates[sample.key]].update(target_classes(sample.target))
    return found


def check_split(
    dataset: Dataset,
    samples: Sequence[Sample],
    fates: Mapping[str, str],
    reasons: Mapping[str, str],
    classes: Mapping[str, set[str]],
    chained: Chains,
    *,
    contiguous: bool = False,
) -> None:
    """Raise what a division cannot be trained or tested with.

    Args:
        fates, reasons: by key, what became of a sample, and why.
        classes: by fate, see `classes_by_fate`.
        chained: what near-duplicates joined.
        contiguous: whether samples were divided in the order of their names, which may part the classes.

    Raises:
        DataError: nothing is left to train on or to test with, or a held-out class has no training sample.
    """
    counts = Counter(fates.values())
    near = [key for key, fate in fates.items() if fate == "excluded" and "near-duplicate" in reasons.get(key, "")]
    for split, purpose in (("train", "to train on"), ("test", "to test with")):
        if not counts[split]:
            also = f"; {chained}" if chained.joined else ""
            also += f"; {len(near)} are near-duplicates of held-out ones" if near else ""
            usable = len(samples) - counts["excluded"] - counts["quarantined"]
            told = "samples that are equal or of one group stay together: add others, or check the groups"
            if usable < 2 and not dataset.given_splits:
                told = "give two samples at least, better ten of each class: one part is learnt from, another tests"
            elif dataset.given_splits:
                told = "check the given splits: what equals held-out samples, or is of their group, is not trained on"
            raise DataError(
                f"of {plural(len(samples), 'sample', 'samples')} none is left {purpose}: {counts['excluded']} are "
                f"excluded, {counts['quarantined']} quarantined{also}",
                fix=REMEDY if also else told,
            )
    for split in ("test", "val"):
        unknown = sorted(classes[split] - classes["train"])
        if unknown:
            theirs = {one.key for one in samples if not {*unknown}.isdisjoint(target_classes(one.target))}
            excluded, alike = sum(fates[key] == "excluded" for key in theirs), len(theirs.intersection(near))
            also = f", {alike} of them as near-duplicates of held-out ones" if alike else ""
            also = f" ({excluded} of their samples were excluded{also})" if excluded else ""
            told = "check the names of the class folders, or add training samples of them"
            if contiguous:
                told = "the order of the names parts the classes: leave out `--set split.order=contiguous`"
            elif any(sample.time is not None for sample in samples):
                told = "what came later cannot be known: leave these classes out, or leave --time out"
            raise DataError(
                f"the {split} split has classes that training does not know: {some(unknown)}{also}",
                fix=REMEDY if alike else told,
            )
