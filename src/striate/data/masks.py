"""Masks: what class each pixel of a picture is of, from files, palettes, colours and outlines.

A palette's numbers are kept as they are, where `striate.data.decode` would give the colours that they stand for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.records import Mask, MaskCode, Sample, Source
from striate.data.decode import decode_values
from striate.data.outlines import fill_polygon, inside_runs
from striate.data.store import Store

JPEG = b"\xff\xd8\xff"
"""What a JPEG begins with: it changes the values of a mask."""

_SEVERAL, _MOSTLY = 8, 0.8  # pixels of unknown values, and the share of them between known ones, that tell of smoothing
_APART = 64  # a file of one class whose highest value is below holds numbers, and was not smoothed
_REACH = 5  # pixels around one in which two known values make it one between them


def decode_mask(store: Store, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The class of each pixel of a sample's picture.

    Args:
        size: (height, width) of the picture, which the mask must have.

    Returns:
        (H, W): places in `Dataset.target_names`; `VOID` where there is no class.

    Raises:
        DataError: the mask is damaged, of another size, or holds a value that stands for no class.
    """
    mask = sample.target
    if not isinstance(mask, Mask):
        raise DataError(f"{sample.key!r} has no mask", fix="give each picture one, or choose --task")
    if mask.code.kind == "regions":
        return painted(mask, size)
    if mask.code.kind == "files":
        found = np.full(size, mask.code.background, np.uint8)
        for number, source in enumerate(mask.sources):
            values, lossy = _read(store, source, size)
            inside = covered(values if values.ndim == 2 else values.max(2), lossy)
            found[inside] = dict(mask.code.classes)[number]
        return found
    return coded(mask_values(store, mask.sources[0], size), mask.code, str(mask.sources[0]))


def covered(values: NDArray[Any], lossy: bool = False) -> NDArray[np.bool_]:
    """Where a file has its class: where it is not 0; of a smoothed one, from half of its highest value on.

    Of smoothing tell pixels below that half which mostly have a higher one beside them, as on a slope. Numbers of
    things are flat and stay whole, as does all in a file whose highest value is below 64.

    Args:
        values: (H, W).
        lossy: whether JPEG has changed them: then it counts as smoothed.

    >>> covered(np.array([[0, 30, 99, 200, 255]])).tolist(), covered(np.array([[7, 7, 0, 90, 90]])).tolist()
    ([[False, False, False, True, True]], [[True, True, False, True, True]])
    """
    inside, highest = np.asarray(values != 0), values.max(initial=0)
    low = inside & (values < highest / 2)
    if highest < _APART or not low.any():
        return inside
    return inside & ~low if lossy or _rising(values, low) > 0.5 else inside


def _rising(values: NDArray[Any], chosen: NDArray[np.bool_]) -> float:
    """The share of the chosen pixels that have a higher one among the eight around: of slopes 1, of flat areas little.

    Of what was JPEG once it was 0.55 and more (up to a quality of 95), of touching discs with numbers 0.3 and less.
    """
    rows, columns = np.nonzero(chosen)
    padded = np.pad(values, 1)
    around = [padded[rows + down, columns + right] for down in range(3) for right in range(3)]
    return float((np.maximum.reduce(around) > values[chosen]).mean())


def painted(mask: Mask, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Classes of a mask's regions, a later one over an earlier one, on the background.

    Args:
        size: (height, width) of the picture.

    Raises:
        DataError: regions are of a picture of another size, or their outlines cannot be read.

    >>> from striate.core.records import Region
    >>> square = Region(3, polygons=((0, 0, 2, 0, 2, 1, 0, 1),))
    >>> painted(Mask(MaskCode("regions"), regions=(square,)), (2, 3)).tolist()
    [[3, 3, 0], [0, 0, 0]]
    """
    found = np.full(size, mask.code.background, np.uint8)
    for region in mask.regions:
        if region.size is not None and region.size != size:
            raise DataError(
                f"the annotations are of {region.size[0]} × {region.size[1]} pixels, the picture has "
                f"{size[0]} × {size[1]}",
                fix="give the picture that was annotated, unchanged in size",
            )
        for polygon in region.polygons:
            fill_polygon(found, polygon, region.place)
        if region.counts:
            found[inside_runs(region.counts, size)] = region.place
    return found


def coded(values: NDArray[Any], code: MaskCode, name: str) -> NDArray[np.uint8]:
    """Classes of the values that a mask file holds.

    Args:
        values: (H, W) numbers, or (H, W, 3) colours.
        name: of the file, for errors.

    Raises:
        DataError: a value stands for no class.

    >>> coded(np.array([[0, 200]]), MaskCode("threshold"), "a.png").tolist()
    [[0, 1]]
    >>> coded(np.array([[0, 200]]), MaskCode("threshold", ((0, 1), (1, 0))), "a.png").tolist()
    [[1, 0]]
    """
    if code.kind == "threshold":
        grey = values if values.ndim == 2 else values[..., :3].mean(2)
        lighter = (grey >= code.threshold).astype(np.uint8)
        return np.array([place for _, place in code.classes], np.uint8)[lighter] if code.classes else lighter
    numbers, known = _numbered(values, code, name)
    classes = np.array([one for _, one in code.classes], np.uint8)
    if numbers.dtype == np.uint8:
        named = (known >= 0) & (known < 256)
        table, is_known = np.zeros(256, np.uint8), np.zeros(256, np.bool_)
        table[known[named]], is_known[known[named]] = classes[named], True
        found, unknown = table[numbers], ~is_known[numbers]
    else:
        order = np.argsort(known)
        place = np.minimum(np.searchsorted(known[order], numbers), len(known) - 1)
        found, unknown = classes[order][place], known[order][place] != numbers
    if unknown.any():
        raise _without_class(values, unknown, numbers.astype(np.int64), name)
    return np.asarray(found, np.uint8)


def _without_class(
    values: NDArray[Any], unknown: NDArray[np.bool_], numbers: NDArray[np.int64], name: str
) -> DataError:
    """What to say of pixels whose values stand for no class; those along borders were likely smoothed."""
    row, column = (int(one) for one in np.argwhere(unknown)[0])
    count = int(unknown.sum())
    said = (
        f"{name} holds {values[row, column].tolist()} at row {row}, column {column} (and {count:,} pixels in all hold "
    )
    from scipy import ndimage

    highest = ndimage.maximum_filter(np.where(unknown, -1, numbers), _REACH)
    lowest = ndimage.minimum_filter(np.where(unknown, 1 << 24, numbers), _REACH)
    if count >= _SEVERAL and ((highest > lowest) & unknown).sum() >= _MOSTLY * count:
        return DataError(
            f"{said}values that stand for no class, along borders: it was smoothed, or resized with smoothing)",
            fix="save masks without smoothing: as PNG, resized by the nearest pixel",
        )
    return DataError(
        f"{said}values that stand for no class)",
        fix="name that value among the classes, or as void, or correct the mask",
    )


def _numbered(values: NDArray[Any], code: MaskCode, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """A whole number for each pixel, and for each value that the code knows."""
    if code.kind == "index":
        if values.ndim == 3:
            if (values[..., :1] != values[..., :3]).any():
                raise DataError(
                    f"{name} holds colours, where numbers of classes were expected",
                    fix="give the colours of the classes",
                )
            values = values[..., 0]
        numbers = values if values.dtype == np.uint8 else values.astype(np.int64)
        return numbers, np.array([value for value, _ in code.classes], np.int64)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    scale = np.array([1 << 16, 1 << 8, 1])
    colors = np.array([value for value, _ in code.classes], np.int64)
    return values[..., :3].astype(np.int64) @ scale, colors @ scale


def mask_values(store: Store, source: Source, size: tuple[int, int]) -> NDArray[Any]:
    """What a mask file holds, (H, W) or (H, W, C).

    Args:
        size: (height, width) of the picture, which the mask must have.

    Raises:
        DataError: the mask is damaged, or of another size.
    """
    return _read(store, source, size)[0]


def _read(store: Store, source: Source, size: tuple[int, int]) -> tuple[NDArray[Any], bool]:
    """What a mask file holds, and whether it is a JPEG."""
    content = store.read(source)
    values = decode_values(content) if isinstance(content, bytes) else content
    if values.shape[:2] != size:
        raise DataError(
            f"the mask {source} has {values.shape[0]} × {values.shape[1]} pixels, its picture {size[0]} × {size[1]}",
            fix="give the mask that belongs to it, of the picture's own size",
        )
    return values, isinstance(content, bytes) and content.startswith(JPEG)
