"""A division by time: the latest samples are the test, those before them validate, and what is earlier is learnt from.

So a score says what tomorrow will bring, where days differ. A unit goes by its latest sample, and samples of one time
are never parted; of a unit that is held out, what is no later than what is learnt from is left out. So nothing is
learnt from that came after what is tested began.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from striate.core.errors import DataError
from striate.core.records import SPLITS, Dataset, Sample
from striate.core.wording import some

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMATS = ("%Y:%m:%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S")


def read_time(text: str) -> float | None:
    """Seconds since 1970 of a time as people and cameras write it; None of a text that is none.

    A number stands for itself, whatever it counts. Dates are ISO 8601, year first with slashes or colons, or day first
    with dots; those with slashes and the day or the month first could be either, and are not read.

    >>> read_time("1970-01-02"), read_time("1970:01:01 00:01:00"), read_time("12.5"), read_time("02.01.1970")
    (86400.0, 60.0, 12.5, 86400.0)
    >>> read_time("01/02/1970") is None, read_time("nan") is None
    (True, True)
    """
    text = text.strip()
    number = number_of(text)
    if number is not None:
        return number if np.isfinite(number) else None
    found = _date(text)
    if found is None:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def number_of(text: str) -> float | None:
    """The number that a text is; None of one that is none, such as a date."""
    try:
        return float(text)
    except ValueError:
        return None  # a date, or nothing: asked next


def _date(text: str) -> datetime | None:
    for form in (None, *_FORMATS):
        try:
            return datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)
        except ValueError:
            continue  # it may be of another form
    return None


def goes_by_time(dataset: Dataset, held: Collection[str]) -> bool:
    """Whether a division goes by time: samples have one, and something is left to be divided.

    Args:
        held: the splits that are given.
    """
    return not {"val", "test"} <= {*held} and any(sample.time is not None for sample in dataset.samples)


def deal_by_time(pool: Sequence[Sequence[Sample]], shares: tuple[float, float, float], path: str) -> list[str]:
    """The split of each unit.

    Args:
        pool: units; each sample has a time.
        shares: of train, val and test; a share of 0 gets nothing.
        path: of the data, for messages.

    Raises:
        DataError: samples have no time, or all units have the same.

    >>> units = [[Sample(str(day), (), time=float(day))] for day in range(10)]
    >>> deal_by_time(units, (0.6, 0.2, 0.2), "data")
    ['train', 'train', 'train', 'train', 'train', 'train', 'val', 'val', 'test', 'test']
    """
    without = [sample.key for unit in pool for sample in unit if sample.time is None]
    if without:
        count = sum(map(len, pool))
        raise DataError(
            f"{len(without):,} of {count:,} samples have no time, and others have: {some(without)}"
            if len(without) < count
            else f"none of the {count:,} samples of {path} that are to be divided has a time; those of a given split "
            "have",
            fix="give each a time, in a table's column say; or leave them out, or --time",
        )
    if len(pool) < 2:
        return ["train"] * len(pool)  # what is said of so few has nothing to do with times
    latest = np.array([max(sample.time or 0.0 for sample in unit) for unit in pool])
    sizes = np.array([len(unit) for unit in pool])
    times, place = np.unique(latest, return_inverse=True)
    if len(times) < 2:
        told = written(float(latest[0]), latest) if len(latest) else "none"
        raise DataError(
            f"the {int(sizes.sum()):,} samples of {path} that are to be divided all have the time {told} (what stays "
            "together goes by its latest sample): it divides nothing",
            fix="give another column with --time, or leave it out",
        )
    ends = np.cumsum(np.bincount(place, weights=sizes))  # samples up to each time
    used = [(split, share) for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    bounds, before, wanted = [], 0, 0.0
    for number, (_, share) in enumerate(used[:-1]):
        wanted += share * float(ends[-1])
        left = len(used) - 1 - number  # each part after this one needs a time of its own, while there are any
        last = max(before + 1, len(times) - left)
        candidates = np.arange(before + 1, min(last, len(times) - 1) + 1)
        if not len(candidates):
            candidates = np.array([before])
        before = int(candidates[np.abs(ends[candidates - 1] - wanted).argmin()])
        bounds.append(before)
    if len(times) < len(used):  # two times for three parts: those that validate are the ones to do without
        bounds = [1] * len(bounds)
    return [used[int(np.searchsorted(bounds, one, side="right"))][0] for one in place]


def came_before(pool: Sequence[Sequence[Sample]], places: Sequence[str]) -> dict[str, str]:
    """By key, why held-out samples are left out: they are no later than something that is learnt from or validates.

    Args:
        pool: units; each sample has a time.
        places: the split of each unit, as `deal_by_time` finds it.

    >>> units = [[Sample("a", (), time=1.0), Sample("d", (), time=4.0)], [Sample("b", (), time=2.0)]]
    >>> came_before(units, ["test", "train"])
    {'a': 'what is learnt from is as late as it or later; it stays with d, which is held out'}
    """
    reasons: dict[str, str] = {}
    cut = -np.inf
    for split in SPLITS:
        units = [unit for unit, place in zip(pool, places, strict=True) if place == split]
        for unit in units:
            last = max(unit, key=lambda sample: sample.time or 0.0)
            for sample in unit:
                if (sample.time or 0.0) <= cut:
                    why = f"what is learnt from is as late as it or later; it stays with {last.key}, which is held out"
                    reasons[sample.key] = why
        cut = max([cut, *(sample.time or 0.0 for unit in units for sample in unit)])
    return reasons


def periods(samples: Sequence[Sample], fates: Mapping[str, str]) -> str:
    """From when to when each split is, in words."""
    known = np.array([sample.time for sample in samples if sample.time is not None])
    parts = []
    for split in SPLITS:
        times = [sample.time for sample in samples if fates.get(sample.key) == split and sample.time is not None]
        if times:
            first, last = written(min(times), known), written(max(times), known)
            parts.append(f"{split} {first}" + (f" to {last}" if last != first else ""))
    return ", ".join(parts)


def written(time: float, among: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """A time as a date, or as the number that it is where such times could be no dates of pictures.

    >>> written(86400.0 * 365 * 40, [86400.0 * 365 * 40]), written(20260301.0, [20260301.0]), written(0.5, [3.0, 0.5])
    ('2009-12-22', '20260301', '0.5')
    """
    least, most = float(min(among)), float(max(among))
    if max(abs(least), abs(most)) < _DATES[0] or most > _DATES[1] or least < _FIRST:
        return str(int(time)) if time == int(time) else str(time)
    date = _EPOCH + timedelta(seconds=time)
    return (
        date.date().isoformat()
        if date == date.replace(hour=0, minute=0, second=0, microsecond=0)
        else (date.replace(tzinfo=None).isoformat(" ", "seconds"))
    )


_DATES = 3e7, 2.5e11
"""Numbers below and above count something else than seconds since 1970."""
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
"""No date comes before the year 1."""
