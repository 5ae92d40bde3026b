"""What an audit found that cannot be trained on, each refused with what to do."""

from __future__ import annotations

import math

from striate.core.errors import DataError
from striate.core.records import Boxes, Dataset, Sample, Value
from striate.core.wording import SHOWN, plural, some
from striate.data.audit import DAMAGE_LIMIT, Audit


def check_audit(audit: Audit, dataset: Dataset, limit: float = DAMAGE_LIMIT) -> None:
    """Refuse data that cannot be trained on.

    Args:
        limit: the share of damaged samples above which training stops.

    Raises:
        DataError: nothing there, all or too many damaged, targets missing or not finite, fewer than two classes, a
            class with fewer than two samples, a constant target, or channels that do not fit together.
    """
    if not audit.samples:
        raise DataError(f"{dataset.path} holds no pictures", fix="name a folder that has a subfolder for each class")
    _check_damage(audit, limit)
    out = {one.key for one in audit.quarantined}
    samples = [sample for sample in dataset.samples if sample.key not in out]
    _check_targets(dataset, samples)
    if dataset.task in ("classify", "multilabel"):
        _check_classes(audit, dataset)
    elif dataset.task == "segment":
        _check_masks(audit)
    elif audit.target_summary and all(one["distinct"] < 2 for one in audit.target_summary.values()):
        raise DataError(
            f"every sample has the same target, {next(iter(audit.target_summary.values()))['min']:g}: there is nothing "
            "to learn",
            fix="check that the right column is the target",
        )
    if len(audit.channels) > 1 and set(audit.channels) != {"1", "3"}:
        found = ", ".join(f"{count:,} with {number}" for number, count in audit.channels.items())
        raise DataError(
            f"pictures differ in channels beyond grey and colour: {found}; one network takes one number of channels",
            fix="separate them, or bring them to one number of channels",
        )


def _check_damage(audit: Audit, limit: float) -> None:
    damaged = audit.quarantined
    if len(damaged) <= limit * audit.samples and len(damaged) < audit.samples:
        return
    shown = "; ".join(f"{one.key}: {one.reason}" for one in damaged[:SHOWN])
    more = f"; and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
    if len(damaged) == audit.samples:
        raise DataError(
            f"none of the {audit.samples} samples can be decoded: {shown}{more}",
            fix="check that these are whole pictures and that you may read them",
        )
    raise DataError(
        f"{len(damaged)} of {audit.samples} samples are damaged ({len(damaged) / audit.samples:.1%}, allowed are "
        f"{limit:.1%}): {shown}{more}",
        fix="`striate audit DATA` lists them all; repair or remove them, or raise the limit with "
        "`--set split.damage_limit=…`",
    )


def _check_targets(dataset: Dataset, samples: list[Sample]) -> None:
    without = [sample.key for sample in samples if sample.target is None]
    if dataset.task == "detect":
        if not any(isinstance(sample.target, Boxes) and sample.target.boxes for sample in samples):
            raise DataError(
                f"there is no box in any of {len(samples)} pictures", fix="check that annotations are where they belong"
            )
        return
    if dataset.task is None or without:
        named = f", such as {without[0]}" if without else ""
        raise DataError(
            f"{len(without) or len(samples)} of {len(samples)} samples have no target{named}",
            fix="put pictures into a folder for each class, or name a table with a target column",
        )
    odd = [
        sample.key
        for sample in samples
        if isinstance(sample.target, Value) and not all(math.isfinite(value) for value in sample.target.values)
    ]
    if odd:
        raise DataError(
            f"{plural(len(odd), 'sample has', 'samples have')} a target that is not a finite number: {some(odd)}",
            fix="fill in or remove these rows",
        )


def _check_masks(audit: Audit) -> None:
    present = [name for name, share in audit.pixel_shares.items() if share]
    if len(present) < 2:
        found = (
            f"all pixels of the training masks are {present[0]!r}" if present else "no pixel of the masks has a class"
        )
        raise DataError(
            f"{found}: telling classes apart takes at least two",
            fix="check that these are the right masks, and what their values stand for",
        )


def _check_classes(audit: Audit, dataset: Dataset) -> None:
    present = [name for name, count in audit.classes.items() if count]
    lost = [name for name, count in audit.classes.items() if not count]
    if lost:
        raise DataError(
            f"no undamaged sample is left of {some(lost)}", fix="repair or remove these classes and their files"
        )
    if len(present) < 2 and dataset.task == "classify":
        raise DataError(
            f"there is one class only, {present[0]!r}: telling classes apart takes at least two",
            fix="name the folder that holds one subfolder for each class; for numbers, use `--task regress`",
        )
    single = [name for name, count in audit.classes.items() if count < 2]
    if single:
        raise DataError(
            f"{plural(len(single), 'class has', 'classes have')} one sample only: {some(single)}; at least two are "
            "needed, to train and to test",
            fix="add samples to them, or remove them",
        )
