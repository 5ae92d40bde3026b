"""What is odd about data, in words: a file an oddity, which looks at the facts of all undamaged samples.

Damage, duplicates and leaks are facts and stand in the audit as such; these are findings to be looked at, and each says
what to do. Ordinary data should hear little: limits are set by what photographs, micrographs and drawings have of their
own accord.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from striate.core.registry import Registry
from striate.data.oddities._facts import Examined, Outlier, outliers

SHOWN = 6
"""Samples that a finding names at most."""

SEVERITIES = ("high", "medium", "low")
"""A score can mislead; worth a look before training; good to know."""


@dataclass(frozen=True)
class Oddity:
    """Something that a reader of the data should know.

    Args:
        name: what it is called, such as "blurred".
        text: what was seen, with its figures; a sentence without its full stop.
        count: samples it is about.
        samples: keys of at most six of them, the worst first.
        severity: one of `SEVERITIES`.
        advice: what to do; a sentence without its full stop.
        flag: what does it on the command line; "" where no flag does.
    """

    name: str
    text: str
    count: int
    samples: tuple[str, ...]
    severity: str
    advice: str
    flag: str = ""


@dataclass(frozen=True)
class Look:
    """One way to look at the samples.

    Args:
        find: gives the oddity, or None.
        order: among those of one severity, oddities are told in this order.
    """

    find: Callable[[Examined], Oddity | None]
    order: int


ODDITIES: Registry[Look] = Registry("oddity", "striate.data.oddities")


def oddity(
    name: str, *, order: int
) -> Callable[[Callable[[Examined], Oddity | None]], Callable[[Examined], Oddity | None]]:
    """A decorator that registers a function as the oddity of that name; see `Look`."""

    def file(find: Callable[[Examined], Oddity | None]) -> Callable[[Examined], Oddity | None]:
        ODDITIES.register(name)(Look(find, order))
        return find

    return file


def worst(keys: Iterable[str]) -> tuple[str, ...]:
    """The first few keys of those that are sorted by how bad they are."""
    return tuple(keys)[:SHOWN]


def find_oddities(examined: Examined) -> tuple[Oddity, ...]:
    """Everything odd, the severest first; empty where nothing is."""
    found = [(look.order, one) for _, look in ODDITIES.items() if (one := look.find(examined)) is not None]
    found.sort(key=lambda entry: (SEVERITIES.index(entry[1].severity), entry[0], entry[1].name))
    return tuple(one for _, one in found)


__all__ = [
    "ODDITIES",
    "SEVERITIES",
    "SHOWN",
    "Examined",
    "Look",
    "Oddity",
    "Outlier",
    "find_oddities",
    "oddity",
    "outliers",
    "worst",
]
