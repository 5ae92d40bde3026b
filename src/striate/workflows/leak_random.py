"""What a random split would have said, where samples belong together: divisions that tear units, and that keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Sample
from striate.core.seeds import permutation
from striate.core.wording import plural
from striate.data.dealing import strata_of
from striate.data.split import units_of_samples
from striate.evaluate.labels import folds_of
from striate.evaluate.leaks import parts, seconds_of_parts, torn
from striate.train.ridge import OutOfFold
from striate.workflows.label_free import LEAST, LabelFree, left_until
from striate.workflows.leak_drawn import places_within
from striate.workflows.leak_words import cut, figures, headline, sentence
from striate.workflows.materials import Materials

DIVISIONS, FOLDS, MOST = 10, 5, 2000
"""Divisions, parts of each, and samples that are divided, at most."""
LEAST_TIED, LEAST_SHARE = 10, 0.01
"""Samples that belong with others, and as a share, below which tearing them apart moves no score that could be told."""
_IN_A_UNIT = 10
"""One in so many samples, at most, are of one unit: a larger one is thinned, or parts would be uneven."""


def judged_samples(materials: Materials) -> list[Sample]:
    """The samples that a random split would have divided: none where the data itself gives the test.

    Of data that a split file divides, what the data gives is not looked at.
    """
    if materials.plan["split.file"] is None and "test" in materials.prepared.dataset.given_splits:
        return []
    return [sample for part in materials.samples.values() for sample in part if sample.weight]


def too_few_tied(pool: Sequence[Sample], materials: Materials) -> str | None:
    """Why tearing units apart is not looked at, in a sentence; None where it is."""
    none = "." if timed(materials) else ": there is no leak to measure."
    if not pool:
        return f"The given test shares no picture or group with training{none}"
    units = units_of_samples(pool, materials.prepared.audit)
    tied = _tied(units)
    if not tied:
        return f"No two samples are known to belong together{none}"
    if tied < max(LEAST_TIED, LEAST_SHARE * len(pool)):
        return f"Of {len(pool):,} samples {tied:,} belong with others: too few to move the score of a random split."
    if units.max() + 1 < 2 * FOLDS:
        return f"The samples are in {units.max() + 1} units: too few to hold a leak against."
    return None


def timed(materials: Materials) -> bool:
    """Whether samples have a time, by which a division leaks too; what that is worth is not looked at."""
    return any(sample.time is not None for part in materials.samples.values() for sample in part)


def random_leak(materials: Materials, pool: Sequence[Sample], look: LabelFree, ends: float | None) -> dict[str, Any]:
    """The score that a random split would have said, and that of the same with units whole.

    Args:
        pool: what is divided.
        ends: of `time.perf_counter`, when it should be done; None where time is not short.

    Returns:
        plain values, with `parts`: of all samples, of those that belong with others and of the rest; `words` alone
        where it cannot be told.
    """
    seed, audit, task = materials.plan["train.seed"], materials.prepared.audit, materials.task
    known = [pool[place] for place in in_two_units(units_of_samples(pool, audit), strata(pool), task.kind)]
    if len(known) < min(LEAST, len(pool)):
        return {"words": "What a random split would have said is not told: most classes are of one unit each."}
    name, metric = headline(task, materials.plan["train.metric"])
    most, left = min(MOST, len(known)), left_until(ends)
    more = seconds_of_parts(metric, task.encode(known[:1]).shape[1], DIVISIONS) if left else 0.0
    count = look.carried(known, most, left_until(ends), fits=2, more=more)
    short = f", and time carries {count} of {len(known):,}" if count < most else ""
    looked_at = [known[place] for place in whole_units(units_of_samples(known, audit), count, seed)]
    several = in_two_units(units_of_samples(looked_at, audit), strata(looked_at), task.kind)
    samples = [looked_at[place] for place in several]  # of some classes the cut has left one unit
    units = units_of_samples(samples, audit)
    if len(samples) < min(LEAST, len(known)) or not _tied(units) or units.max() + 1 < 2 * FOLDS:
        return {"words": f"What a random split would have said is not told: {len(samples)} samples are too few{short}."}
    targets, whole = task.encode(samples).double().numpy(), divisions(units, strata(samples), seed)
    heads = OutOfFold(look(samples), targets)
    with_leak, light = heads.best([torn_one(one, samples, seed, number) for number, one in enumerate(whole)])
    without, strong = heads.best(whole)
    among = np.bincount(units)[units] > 1
    found = parts(metric, list(with_leak), list(without), targets, among, units=units, seed=seed)
    one = found["all"]
    tied = int((np.bincount(units) > 1).sum())
    beside = f" {_tied(units):,} of {len(samples):,} samples are in {plural(tied, 'unit', 'units')} of several."
    gone = len(pool) - len(known) + len(looked_at) - len(samples)
    alone = f" {plural(gone, 'sample', 'samples')} of classes of one unit are left out." if gone else ""
    return {
        **figures(name, one),
        "samples": len(samples),
        "units": int(units.max()) + 1,
        "tied": _tied(units),
        "divisions": DIVISIONS,
        "folds": FOLDS,
        "penalties": {"with": light, "without": strong},
        "parts": {part: figures(name, each) for part, each in found.items()},
        "words": sentence(look.words, "a random split would have said", name, one)
        + beside
        + alone
        + cut(len(looked_at), len(known)),
    }


def _tied(units: NDArray[np.int64]) -> int:
    """Samples in units of several."""
    return int((np.bincount(units)[units] > 1).sum())


def strata(samples: Sequence[Sample]) -> list[str]:
    """What each sample is of: its class, its rarest label, or the range of its values."""
    each = strata_of([[sample] for sample in samples])
    totals = Counter(name for names in each for name in names)
    return [min(names, key=lambda name: (totals[name], name), default="") for names in each]


def in_two_units(units: NDArray[np.int64], classes: Sequence[str], kind: str) -> NDArray[np.int64]:
    """The places of the samples whose class stands in two units or more: of another, heads of whole units know nothing.

    >>> in_two_units(np.array([0, 0, 1, 2]), ["a", "a", "b", "b"], "label").tolist()
    [2, 3]
    """
    if kind != "label":
        return np.arange(len(units))
    held = Counter(name for name, _ in set(zip(classes, units.tolist(), strict=True)))
    return np.flatnonzero([held[name] > 1 for name in classes])


def whole_units(units: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """The places of at most so many samples: whole units in a random order, but for what is beyond a tenth.

    >>> found = whole_units(np.repeat(np.arange(50), 2), 31, seed=0)
    >>> len(found), bool((found[::2] + 1 == found[1::2]).all())
    (30, True)
    """
    order = permutation(len(units), seed, "leak samples")
    order = order[np.argsort(permutation(int(units.max()) + 1, seed, "leak units")[units[order]], kind="stable")]
    numbers = units[order]
    order = order[places_within(numbers) < max(1, count // _IN_A_UNIT)]
    numbers = units[order]
    ends = np.flatnonzero(np.diff(numbers, append=-1)) + 1
    last = int(ends[ends <= count].max(initial=0))
    return np.sort(order[:last])


def divisions(units: NDArray[np.int64], classes: Sequence[str], seed: int) -> list[NDArray[np.int64]]:
    """Divisions of samples into parts, with units whole and those of a class spread evenly."""
    numbers = np.unique(np.array(classes), return_inverse=True)[1].astype(np.int64)
    most = int(units.max()) + 1
    return [
        folds_of(numbers, units, FOLDS, permutation(most, seed, "leak folds", number)) for number in range(DIVISIONS)
    ]


def torn_one(whole: NDArray[np.int64], samples: Sequence[Sample], seed: int, number: int) -> NDArray[np.int64]:
    """The same division with its units torn, see `torn`."""
    return torn(whole, strata(samples), permutation(len(samples), seed, "leak torn", number))
