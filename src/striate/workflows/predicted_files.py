"""What predictions leave as files: names of their own below one folder, nothing written over."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Protocol

from striate.core.artifacts import make_folder, write_bytes
from striate.core.errors import DataError, UsageError
from striate.core.records import Sample, Source
from striate.data.dataset import list_pictures
from striate.infer import Prediction

OVERLAY = ".overlay"
"""What stands behind the name of a picture, before the suffix, of what is drawn over it."""


class PredictedFiles(Protocol):
    """Writes files of predictions as they come.

    Args:
        samples: the pictures that it writes of, by their keys.
    """

    samples: Mapping[str, Sample]

    def write(self, prediction: Prediction) -> None:
        """Write those of one prediction. Raises `DataError` where one of that name is there already."""

    def close(self) -> None:
        """Write what is of all predictions together."""


def written(files: PredictedFiles, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """The predictions as they come, the files of each written; what is of all together when the last has come.

    Where the files lie in a folder that is predicted, they come up themselves: of these there is no prediction.
    """
    for prediction in predictions:
        if prediction.key not in files.samples:
            continue
        files.write(prediction)
        yield prediction
    files.close()


def refuse_old(path: Path) -> None:
    """Raise `DataError` where a file is there."""
    if path.exists():
        raise DataError(f"{path} exists already, and is not written over", fix="name another folder, or a new one")


def write_new(path: Path, content: bytes) -> None:
    """Write a file with the folders above it. Raises `DataError` where it is there."""
    refuse_old(path)
    make_folder(path.parent)
    write_bytes(path, content)


def named_once(paths: Sequence[str | Path]) -> dict[str, Sample]:
    """The pictures at some paths by their keys, each with the sample that stands for it: of a picture that is named
    more than once, as `a.jpg` and in `.`, the first one, so that its files are written once.

    Raises:
        UsageError: two pictures have one key, so that their predictions could not be told apart.
        DataError: as `list_pictures` raises.
    """
    found: dict[str, Sample] = {}
    firsts: dict[tuple[Source, ...], Sample] = {}
    for sample in list_pictures(paths):
        first = firsts.setdefault(sample.sources, sample)
        if found.setdefault(sample.key, first) is not first:
            raise UsageError(f"two pictures are called {sample.key}", fix="rename one, or predict one after the other")
    return found


def stems_of(keys: Sequence[str]) -> dict[str, str]:
    """A name for the files of each picture, below the folder that all are in: its own without the suffix, where that is
    no other's, else with it, and with a number where that is another's too.

    No two names are alike, on file systems that ignore case as well, and none is another's with `OVERLAY`.

    Args:
        keys: of samples, each once: a path, or that of an archive and its member, with `::` between them.

    >>> stems_of(["/data/a.png", "/data/a.jpg", "/data/x.zip::b/c.png"])
    {'/data/a.png': 'a.png', '/data/a.jpg': 'a.jpg', '/data/x.zip::b/c.png': 'x.zip/b/c'}
    >>> stems_of(["/data/a.png", "/data/A.png"])
    {'/data/a.png': 'a.png', '/data/A.png': 'A-2'}
    """
    parts = {key: _parts(key) for key in keys}
    levels = zip(*(one[:-1] for one in parts.values()), strict=False)
    above = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    whole = {key: "/".join(one[above:]) for key, one in parts.items()}
    short = {key: str(PurePosixPath(one).with_suffix("")) for key, one in whole.items()}
    names = dict(short)
    while crowded := {key for key in _crowded(names) if names[key] != whole[key]}:
        names |= {key: whole[key] for key in crowded}
    taken: set[str] = set()
    for key in sorted(keys, key=_crowded(names).__contains__):  # those that stand alone keep their names
        name, number = names[key], 1
        while not taken.isdisjoint(_claims(name)):
            number += 1
            name = f"{short[key]}-{number}"
        taken |= _claims(name)
        names[key] = name
    return names


def _parts(key: str) -> list[str]:
    """The folders above a picture and its own name; an archive is a folder."""
    outer, *members = key.split("::")
    inner = (part for member in members for part in PurePosixPath(member).parts if part not in ("..", "/"))
    return [*Path(os.path.abspath(outer)).parts, *inner]


def _crowded(names: Mapping[str, str]) -> set[str]:
    """The keys of names that are not to stand beside each other."""
    counts = Counter(claim for name in names.values() for claim in _claims(name))
    return {key for key, name in names.items() if any(counts[claim] > 1 for claim in _claims(name))}


def _claims(name: str) -> set[str]:
    """What a name keeps others from, as file systems compare them that ignore case and how letters are composed."""
    return {unicodedata.normalize("NFC", one.casefold()) for one in (name, name + OVERLAY)}
