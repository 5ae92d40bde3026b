"""Columns of a table that say of each row which group it is of, and what time: as all tables have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from striate.core.errors import DataError, UnknownName
from striate.data.by_time import number_of, read_time
from striate.data.readers import EXIF, ReadOptions
from striate.data.readers._groups import is_pattern
from striate.data.store import printable

Where = Callable[[int], str]
"""A row's place in words, such as "line 7"."""


def group_column(names: Sequence[str], options: ReadOptions) -> int | None:
    """Where the column is that the user says has the groups; None where there is none, or a pattern says them.

    Raises:
        UnknownName: there is no such column.
    """
    if not options.group or is_pattern(options.group):
        return None
    return _column(names, options.group)


def time_column(names: Sequence[str], options: ReadOptions) -> int | None:
    """The same for the times. A column that is called as `EXIF` wins over the pictures' own."""
    if options.time is None or (options.time == EXIF and EXIF not in names):
        return None
    return _column(names, options.time)


def _column(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise UnknownName("column", name, [one for one in names if one])
    return names.index(name)


def groups_in(cells: Sequence[str], where: Where) -> list[str]:
    """The groups of all rows. Raises `DataError` where one has none."""
    groups = [printable(cell.strip()) for cell in cells]
    if "" in groups:
        raise DataError(
            f"{where(groups.index(''))} has no group", fix="fill it in; a picture on its own is a group of its own"
        )
    return groups


def times_in(cells: Sequence[str], where: Where) -> list[float]:
    """The times of all rows. Raises `DataError` where one has none, or is a number and the first a date."""
    times: list[float] = []
    numbers = bool(cells) and number_of(cells[0]) is not None
    for row, cell in enumerate(cells):
        time = read_time(cell)
        if time is None or (number_of(cell) is not None) != numbers:
            expected = "a number" if numbers else "a date"
            raise DataError(
                f"{where(row)} has the time {printable(cell)!r}; expected "
                + ("a number, or a date such as 2026-03-01 or 2026-03-01 14:30" if time is None else expected)
                + (f", as in {where(0)}" if time is not None else ""),
                fix="correct it, or leave --time out",
            )
        times.append(time)
    return times
