"""The table for counting cells: one row a picture of `bccd/`, the number of its boxes, and the given test list.

`python -m benchmarks.bccd_table DATA/bccd FOLDER` writes FOLDER/bccd.csv; the data itself is only read.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from striate.core.artifacts import make_folder, write_csv

HEADER = ("path", "cells", "split")


def rows(bccd: Path) -> list[tuple[str, int, str]]:
    """(file name below JPEGImages, boxes, split) of every picture that has an annotation, by name.

    All boxes count, whatever their class. The test list is the given one; validation is carved from the others.
    """
    test = set((bccd / "ImageSets" / "Main" / "test.txt").read_text("utf-8").split())
    found = []
    for annotation in sorted((bccd / "Annotations").glob("*.xml")):
        boxes = len(ElementTree.parse(annotation).getroot().findall("object"))
        picture = bccd / "JPEGImages" / f"{annotation.stem}.jpg"
        if picture.exists():
            found.append((picture.name, boxes, "test" if annotation.stem in test else "train"))
    return found


def make(data: Path, work: Path) -> Path:
    """Write the table of `data/bccd` as `work/bccd.csv`."""
    table = make_folder(work) / "bccd.csv"
    write_csv(table, HEADER, rows(data / "bccd"))
    return table


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.bccd_table DATA/bccd FOLDER")
    write_csv(make_folder(Path(sys.argv[2])) / "bccd.csv", HEADER, rows(Path(sys.argv[1])))
