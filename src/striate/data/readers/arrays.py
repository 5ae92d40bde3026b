"""NumPy arrays: a mapping with `x` and `y`, or an `.npz` of the same."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.records import Dataset, Sample, Source, Split
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._listing import SPLIT_NAMES
from striate.data.readers._targets import infer

NAMES = ("x", "y", "split", "group", "weight")


class Arrays:
    """Reads arrays: x (N, H, W) or (N, H, W, C), y (N,) or (N, K), and if wanted split, group and weight, each (N,)."""

    def accepts(self, data: Any) -> bool:
        """A mapping, or a file that ends in .npz."""
        return isinstance(data, Mapping) or (isinstance(data, Path) and data.suffix.lower() == ".npz")

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read them.

        Raises:
            DataError: arrays are missing, do not fit together, or hold what cannot be used.
            UnknownName: an array of another name.
        """
        if isinstance(data, Mapping):
            path, arrays = "arrays", {str(name): np.asarray(array) for name, array in data.items()}
        elif self.accepts(data):
            path, arrays = str(data), _load(data)
        else:
            raise DataError(f"{data} holds no arrays", fix="choose another --reader, or leave it out")
        return _dataset(path, arrays, options)


READERS.register("arrays")(Arrays())


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as .npz: {error}", fix="save it with numpy.savez, without arrays of objects"
        ) from error


def _dataset(path: str, arrays: Mapping[str, NDArray[Any]], options: ReadOptions) -> Dataset:
    for name in arrays:
        if name not in NAMES:
            raise UnknownName("array", name, NAMES)
    if options.group is not None:
        raise UsageError(f"arrays have no names for --group {options.group!r}", fix="give an array named 'group'")
    if "x" not in arrays or "y" not in arrays:
        missing = "x" if "x" not in arrays else "y"
        raise DataError(
            ("labels are missing: " if missing == "y" else "")
            + f"there is no array {missing!r}, only "
            + ", ".join(map(repr, arrays)),
            fix="give x (N, H, W) or (N, H, W, C) and y (N,) or (N, K)",
        )
    pixels = _pixels(arrays["x"])
    count = len(pixels)
    for name in NAMES[1:]:
        if name in arrays and (arrays[name].ndim < 1 or len(arrays[name]) != count):
            raise DataError(f"x has {count:,} rows and {name} the shape {arrays[name].shape}", fix="make them equal")
    found = infer(_columns(arrays["y"]), lambda row: f"row {row}", options.task)
    splits, weights = _splits(arrays.get("split"), count), _weights(arrays.get("weight"), count)
    groups = [str(group) for group in arrays["group"].tolist()] if "group" in arrays else [None] * count
    digits = len(str(count - 1))
    samples = tuple(
        Sample(f"x/{row:0{digits}d}", (Source("array", "x", row=row),), target, splits[row], groups[row], weights[row])
        for row, target in enumerate(found.values)
    )
    notes = (f"Read as arrays: {count:,} pictures of shape {pixels.shape[1:]}; y: {found.note}.",)
    return Dataset(path, "arrays", found.task, samples, found.names, {"x": pixels}, notes)


def _pixels(x: NDArray[Any]) -> NDArray[Any]:
    """x as bool, uint8, uint16 or float32, without loss of anything but digits beyond float32."""
    if x.ndim not in (3, 4) or 0 in x.shape:
        raise DataError(
            f"x has the shape {x.shape}; expected (N, H, W) or (N, H, W, C), none of them 0", fix="reshape it"
        )
    if x.ndim == 4 and x.shape[1] in (1, 3, 4) and x.shape[3] > 16:
        raise DataError(
            f"x has the shape {x.shape}, which looks like (N, C, H, W); expected (N, H, W, C)",
            fix="give x.transpose(0, 2, 3, 1)",
        )
    if x.dtype in (np.bool_, np.uint8, np.uint16):
        return x
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    if x.dtype.kind in "iu":
        low, high = int(x.min()), int(x.max())
        return x.astype(np.uint8 if 0 <= low <= high <= 255 else np.uint16 if 0 <= low <= high <= 65535 else np.float32)
    raise DataError(f"x is of type {x.dtype}; expected numbers", fix="give uint8, uint16 or float32")


def _columns(y: NDArray[Any]) -> dict[str, list[str]]:
    """y as columns of cells; whole numbers stored as floating point are written as whole numbers."""
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise DataError(f"y has the shape {y.shape}; expected (N,) or (N, K)", fix="reshape it")
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.rint(y)).all() and np.abs(y).max() < 2**53:
        y = y.astype(np.int64)
    if y.dtype.kind == "b":
        y = y.astype(np.int64)
    columns = y[:, None] if y.ndim == 1 else y
    names = ["y"] if columns.shape[1] == 1 else [str(number) for number in range(columns.shape[1])]
    return {
        name: ["" if cell is None else str(cell) for cell in columns[:, n].tolist()] for n, name in enumerate(names)
    }


def _splits(split: NDArray[Any] | None, count: int) -> list[Split | None]:
    if split is None:
        return [None] * count
    cells = [str(cell).strip().lower() for cell in split.tolist()]
    unknown = next((row for row, cell in enumerate(cells) if cell not in SPLIT_NAMES), None)
    if unknown is not None:
        raise DataError(f"row {unknown} names the split {cells[unknown]!r}", fix="name train, val or test")
    return [cast(Split, SPLIT_NAMES[cell]) for cell in cells]


def _weights(weight: NDArray[Any] | None, count: int) -> list[float]:
    if weight is None:
        return [1.0] * count
    if weight.dtype.kind not in "fiub" or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise DataError("weight must hold finite numbers from 0 up, not all 0", fix="correct it")
    return [float(one) for one in weight.tolist()]
