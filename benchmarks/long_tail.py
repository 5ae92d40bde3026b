"""Long-tailed cuts of `trashnet/` (1:30) and `cifar10.zip` (1:100), with a test in which classes are alike.

`python -m benchmarks.long_tail DATA FOLDER` writes FOLDER/trashnet.csv and FOLDER/cifar10.csv; pictures in the zip are
unpacked into FOLDER/cifar10. The data itself is only read.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.core.artifacts import make_folder, write_csv
from striate.core.seeds import permutation

HEADER = ("path", "label", "split")


def tail(most: int, ratio: float, classes: int) -> list[int]:
    """Sizes that fall geometrically from `most` to `most / ratio` (Cui et al. 2019, section 5.1).

    >>> tail(500, 100, 3)
    [500, 50, 5]
    """
    return [round(most * ratio ** (-place / (classes - 1))) for place in range(classes)]


def cut(files: Mapping[str, Sequence[str]], ratio: float, tested: int, most: int | None = None) -> list[list[str]]:
    """Rows (path, label, split): `tested` of each class for the test, and a long tail of what is left for training.

    Args:
        files: by class.
        most: of the largest class in training; all that are left, unless given.
    """
    order = sorted(files, key=lambda name: (-len(files[name]), name))
    sizes = tail(most or len(files[order[0]]) - tested, ratio, len(order))
    rows = []
    for place, (name, size) in enumerate(zip(order, sizes, strict=True)):
        shuffled = [sorted(files[name])[one] for one in permutation(len(files[name]), 0, "long tail", place)]
        rows += [[path, name, "test"] for path in shuffled[:tested]]
        rows += [[path, name, "train"] for path in shuffled[tested : tested + size]]
    return rows


def make_trashnet(data: Path, work: Path) -> Path:
    """Write the table of a cut of `data/trashnet`."""
    folders = [folder for folder in sorted((data / "trashnet").iterdir()) if folder.is_dir()]
    files = {folder.name: [f"{folder.name}/{one.name}" for one in folder.iterdir()] for folder in folders}
    write_csv(make_folder(work) / "trashnet.csv", HEADER, cut(files, ratio=30, tested=80))
    return work / "trashnet.csv"


def make_cifar10(data: Path, work: Path) -> Path:
    """Unpack a cut of `data/cifar10.zip` and write its table: its own test/, 200 of each class."""
    with zipfile.ZipFile(data / "cifar10.zip") as archive:
        files: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
        for name in archive.namelist():
            if name.endswith(".jpg"):
                split, label, _ = name.split("/")
                files[split].setdefault(label, []).append(name)
        rows = [row for row in cut(files["train"], ratio=100, tested=0, most=5000) if row[2] == "train"]
        rows += [row for row in cut(files["test"], ratio=1, tested=200, most=1) if row[2] == "test"]
        for path, _, _ in rows:
            target = work / "cifar10" / path
            if not target.exists():
                (make_folder(target.parent) / target.name).write_bytes(archive.read(path))
    write_csv(work / "cifar10.csv", HEADER, rows)
    return work / "cifar10.csv"


def make(data: Path, work: Path) -> None:
    """Write both tables."""
    make_trashnet(data, work)
    make_cifar10(data, work)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.long_tail DATA FOLDER")
    make(Path(sys.argv[1]), Path(sys.argv[2]))
