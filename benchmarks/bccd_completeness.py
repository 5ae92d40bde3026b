"""How much of the cells in `bccd/` its annotators boxed: whether the number of boxes can be seen in a picture at all.

`python -m benchmarks.bccd_completeness DATA/bccd` writes results/bccd-completeness.csv, a row a picture, and prints how
the number of boxes goes with the area of the cells and with the share of that area which lies in boxes. Cells are told
from the light background by a threshold, which is rough for single cells and enough for areas.
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
from striate.core.artifacts import write_csv

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
            left, top, right, bottom = (
                max(0, int(float(box.findtext(side, "0")))) // REDUCED for side in ("xmin", "ymin", "xmax", "ymax")
            )
            boxed[top : bottom + 1, left : right + 1] = True
        found.append((name, count, float(mask.mean()), float((mask & boxed).sum() / max(1, mask.sum()))))
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.bccd_completeness DATA/bccd")
    found = measure(Path(sys.argv[1]))
    table = Path(__file__).parent / "results" / "bccd-completeness.csv"
    shown = [(name, count, f"{area:.3f}", f"{covered:.3f}") for name, count, area, covered in found]
    write_csv(table, ("picture", "boxes", "cells", "boxed"), shown)
    counts, areas, covered = (np.array([row[column] for row in found], np.float64) for column in (1, 2, 3))
    print(f"{len(found)} pictures; boxes cover {np.median(covered):.0%} of the cells' area in the median")
    print(f"boxes against the cells' area: r = {np.corrcoef(counts, areas)[0, 1]:.2f}")
    print(f"boxes against the share of it in boxes: r = {np.corrcoef(counts, covered)[0, 1]:.2f}")


if __name__ == "__main__":
    main()
