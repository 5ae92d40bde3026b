"""Masks by value, palette, colour, threshold and file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import DataError
from striate.core.records import VOID, Mask, MaskCode, Sample, Source
from striate.data.decode import decode_values
from striate.data.masks import decode_mask
from striate.data.store import Store

CLASSES = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
INDEX = MaskCode("index", ((0, 0), (1, 1), (2, 2), (255, VOID)))


def _decoded(path: Path, code: MaskCode, *more: Path, size: tuple[int, int] = (2, 3)) -> np.ndarray:
    sources = tuple(Source("file", str(one)) for one in (path, *more))
    return decode_mask(Store(), Sample("a", (), Mask(code, sources)), size)


def _saved(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> Path:
    image = Image.fromarray(pixels)
    if palette is not None:
        image = image.convert("P")
        image.putdata(pixels.flatten().tolist())
        image.putpalette(palette)
    image.save(path)
    return path


def test_grey_values_and_palette_numbers_are_classes(tmp_path: Path) -> None:
    assert (_decoded(_saved(tmp_path / "grey.png", CLASSES), INDEX) == CLASSES).all()
    colours = np.random.default_rng(0).integers(0, 256, 768).tolist()
    assert (_decoded(_saved(tmp_path / "palette.png", CLASSES, colours), INDEX) == CLASSES).all()
    same = np.repeat(CLASSES[..., None], 3, 2)
    assert (_decoded(_saved(tmp_path / "same.png", same), INDEX) == CLASSES).all()


def test_colours_are_classes(tmp_path: Path) -> None:
    table = {0: (10, 20, 30), 1: (200, 0, 0), 2: (0, 0, 201), 255: (255, 255, 255)}
    pixels = np.array([[table[one] for one in row] for row in CLASSES.tolist()], np.uint8)
    code = MaskCode("color", tuple((colour, place) for place, colour in table.items()))
    assert (_decoded(_saved(tmp_path / "colour.png", pixels), code) == CLASSES).all()
    pixels[1, 2] = 7
    with pytest.raises(DataError, match=r"holds \[7, 7, 7\] at row 1, column 2"):
        _decoded(_saved(tmp_path / "colour.png", pixels), code)


def test_a_threshold_parts_grey(tmp_path: Path) -> None:
    grey = np.array([[0, 127, 128], [129, 254, 255]], np.uint8)
    assert _decoded(_saved(tmp_path / "a.png", grey), MaskCode("threshold")).tolist() == [[0, 0, 1], [1, 1, 1]]


def test_files_cover_each_other_in_turn(tmp_path: Path) -> None:
    first = np.array([[255, 255, 0], [0, 0, 0]], np.uint8)
    second = np.array([[0, 1, 1], [0, 0, 0]], np.uint8)
    code = MaskCode("files", ((0, 1), (1, 2)))
    found = _decoded(_saved(tmp_path / "a.png", first), code, _saved(tmp_path / "b.png", second))
    assert found.tolist() == [[1, 2, 2], [0, 0, 0]]


def _things(numbers: np.ndarray) -> np.ndarray:
    """Touching squares of 10 × 10 pixels with these numbers, and a margin of 0."""
    return np.pad(np.repeat(np.repeat(numbers, 10, 0), 10, 1), 7)


@pytest.mark.parametrize("quality", [30, 75, 98])
def test_a_file_of_a_class_that_is_a_jpeg_does_not_swell(tmp_path: Path, quality: int) -> None:
    sharp = _things(np.array([[0, 255, 0], [255, 255, 0]], np.uint8))[3:, 2:]  # edges across the squares of JPEG
    Image.fromarray(sharp).save(tmp_path / "a.jpg", quality=quality)
    values = np.asarray(Image.open(tmp_path / "a.jpg"))
    assert ((values > 0) & (sharp == 0)).sum() > 30
    found = _decoded(tmp_path / "a.jpg", MaskCode("files", ((0, 1),)), size=sharp.shape)
    assert (found == (sharp > 0)).all()
    if quality < 98:
        found = _decoded(_saved(tmp_path / "a.png", values), MaskCode("files", ((0, 1),)), size=sharp.shape)
        assert (found == (sharp > 0)).all(), "one that was a JPEG"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_file_of_a_class_that_was_smoothed_does_not_swell(tmp_path: Path, dtype: type) -> None:
    rows, columns = np.mgrid[:64, :64]
    sharp = ((rows - 32) ** 2 + (columns - 32) ** 2 < 400) | ((rows - 5) ** 2 + (columns - 9) ** 2 < 16)
    small = np.asarray(Image.fromarray(sharp.astype(np.uint8) * 255).resize((32, 32), Image.Resampling.BILINEAR))
    values = small.astype(dtype) * (np.iinfo(dtype).max // 255)
    found = _decoded(_saved(tmp_path / "a.png", values), MaskCode("files", ((0, 1),)), size=small.shape)
    assert (found == (small >= 128)).all()
    assert (small > 0).sum() > found.sum() + 20


@pytest.mark.parametrize("numbers", [range(1, 201), (1, 255), (12, 150), (1, 2, 98, 99), (1, 2), (300, 4, 9000)])
def test_numbers_of_things_in_the_file_of_a_class_count_whole(tmp_path: Path, numbers: Sequence[int]) -> None:
    order = np.random.default_rng(0).permutation(np.array(numbers, np.uint16))
    values = _things(np.resize(order, (10, -(-len(order) // 10))))
    values = values.astype(np.uint8) if max(numbers) < 256 else values
    found = _decoded(_saved(tmp_path / "a.png", values), MaskCode("files", ((0, 1),)), size=values.shape)
    assert (found == (values > 0)).all()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.png", CLASSES)
    with pytest.raises(DataError, match="has 2 × 3 pixels, its picture 3 × 3"):
        _decoded(path, INDEX, size=(3, 3))
    with pytest.raises(DataError, match="holds 255 at row 1, column 2"):
        _decoded(path, MaskCode("index", ((0, 0), (1, 1), (2, 2))))
    with pytest.raises(DataError, match="holds colours"):
        _decoded(_saved(tmp_path / "b.png", np.eye(3, dtype=np.uint8)[CLASSES % 3]), INDEX)
    with pytest.raises(DataError, match="has no mask"):
        decode_mask(Store(), Sample("a", ()), (2, 3))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "RGB", "RGBA"])
def test_values_of_each_mode(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (3, 2)).save(buffer, "PNG")
    assert decode_values(buffer.getvalue()).shape == ((2, 3, 3) if mode.startswith("RGB") else (2, 3))
