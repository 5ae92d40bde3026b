"""Regression from a table: pictures of discs, and a CSV with the share of each picture that its disc covers.

Run it anywhere: `python regression_table.py [FOLDER]`. It makes its own data, and takes about half a minute.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import striate as st

SIDE = 32


def make_data(folder: Path, count: int = 400) -> Path:
    """Write `count` pictures of discs and the table `discs.csv` with columns path, covered, split."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    (folder / "pictures").mkdir(parents=True)
    with open(folder / "discs.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "covered", "split"])
        for number in range(count):
            radius = random.uniform(3, 13)
            centre = random.uniform(radius, SIDE - radius, 2)
            disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
            pixels = np.where(disc, random.integers(150, 250), random.integers(10, 90)) + random.normal(
                0, 8, disc.shape
            )
            name = f"pictures/{number:04}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
            table.writerow([name, round(float(disc.mean()), 4), "test" if number % 5 == 0 else "train"])
    return folder / "discs.csv"


def main(folder: Path) -> None:
    """Train on the table, then predict one picture."""
    table = make_data(folder / "data")
    run = st.train(table, out=folder / "run", epochs=15)
    test = run.metrics["test"]
    print(f"task: {run.metrics['task']}; R² {test['r2']:.3f}, mean absolute error {test['mae']:.4f}")
    assert test["r2"] > 0.5
    print(run.model.predict(folder / "data" / "pictures" / "0000.png").values)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
