"""Readers: each turns one kind of data into a Dataset; a file each, chosen by looking at the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from striate.core.records import Dataset, MaskCode
from striate.core.registry import Registry

EXIF = "exif"
"""In place of a column that has the time: when a picture was taken, as its file says. A column of that name wins."""


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about the data, over what is found by looking.

    Args:
        task: "classify", "multilabel", "regress", "segment" or "detect", in place of the one inferred.
        label_depth: how many folders make a class folder's label, counted from the root; None for all.
        root: the folder that the paths in a table, or another file that names pictures, are relative to; None for the
            file's own.
        group: a table's column; or a pattern of file names with {group}, such as "{label}_{group}_{index}"; or a
            regular expression with (?P<group>…), searched in the key.
        time: a table's column of dates or numbers, by which the samples are divided; or `EXIF`, for when each picture
            was taken by its own file.
        masks: of further data, how masks of the data stand for classes, and the names of these.
    """

    task: str | None = None
    label_depth: int | None = None
    root: str | None = None
    group: str | None = None
    time: str | None = None
    masks: tuple[MaskCode, tuple[str, ...]] | None = None


class Reader(Protocol):
    """Reads one kind of data. Never alters it.

    One that is for a single task may say so in an attribute `task`: it is then not taken where the user wants another,
    and goes before those for any where the user wants this one.
    """

    def accepts(self, data: Any) -> bool:
        """Whether this reader is for `data`: a Path, a mapping of arrays, or None for no data. Looks, and is quick."""

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where it cannot be used."""


READERS: Registry[Reader] = Registry("reader", "striate.data.readers")
