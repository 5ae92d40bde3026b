"""Pictures without a mask, and masks without a picture: left out, and worth a look."""

from __future__ import annotations

from striate.core.wording import plural, some
from striate.data.oddities import Examined, Oddity, oddity

MANY = 0.05
"""Share of the pictures with masks from which on it is no slip."""


@oddity("unpaired", order=1)
def unpaired(examined: Examined) -> Oddity | None:
    """A picture has no mask, or a mask no picture."""
    if not examined.unpaired:
        return None
    lacking: dict[str, list[str]] = {}
    for name, what in sorted(examined.unpaired.items()):
        lacking.setdefault(what, []).append(name)
    count = len(examined.unpaired)
    return Oddity(
        "missing masks",
        "; ".join(
            f"{plural(len(names), 'file has', 'files have')} {what}: {some(names)}" for what, names in lacking.items()
        ),
        count,
        (),
        "medium" if count > MANY * len(examined.samples) else "low",
        "give each picture a mask of its stem, or put pictures that have none into unlabelled/",
    )
