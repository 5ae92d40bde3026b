"""What predictions leave as files: names of their own below one folder, nothing written over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Protocol

from striate.core.artifacts import make_folder, write_bytes
from striate.core.errors import DataError
from striate.infer import Prediction


class PredictedFiles(Protocol):
    """Writes files of predictions as they come."""

    def write(self, prediction: Prediction) -> None:
        """Write those of one prediction. Raises `DataError` where one of that name is there already."""

    def close(self) -> None:
        """Write what is of all predictions together."""


def written(files: PredictedFiles, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """The predictions as they come, the files of each written; what is of all together when the last has come."""
    for prediction in predictions:
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


def stems_of(keys: Sequence[str]) -> dict[str, str]:
    """A name for the files of each picture, below the folder that all are in: its own without the suffix, where that is
    no other's.

    >>> stems_of(["/data/a.png", "/data/a.jpg", "/data/x.zip::b/c.png"])
    {'/data/a.png': 'a.png', '/data/a.jpg': 'a.jpg', '/data/x.zip::b/c.png': 'x.zip/b/c'}
    """
    parts = {key: PurePosixPath(key.replace("::", "/")).parts for key in keys}
    levels = zip(*(one[:-1] for one in parts.values()), strict=False)
    above = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    whole = {key: "/".join(part for part in one[above:] if part not in ("..", "/")) for key, one in parts.items()}
    short = {key: str(PurePosixPath(one).with_suffix("")) for key, one in whole.items()}
    counts = Counter(short.values())
    return {key: short[key] if counts[short[key]] == 1 else whole[key] for key in keys}
