"""The figures of an audit: sizes, scale, mean and deviation, which way is up, and what the values are.

Each is the same whatever the number of workers: sums over samples are rounded once (`math.fsum`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from striate.core.records import Dataset, Label, Sample, Value
from striate.data.examination import Facts
from striate.data.orientation import orientation


def sizes(found: list[Facts]) -> dict[str, dict[str, float]]:
    if not found:
        return {}
    columns = {
        "height": np.array([one.height for one in found], np.float64),
        "width": np.array([one.width for one in found], np.float64),
        "aspect": np.array([one.width / one.height for one in found], np.float64),
    }
    return {
        name: {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}
        for name, values in columns.items()
    }


def full_scale(depth: int, low: float, high: float) -> float:
    """The value that means white in pictures of a depth, by the highest value in them.

    16 bits: the smallest 2^k − 1, k from 8 to 16, that is not exceeded, since cameras put 10, 12 or 14 bits into 16.
    Floating point: 1, 255 or 65535, whichever is the first not exceeded, else the highest value itself.

    >>> full_scale(8, 0, 16), full_scale(16, 0, 3900), full_scale(16, 0, 65000), full_scale(32, -0.5, 1.0)
    (255.0, 4095.0, 65535.0, 1.0)
    """
    if depth == 8:
        return 255.0
    if depth == 16:
        return float(next(2**bits - 1 for bits in range(8, 17) if high <= 2**bits - 1))
    largest = max(abs(low), abs(high))
    return next((scale for scale in (1.0, 255.0, 65535.0) if largest <= scale), largest)


def statistics(found: list[Facts], scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel on a 0 to 1 scale; grey beside colour counts in each channel."""
    if not found:
        return (), ()
    width = max(len(one.means) for one in found)
    used = [one for one in found if len(one.means) in (1, width)]
    mean, std = [], []
    for channel in range(width):
        firsts, seconds = [], []
        for one in used:
            index = channel if len(one.means) == width else 0
            white = 255.0 if one.depth == 8 else scale
            firsts.append(one.means[index] / white)
            seconds.append(one.squares[index] / white**2)
        average = math.fsum(firsts) / len(used)
        mean.append(average)
        std.append(math.sqrt(max(0.0, math.fsum(seconds) / len(used) - average**2)))
    return tuple(mean), tuple(std)


def orientation_of(whole: Iterable[tuple[Sample, Facts]]) -> dict[str, float]:
    """Of one picture of each group and of each set of duplicates: the others would be recognised by it."""
    seen: set[str] = set()
    alone = []
    for sample, found in whole:
        units = {found.digest} if sample.group is None else {found.digest, f"group {sample.group}"}
        if found.thumbnail is not None and not units & seen:
            alone.append((found.thumbnail, sample.target.name if isinstance(sample.target, Label) else None))
            seen |= units
    return orientation(alone)


def target_summary(dataset: Dataset, samples: list[Sample]) -> dict[str, dict[str, float]]:
    rows = [sample.target.values for sample in samples if isinstance(sample.target, Value)]
    if not rows:
        return {}
    table = np.array(rows, np.float64)
    names = dataset.target_names or tuple(str(number) for number in range(table.shape[1]))
    return {
        name: {
            "mean": float(column.mean()),
            "std": float(column.std()),
            "min": float(column.min()),
            "max": float(column.max()),
            "distinct": len(np.unique(column)),
        }
        for name, column in zip(names, table.T, strict=True)
    }


def pixel_shares(names: Sequence[str], found: Iterable[Facts]) -> dict[str, float]:
    """The share of each class in the pixels of masks, void left out; none where no pixel has a class."""
    counts = dict.fromkeys(range(len(names)), 0)
    for one in found:
        for of_class in one.mask.classes if one.mask else ():
            counts[of_class.place] += of_class.pixels
    total = sum(counts.values())
    return {names[place]: count / total for place, count in counts.items()} if total else {}


def pictures_of_class(names: Sequence[str], found: Iterable[Facts]) -> dict[str, int]:
    """In how many pictures' masks each class is found."""
    counts = dict.fromkeys(names, 0)
    for one in found:
        for of_class in one.mask.classes if one.mask else ():
            counts[names[of_class.place]] += 1
    return counts


def keys_by_size(sides: Mapping[str, tuple[int, int]]) -> dict[str, list[str]]:
    """The keys of each size, height by width, as a Run keeps them.

    >>> keys_by_size({"a": (480, 640), "b": (480, 640)})
    {'480x640': ['a', 'b']}
    """
    found: dict[str, list[str]] = {}
    for key, (height, width) in sides.items():
        found.setdefault(f"{height}x{width}", []).append(key)
    return found


def sides_of_keys(found: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """What `keys_by_size` was made of.

    >>> sides_of_keys({"480x640": ["a", "b"]})
    {'a': (480, 640), 'b': (480, 640)}
    """
    sizes = {size: tuple(map(int, size.split("x"))) for size in found}
    return {key: (sizes[size][0], sizes[size][1]) for size, keys in found.items() for key in keys}
