"""Groups that file names and folders give away: slices of a patient, takes of a speaker, frames of a film."""

from __future__ import annotations

from striate.core.records import Label
from striate.data.naming import Named, likely_groups
from striate.data.oddities import Examined, Oddity, oddity


@oddity("hidden_groups", order=2)
def hidden_groups(examined: Examined) -> Oddity | None:
    """Names have a part that several samples share and that is not the class, where no groups are given."""
    if any(sample.group or len(sample.sources) > 1 for sample in examined.samples):
        return None  # a key of several files is no file's name
    named = [
        Named(sample.key, sample.target.name if isinstance(sample.target, Label) else None)
        for sample in examined.samples
    ]
    found = likely_groups(named)
    if found is None:
        return None
    return Oddity(
        "likely groups in the names",
        f"likely groups: {found.count:,} by {found.where}; the largest, {found.example!r}, has {found.largest:,} "
        "samples. Without them, samples of one group are trained on and tested with",
        len(named),
        found.members,
        "high",
        "if what they share is a patient, a speaker, a film or a thing, give the groups",
        f"--group '{found.pattern}'",
    )
