"""What an audit finds and says of near-duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from striate.core.records import Boxes, Mask, Sample, Target
from striate.core.wording import plural
from striate.data.examination import Facts
from striate.data.likeness import SMALLEST
from striate.data.near import SECONDS, gather, limit, search

PICTURED = 50
"""Pairs that an audit names with their similarity, to be looked at."""

_PREFIX = "near_"
_FAR = "Near-duplicates (recompressed, resized or cropped copies) were not searched for"


@dataclass(frozen=True)
class Near:
    """Pictures that are alike but for compression, size, brightness or margin, or that were taken twice.

    Args:
        duplicates: groups of keys; equal pictures are in them with their like, and never alone.
        conflicts: those of the groups whose targets differ.
        pairs: at most 50 of the confirmed ones, as {"one", "other", "similarity"}: those with different targets, or in
            different given splits, first, and then the least alike.
        pairs_found: all that were confirmed.
        pairs_parted: those of them that no group holds together, since it would grow too large.
        skipped: pictures that were not compared, as too small or of one shade.
        missed: pictures that had not been compared when time ran out.
        asked: whether near-duplicates were to be searched for.
        compared: pictures that were compared with the others; of equal ones, one.
    """

    duplicates: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    pairs: tuple[dict[str, Any], ...] = ()
    pairs_found: int = 0
    pairs_parted: int = 0
    skipped: int = 0
    missed: int = 0
    asked: bool = False
    compared: int = 0

    @property
    def checked(self) -> bool:
        """Whether all pictures that can be compared were."""
        return self.asked and not self.missed and self.compared > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, each name with "near_" before it."""
        content = {f"{_PREFIX}{name}": value for name, value in asdict(self).items()}
        for name in ("duplicates", "conflicts"):
            content[_PREFIX + name] = [list(group) for group in content[_PREFIX + name]]
        content[_PREFIX + "pairs"] = list(content[_PREFIX + "pairs"])
        return content | {"near_duplicates_checked": self.checked}

    @classmethod
    def take(cls, content: dict[str, Any]) -> Near:
        """What `to_dict` wrote, taken out of the content; older audits have none of it."""
        content.pop("near_duplicates_checked", None)
        found = {name.removeprefix(_PREFIX): content.pop(name) for name in list(content) if name.startswith(_PREFIX)}
        for name in ("duplicates", "conflicts"):
            found[name] = tuple(tuple(group) for group in found.get(name, ()))
        return cls(**{**found, "pairs": tuple(found.get("pairs", ()))})

    def unchecked(self) -> list[str]:
        """Sentences that say what was not looked at."""
        if not self.asked:
            return [f"{_FAR}; exact ones were."]
        if not self.compared and not self.missed:
            return [f"{_FAR}, since the pictures are below {SMALLEST} px or of one shade; exact ones were."]
        sentences = []
        if self.missed:
            sentences.append(
                f"Near-duplicates: {plural(self.missed, 'picture was', 'pictures were')} not compared with the others "
                "when their time had passed."
            )
        if self.skipped:
            sentences.append(
                f"{plural(self.skipped, 'picture', 'pictures')} below {SMALLEST} px or of one shade could not be "
                "compared: near-duplicates among them are not known."
            )
        return sentences

    def remarks(self) -> Iterable[str]:
        """Sentences for the user."""
        if self.duplicates:
            count = sum(len(group) for group in self.duplicates)
            yield (
                f"{count:,} samples are in {plural(len(self.duplicates), 'group', 'groups')} of near-duplicates "
                "(recompressed, resized or cropped copies, or one thing taken twice); a group never straddles a split."
            )
        if self.conflicts:
            yield (
                f"{plural(len(self.conflicts), 'group of near-duplicates has', 'groups of near-duplicates have')} "
                f"different targets, such as {' and '.join(self.conflicts[0][:2])}: look at them, a label may be wrong."
            )
        if self.pairs_parted:
            yield (
                f"{plural(self.pairs_parted, 'pair', 'pairs')} of near-duplicates may stand on both sides of a split: "
                "their group would have grown too large. If many pictures show one thing, give groups (`--group`)."
            )
        yield from self.unchecked()


def near_duplicates(
    whole: Sequence[tuple[Sample, Facts]],
    splits: Mapping[str, str],
    *,
    left_out: Collection[str] = (),
    seconds: float | None = SECONDS,
) -> Near:
    """Search the pictures of an audit for near-duplicates.

    Args:
        whole: the samples that are not damaged, by key.
        splits: by key, the split that the data gives.
        left_out: keys of samples that the user leaves out: their targets are in no conflict.
        seconds: see `striate.data.near.search`.
    """
    equal: dict[str, list[Sample]] = defaultdict(list)
    facts: list[Facts] = []
    for sample, found in whole:
        if found.miniature is not None and found.digest not in equal:
            facts.append(found)
        equal[found.digest].append(sample)
    stack = np.stack([found.miniature for found in facts if found.miniature is not None]) if facts else _none()
    sides = np.array([min(found.height, found.width) for found in facts], np.int64)
    result = search(stack, sides, seconds=seconds)
    clusters, parted = gather(result.pairs, limit(len(facts)))
    members = [[sample for place in cluster for sample in equal[facts[place].digest]] for cluster in clusters]
    groups = sorted((sorted(group, key=_key) for group in members), key=lambda group: group[0].key)

    def doubt(row: tuple[Sample, Sample, float]) -> tuple[bool, float, str, str]:
        one, other, similarity = row
        same = _label(one) == _label(other) and splits[one.key] == splits[other.key]
        return same, similarity, one.key, other.key

    first = [equal[found.digest][0] for found in facts]
    rows = sorted(((first[pair.one], first[pair.other], pair.similarity) for pair in result.pairs), key=doubt)
    return Near(
        duplicates=tuple(tuple(sample.key for sample in group) for group in groups),
        conflicts=tuple(
            tuple(sample.key for sample in kept)
            for kept in ([sample for sample in group if sample.key not in left_out] for group in groups)
            if len({_label(sample) for sample in kept}) > 1
        ),
        pairs=tuple(
            {"one": one.key, "other": other.key, "similarity": round(value, 3)} for one, other, value in rows[:PICTURED]
        ),
        pairs_found=len(result.pairs),
        pairs_parted=parted,
        skipped=sum(found.miniature is None for _, found in whole),
        missed=len(facts) - result.compared,
        asked=True,
        compared=result.compared,
    )


def _key(sample: Sample) -> str:
    return sample.key


def _label(sample: Sample) -> Target | None:
    """What near-equal pictures must agree in; masks and boxes differ as the pictures do."""
    return None if isinstance(sample.target, Mask | Boxes) else sample.target


def _none() -> Any:
    return np.zeros((0, 32, 32), np.uint8)
