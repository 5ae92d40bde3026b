"""Phrases that many messages share."""

from collections.abc import Collection, Sequence

SHOWN = 3
"""How many examples a message names."""


def plural(count: int, one: str, many: str) -> str:
    """A count and its noun.

    >>> plural(1, "sample is", "samples are"), plural(1200, "sample is", "samples are")
    ('1 sample is', '1,200 samples are')
    """
    return f"{count:,} {one if count == 1 else many}"


def some(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first of many names, and how many more there are.

    >>> some(["a", "b", "c"]), some(["a", "b", "c", "d", "e"])
    ('a, b, c', 'a, b, c and 2 more')
    """
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def apart(name: str, names: Collection[str]) -> str:
    """A name for what is none of some classes, in brackets where one of these is called so.

    >>> apart("background", ["cat"]), apart("background", ["cat", "background"])
    ('background', '(background)')
    """
    while name in names:
        name = f"({name})"
    return name
