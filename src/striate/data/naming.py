"""Likely groups in file names: a part that several samples share, that is not their class, and beside which they count.

`patient12_slice004.png`, `IMG_2041_03.jpg`, `3_theo_17.wav` and `bike/clip7/0012.png` each name a group. Names with a
number per class (`cat_0012`), with an identity per picture (`446296270_d9e8b93ecf`) or with words that describe do not.
Every pattern that is offered fits all names, as `--group` demands.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from striate.core.errors import DataError
from striate.data.readers._groups import groups_of

MOST = 0.5
"""Groups, at most, as a share of the samples: two to a group in the mean."""
FEWEST = 3
ENOUGH = 10
"""Groups from which on a coarser part is preferred: a patient to his studies."""

_SPARSE = 3.0  # of the numbers that a group's samples span, one in so many at least is there
_FINE, _COARSE = r"[A-Za-z]+|\d+|[^A-Za-z\d]+", r"[^_\-. ]+|[_\-. ]+"
_DATE = re.compile(r"(19|20)\d\d([-_.]?)[01]\d\2[0-3]\d")
_PLAIN = re.compile(r"(?P<group>[^/]+)[_\- ]\(?\d{1,6}\)?\.\w+$")
_PLAIN_TEXT = _PLAIN.pattern


class Named(NamedTuple):
    """A sample's key, and its class where it has one."""

    key: str
    label: str | None


@dataclass(frozen=True)
class LikelyGroups:
    """A pattern by which names fall into groups.

    Args:
        pattern: as `--group` takes it.
        where: what of the names it is, in words.
        count: groups.
        example: the name of the largest.
        largest: samples of the largest.
        members: keys of the first few of these.
    """

    pattern: str
    where: str
    count: int
    example: str
    largest: int
    members: tuple[str, ...]


class _Field(NamedTuple):
    """A part of all names: its values, its place in the template, and what counts in a group."""

    values: Sequence[str]
    template: str
    where: str


def likely_groups(named: Sequence[Named]) -> LikelyGroups | None:
    """The most likely groups, or None where no part of the names is plausible.

    >>> names = [Named(f"{n % 2}/p{n // 6}_s{n % 6}.png", str(n % 2)) for n in range(60)]
    >>> found = likely_groups(names)
    >>> found.pattern, found.count
    ('p{group}_s{b}', 10)
    """
    if len(named) < 2 * FEWEST:
        return None
    split = [_parts(one.key) for one in named]
    stems = [stem for _, stem in split]
    if all(_DATE.search(stem) for stem in stems):
        return None  # parts of a date are shared and counted by nature; who took what is in the files
    for columns in (_columns(stems, _FINE), _columns(stems, _COARSE)):
        fields = _fields(named, columns) if columns else []
        plausible = [field for field in fields if _shared(named, field.values) and _fits(named, field)]
        if plausible:
            return _told(named, _chosen(plausible))
    return _by_folder(named, [folder for folder, _ in split]) or _by_prefix(named)


def _parts(key: str) -> tuple[str, str]:
    """The folder right above a file, and its name without the last suffix."""
    *folders, name = key.split("/")
    stem, dot, _ = name.rpartition(".")
    return folders[-1] if folders else "", stem if dot and stem else name


def _columns(stems: Sequence[str], expression: str) -> list[list[str]]:
    """The parts of all names, one list to a place; empty where names differ in how many or in what separates them."""
    cut = [re.findall(expression, stem) for stem in stems]
    if len({len(one) for one in cut}) != 1 or any("".join(one) != stem for one, stem in zip(cut, stems, strict=True)):
        return []
    columns = [list(column) for column in zip(*cut, strict=True)]
    for column in columns:
        if len({_kind(part) for part in column}) > 1 and expression == _FINE:
            return []
        if not any(part[0].isalnum() for part in column) and len(set(column)) > 1:
            return []
    return columns


def _kind(part: str) -> str:
    return "number" if part.isdigit() else "word" if part.isalnum() else "between"


def _fields(named: Sequence[Named], columns: Sequence[Sequence[str]]) -> list[_Field]:
    """Parts that vary and that a later part counts, each with the template that makes it the group.

    Neighbours with nothing between are one part.
    """
    merged: list[tuple[bool, list[str]]] = []
    for column in columns:
        varies = len(set(column)) > 1
        if merged and merged[-1][0] == varies:
            merged[-1] = varies, [one + other for one, other in zip(merged[-1][1], column, strict=True)]
        else:
            merged.append((varies, list(column)))
    fields = []
    for place, (varies, values) in enumerate(merged):
        if not varies or _names_the_class(named, values):
            continue
        others = [
            other
            for number, (changes, other) in enumerate(merged)
            if changes and number > place and not _names_the_class(named, other) and _counts_within(values, other)
        ]
        if others:
            pieces = [
                ("{group}" if number == place else f"{{{chr(97 + number // 2)}}}") if changes else other[0]
                for number, (changes, other) in enumerate(merged)
            ]
            template = "".join(pieces)
            fields.append(_Field(values, template, f"the part {{group}} of `{template}`"))
    return fields


def _names_the_class(named: Sequence[Named], values: Sequence[str]) -> bool:
    """Whether a part says no more than the class does."""
    pairs = {(one.label, value) for one, value in zip(named, values, strict=True)}
    return len(pairs) == len({label for label, _ in pairs})


def _counts_within(values: Sequence[str], other: Sequence[str]) -> bool:
    """Whether another part counts the samples of most groups: numbers that follow each other."""
    groups: dict[str, set[int]] = defaultdict(set)
    for value, part in zip(values, other, strict=True):
        found = re.search(r"\d+", part)
        if found is None or len(found[0]) > 9:
            return False
        groups[value].add(int(found[0]))
    several = [numbers for numbers in groups.values() if len(numbers) > 1]
    dense = sum(max(numbers) - min(numbers) + 1 <= _SPARSE * len(numbers) for numbers in several)
    return len(several) >= 0.5 * len(groups) and dense >= 0.8 * len(several)


def _shared(named: Sequence[Named], values: Sequence[str]) -> bool:
    """Whether groups are few enough, in each class too, and most classes have more than one."""
    groups = len(set(values))
    if not FEWEST <= groups <= MOST * len(named):
        return False
    of_class: dict[str | None, set[str]] = defaultdict(set)
    for one, value in zip(named, values, strict=True):
        of_class[one.label].add(value)
    pairs = sum(map(len, of_class.values()))  # a number per class is shared by the classes, and by none in a class
    several = sum(len(found) > 1 for found in of_class.values())
    return pairs <= MOST * len(named) and 2 * several >= len(of_class)


def _fits(named: Sequence[Named], field: _Field) -> bool:
    """Whether the pattern finds in the names what was seen in them; a part may hold what separates others."""
    try:
        return groups_of([one.key for one in named], field.template) == list(field.values)
    except DataError:
        return False


def _chosen(fields: Sequence[_Field]) -> _Field:
    """Of the parts with enough groups the coarsest, else the finest."""
    counts = [len(set(field.values)) for field in fields]
    enough = [count for count in counts if count >= ENOUGH]
    return fields[counts.index(min(enough) if enough else max(counts))]


def _by_folder(named: Sequence[Named], folders: Sequence[str]) -> LikelyGroups | None:
    """Folders right above the files, where they are not the classes'."""
    if "" in folders or _names_the_class(named, folders) or not _shared(named, folders):
        return None
    return _told(named, _Field(folders, "{group}/{index}", "the folder above the file"))


def _by_prefix(named: Sequence[Named]) -> LikelyGroups | None:
    """What stands before a running number, in names of unlike parts."""
    found = [_PLAIN.search(one.key) for one in named]
    values = [match["group"] for match in found if match is not None]
    if len(values) < len(named) or _names_the_class(named, values) or not _shared(named, values):
        return None
    numbers = [match[0][len(match["group"]) :] for match in found if match is not None]
    if not _counts_within(values, numbers):
        return None
    return _told(named, _Field(values, _PLAIN_TEXT, "what stands before the running number"))


def _told(named: Sequence[Named], field: _Field) -> LikelyGroups:
    """What is said of it, counted by the pattern itself, as `--group` will."""
    groups = groups_of([one.key for one in named], field.template)
    counts = Counter(groups)
    example = min(counts, key=lambda name: (-counts[name], name))
    members = [one.key for one, group in zip(named, groups, strict=True) if group == example]
    return LikelyGroups(field.template, field.where, len(counts), example, counts[example], tuple(members[:6]))
