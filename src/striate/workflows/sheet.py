"""A sheet of training pictures, as validation shows them and as training alters them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional

from striate.core.boxes import Floats
from striate.data.augment import Augmenter, centre
from striate.data.pictures import Pictures
from striate.explain import box_truths_over

GAP, CELL = 4, 96
"""Pixels between the pictures of a sheet, and the side that small ones are enlarged to about."""


def even_places(count: int, rows: int) -> NDArray[np.int64]:
    """So many places, or fewer, spread evenly over so many samples."""
    return np.unique(np.linspace(0, count - 1, min(rows, count)).astype(np.int64))


def columns(
    pictures: Pictures,
    places: NDArray[np.int64],
    augmenter: Augmenter,
    samples: NDArray[np.int64],
    sizes: Sequence[tuple[int, int] | None],
) -> list[Tensor]:
    """The pictures at some places as they are, then as each epoch alters them; what mixes samples is left out.

    Args:
        samples: their positions in the training split, which name the draws.
        sizes: (H, W) that each epoch trains on, from the first; None where pictures keep their own.
    """
    if pictures.sizes is not None:
        alone = [(places[[row]], samples[[row]]) for row in range(len(places))]
        return _framed([_columns(pictures, place, augmenter, sample, sizes) for place, sample in alone])
    return _columns(pictures, places, augmenter, samples, sizes)


def _columns(
    pictures: Pictures,
    places: NDArray[np.int64],
    augmenter: Augmenter,
    samples: NDArray[np.int64],
    sizes: Sequence[tuple[int, int] | None],
) -> list[Tensor]:
    """The same of pictures of one size."""
    pixels = pictures.batch(places)[:, : pictures.shape[0]]  # without a mask
    altered = (augmenter.images(pixels, samples, epoch, size) for epoch, size in enumerate(sizes))
    return [pixels if augmenter.size is None else centre(pixels, augmenter.size), *altered]


def box_columns(
    pictures: Pictures,
    boxes: Tensor,
    names: Sequence[str],
    places: NDArray[np.int64],
    augmenter: Augmenter,
    samples: NDArray[np.int64],
    epochs: int,
    longest: int | None = None,
) -> list[Tensor]:
    """The same of pictures with boxes, which are drawn over them as they were moved. Where pictures are laid together,
    those on the sheet are, as if they were a batch.

    Args:
        boxes: what batches of all pictures have for targets, (N, 1 + M, 7), see `striate.data.placed`.
        names: of the classes.
        epochs: how many are shown, from the first.
        longest: pixels of the longer side to which larger pictures are reduced before they are drawn on.
    """
    pixels, truths = pictures.batch(places), boxes[torch.from_numpy(places)]
    plain = pixels if augmenter.size is None else centre(pixels, augmenter.size)
    seen = [(plain, truths), *(augmenter.with_boxes(pixels, truths, samples, epoch, 0) for epoch in range(epochs))]
    return [_drawn(images, rows[:, 1:].double().numpy(), names, longest) for images, rows in seen]


def _drawn(images: Tensor, truths: Floats, names: Sequence[str], longest: int | None) -> Tensor:
    """Pictures with their boxes, (N, 3, H, W)."""
    drawn = [
        np.asarray(box_truths_over(image, rows, names, longest=longest))
        for image, rows in zip(images.numpy(), truths, strict=True)
    ]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)


def _framed(rows: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Rows of pictures of their own sizes as columns of one, on white."""
    height, width = (max(row[0].shape[axis] for row in rows) for axis in (2, 3))
    found: list[list[Tensor]] = [[] for _ in rows[0]]
    for row in rows:
        for column, image in zip(found, row, strict=True):
            below, right = height - image.shape[2], width - image.shape[3]
            edges = (right // 2, right - right // 2, below // 2, below - below // 2)
            column.append(functional.pad(image.float(), edges, value=255.0))
    return [torch.cat(column) for column in found]


def sheet(columns: Sequence[Tensor], side: int | None = None) -> NDArray[np.uint8]:
    """Pictures side by side, a sample a row, on white; small ones enlarged by whole factors.

    Args:
        columns: (N, C, H, W) on 0 to 255.
        side: the longer side that all are brought to after that; None leaves them, and then all are of one size.
    """
    enlarged = []
    for column in columns:
        shown = column[:, :1].expand(-1, 3, -1, -1) if column.shape[1] < 3 else column[:, :3]
        times = max(1, round(CELL / max(shown.shape[2:])))
        shown = shown.repeat_interleave(times, 2).repeat_interleave(times, 3)
        if side is not None:
            target = [max(1, round(length * side / max(shown.shape[2:]))) for length in shown.shape[2:]]
            shown = functional.interpolate(shown.float(), target, mode="bilinear", antialias=True)
        enlarged.append(list(as_bytes(shown)))
    height, width = enlarged[0][0].shape[:2]
    rows, count = len(enlarged[0]), len(enlarged)
    sheet = np.full((rows * (height + GAP) + GAP, count * (width + GAP) + GAP, 3), 255, np.uint8)
    for across, pictures in enumerate(enlarged):
        for down, picture in enumerate(pictures):
            top, left = GAP + down * (height + GAP), GAP + across * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def as_bytes(images: Tensor) -> Iterator[NDArray[np.uint8]]:
    """Pictures (H, W, C) of bytes from (N, C, H, W) on 0 to 255."""
    found = images.float().round().clamp(0, 255).to(torch.uint8)
    yield from found.permute(0, 2, 3, 1).numpy()


def as_png(picture: NDArray[np.uint8], made_by: str | None = None) -> bytes:
    """A picture (H, W, C) as PNG bytes, which may say what made it."""
    buffer = io.BytesIO()
    said = PngInfo()
    if made_by is not None:
        said.add_text("Software", made_by)
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    image.save(buffer, "PNG", optimize=True, pnginfo=said)
    return buffer.getvalue()


def named(settings: Mapping[str, Any]) -> str:
    """Augmentations in words, with their strengths.

    >>> named({"flip": "horizontal", "shift": 0.125})
    'flip horizontal, shift 0.125'
    """
    return ", ".join(f"{name} {value}" for name, value in settings.items())
