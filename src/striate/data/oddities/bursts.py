"""Pictures taken within seconds of one another by one camera, by the time in their files."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from striate.core.records import Label, Target
from striate.data.oddities import Examined, Oddity, oddity, worst

SECONDS = 10.0
"""Between a picture and the next of its burst."""
SHARE = 0.05
"""Of the pictures with a time, those in bursts at least; hardly a set has none."""


@oddity("bursts", order=3)
def bursts(examined: Examined) -> Oddity | None:
    """Of the pictures with a time, a twentieth was taken within ten seconds of another, by one camera, of one class."""
    if any(sample.group for sample in examined.samples):
        return None
    shots: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for number, (sample, one) in enumerate(zip(examined.samples, examined.facts, strict=True)):
        when = _time(one.taken)
        if when is not None:
            shots.setdefault((one.camera, _named(sample.target)), []).append((when, number))
    timed = sum(map(len, shots.values()))
    found: list[list[int]] = []
    for taken in shots.values():
        taken.sort()
        burst = [taken[0][1]]
        for (before, _), (when, number) in pairwise(taken):
            if (when - before).total_seconds() > SECONDS:
                found.append(burst)
                burst = []
            burst.append(number)
        found.append(burst)
    found = sorted((burst for burst in found if len(burst) > 1), key=lambda burst: (-len(burst), burst[0]))
    count = sum(map(len, found))
    if not found or count < SHARE * timed or len(found) < 2 or 2 * len(found) > timed:
        return None
    cameras = len({camera for camera, _ in shots if camera})
    by = f" by {cameras} cameras" if cameras > 1 else ""
    return Oddity(
        "bursts of pictures",
        f"likely groups: {len(found):,} bursts, in which {count:,} of {timed:,} pictures with a time were taken{by}, "
        f"each within {SECONDS:.0f} s of the one before; the largest has {len(found[0]):,}",
        count,
        worst(examined.keys(found[0])),
        "medium",
        "if they show the same thing, list the pictures in a table with a column that names the burst, and give it",
        "--group burst",
    )


def _time(text: str) -> datetime | None:
    """EXIF's time; None of what is none."""
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:  # no time: a camera whose clock was never set writes zeros
        return None


def _named(target: Target | None) -> str:
    return target.name if isinstance(target, Label) else ""
