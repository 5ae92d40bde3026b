"""How much of the cells in `bccd/` is boxed: whether the number of boxes goes with the cells or with that share.

`python -m benchmarks.bccd_completeness DATA/bccd` writes results/bccd-completeness.csv, a row a picture, and a summary
beside it. The boxes of a picture are its cells, about boxes over the share of the cells' area that is boxed, times that
share; the logarithm makes a sum of the product, and the variance of the sum is divided between the two. What was boxed
may in part be seen, since single cells are boxed rather than clumps: the share is no bound on what can be learnt. In
some pictures no red cell is boxed at all, though they are full of them and look like any other; the summary says what
R² a count gets on the test that takes these for the mean of the others and is exact everywhere else. Cells are told
from the light background by a threshold, which is rough for single cells and enough for areas; overlapping boxes and
cells of other sizes blur both terms.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.bccd_table import rows
from striate.core.artifacts import write_csv, write_json

REDUCED = 4
DARKER = 18  # green values below the background's that make a cell


def cells(pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The mask of cells in (H, W) values of green: what is darker than the commonest of the lighter half."""
    smooth = ndimage.gaussian_filter(pixels, 1)
    counts, edges = np.histogram(smooth, 64)
    background = edges[32 + counts[32:].argmax()]
    mask: NDArray[np.bool_] = ndimage.binary_fill_holes(ndimage.binary_opening(smooth < background - DARKER))
    return mask


def measure(bccd: Path) -> list[tuple[str, int, float, float]]:
    """(picture, boxes, share of the picture that is cells, share of these that lies in boxes)."""
    found = []
    for name, count, _ in rows(bccd):
        with Image.open(bccd / "JPEGImages" / name) as image:
            mask = cells(np.asarray(image.convert("RGB").reduce(REDUCED), np.float64)[..., 1])
        boxed = np.zeros(mask.shape, bool)
        tree = ElementTree.parse(bccd / "Annotations" / f"{Path(name).stem}.xml")
        for box in tree.getroot().iter("bndbox"):
            sides = {side.tag: max(0, int(float(side.text or ""))) // REDUCED for side in box}
            left, top, right, bottom = (sides[name] for name in ("xmin", "ymin", "xmax", "ymax"))
            boxed[top : bottom + 1, left : right + 1] = True
        found.append((name, count, float(mask.mean()), float((mask & boxed).sum() / mask.sum())))
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.bccd_completeness DATA/bccd")
    bccd = Path(sys.argv[1])
    found = measure(bccd)
    table = Path(__file__).parent / "results" / "bccd-completeness.csv"
    shown = [(name, count, f"{area:.3f}", f"{covered:.3f}") for name, count, area, covered in found]
    write_csv(table, ("picture", "boxes", "cells", "boxed"), shown)
    unboxed, test = without_red_cells(bccd), [(name, count) for name, count, split in rows(bccd) if split == "test"]
    more = {
        "pictures without a boxed red cell": len(unboxed),
        "of these in the test": sum(name in unboxed for name, _ in test),
        "R² on the test of a count exact but for these": round(exact_elsewhere(test, unboxed), 2),
    }
    write_json(table.with_suffix(".json"), {**summary(found), **more})
    print(table.with_suffix(".json").read_text("utf-8"))


def without_red_cells(bccd: Path) -> set[str]:
    """The pictures in which no red cell is boxed."""
    return {
        f"{annotation.stem}.jpg"
        for annotation in (bccd / "Annotations").glob("*.xml")
        if all(one.findtext("name") != "RBC" for one in ElementTree.parse(annotation).getroot().iter("object"))
    }


def exact_elsewhere(test: list[tuple[str, int]], unboxed: set[str]) -> float:
    """R² of a count that is the mean of the other pictures for these and exact for the others.

    >>> round(exact_elsewhere([("a", 9), ("b", 11), ("c", 1)], {"c"}), 3)
    -0.446
    """
    counts = np.array([count for _, count in test], np.float64)
    missed = np.array([name in unboxed for name, _ in test])
    guesses = np.where(missed, counts[~missed].mean(), counts)
    return float(1 - ((counts - guesses) ** 2).sum() / ((counts - counts.mean()) ** 2).sum())


def summary(found: list[tuple[str, int, float, float]]) -> dict[str, float]:
    """The figures that the rows amount to."""
    boxes, areas, boxed = (np.array([row[column] for row in found], np.float64) for column in (1, 2, 3))
    return {
        "pictures": len(found),
        "boxed, median share of the cells' area": round(float(np.median(boxed)), 2),
        "correlation of boxes with the cells' area": round(float(np.corrcoef(boxes, areas)[0, 1]), 2),
        "correlation of boxes with the share boxed": round(float(np.corrcoef(boxes, boxed)[0, 1]), 2),
        "share of the variance of log boxes that comes with log share boxed": _explained(boxes, boxed),
        "the same, of pictures of which at least 0.3 is boxed": _explained(boxes[boxed >= 0.3], boxed[boxed >= 0.3]),
    }


def _explained(boxes: NDArray[np.float64], boxed: NDArray[np.float64]) -> float:
    logs = np.log(boxes)
    return round(float(np.cov(logs, np.log(boxed))[0, 1] / logs.var(ddof=1)), 2)


if __name__ == "__main__":
    main()
