"""Masks drawn: classes over their picture, where a prediction is wrong, and masks as files that keep their classes."""

from __future__ import annotations

import colorsys
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import DataError
from striate.core.records import VOID
from striate.explain._overlay import enlargement

# Okabe and Ito 2002, "Color universal design": told apart with every common kind of colour blindness.
NAMED_COLOURS = {
    "black": (0, 0, 0),
    "orange": (230, 159, 0),
    "sky blue": (86, 180, 233),
    "bluish green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "blue": (0, 114, 178),
    "vermilion": (213, 94, 0),
    "reddish purple": (204, 121, 167),
}
VOID_COLOUR = (224, 224, 224)
_FILL = 0.45  # how much of a class's colour lies over the picture inside its outline
_DIM = 0.55  # how much of the grey picture is seen under the errors


Colour = tuple[int, int, int]
"""Red, green and blue."""


@dataclass(frozen=True)
class Sort:
    """A sort of pixel in a map of errors.

    Args:
        colour: red, green and blue; None where the picture is left grey.
        meaning: in words.
    """

    colour: Colour | None
    meaning: str


ERRORS = {
    "right": Sort(NAMED_COLOURS["sky blue"], "rightly found"),
    "missed": Sort(NAMED_COLOURS["yellow"], "missed: true, and predicted as background"),
    "invented": Sort(NAMED_COLOURS["vermilion"], "invented: predicted, and background in truth"),
    "confused": Sort(NAMED_COLOURS["black"], "confused: another class than the true one"),
    "background": Sort(None, "background, rightly"),
    "void": Sort(VOID_COLOUR, "void: nothing is judged here"),
}
"""Sorts of pixels in `error_map`, in the order of its key; their lightness differs as well as their hue."""


def class_colours(classes: int) -> NDArray[np.uint8]:
    """A colour for each class, (K, 3), the same whenever there are as many or more classes.

    The first, the background's, is black; up to eight are told apart by the colour-blind too. Further ones step
    around the hues by the golden angle, light and dark in turn.

    >>> class_colours(3).tolist()
    [[0, 0, 0], [230, 159, 0], [86, 180, 233]]
    """
    if classes > VOID:
        raise DataError(f"{classes} classes; a mask's file has room for {VOID}", fix="join classes")
    known = list(NAMED_COLOURS.values())[:classes]
    golden = (5**0.5 - 1) / 2
    for number in range(classes - len(known)):
        hue, light = number * golden % 1, (0.35, 0.6, 0.8)[number % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, light, 0.75)
        known.append((round(255 * red), round(255 * green), round(255 * blue)))
    return np.array(known, np.uint8).reshape(-1, 3)


def colour_mask(classes: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colour of each pixel's class, (H, W, 3); void is light grey.

    Args:
        classes: (H, W).
        colours: (K, 3).
    """
    return _table(colours)[classes]


def mask_png(classes: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A PNG with a palette: a pixel's number is its class (255 void), and programs show the class's colour.

    So one file holds both, as in the PASCAL VOC; `striate.data.decode.decode_values` gives the classes back.

    Args:
        classes: (H, W).
        colours: (K, 3).
    """
    picture = Image.fromarray(np.ascontiguousarray(classes)).convert("L")
    picture.putpalette(_table(colours).tobytes(), "RGB")
    return _png(picture)


def colour_png(classes: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A PNG of colours alone, for programs that know no palettes."""
    return _png(Image.fromarray(colour_mask(classes, colours)))


def mask_overlay(
    pixels: NDArray[Any],
    classes: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    *,
    background: int | None = 0,
    longest: int | None = None,
) -> Image.Image:
    """Classes over their picture: each but the background filled faintly and outlined; void light grey.

    Args:
        pixels: (C, H, W) on the 0..255 scale; the first three channels, or the first, are drawn.
        classes: (H, W).
        colours: (K, 3).
        background: the class that is left as the picture is; None where there is no such.
        longest: pixels of the longer side to which larger pictures are reduced; None leaves them.

    Returns:
        an RGB picture; enlarged by a whole number where it is small.

    Raises:
        ValueError: the mask is not of the picture's height and width.
    """
    ground, (mask,) = shown(pixels, (classes,), longest)
    drawn = colour_mask(mask, colours).astype(np.float64)
    covered = (mask != background)[..., None] if background is not None else np.True_
    mixed = np.where(covered, (1 - _FILL) * ground + _FILL * drawn, ground)
    mixed = np.where(outline(mask)[..., None] & covered, drawn, mixed)
    return Image.fromarray(mixed.round().astype(np.uint8))


def error_map(
    pixels: NDArray[Any],
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    *,
    background: int | None = 0,
    longest: int | None = None,
) -> Image.Image:
    """Where a prediction is right, and in which way it is wrong, over the picture made grey; see `ERRORS`.

    Arguments, result and errors are those of `mask_overlay`.
    """
    ground, (guess, true) = shown(pixels, (predicted, truth), longest)
    mixed = 255 - _DIM * (255 - grey(ground))  # light, so that each colour stands out from it
    for name, place in sorts(guess, true, background).items():
        if ERRORS[name].colour is not None:
            mixed[place] = ERRORS[name].colour
    return Image.fromarray(mixed.round().astype(np.uint8))


def sorts(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], background: int | None = 0
) -> dict[str, NDArray[np.bool_]]:
    """Which pixels are of which sort of `ERRORS`, (H, W) each; every pixel is of one."""
    known, same = truth != VOID, predicted == truth
    empty, unseen = (
        np.zeros(side.shape, np.bool_) if background is None else side == background for side in (truth, predicted)
    )
    return {
        "right": known & same & ~empty,
        "missed": known & ~empty & unseen,
        "invented": known & empty & ~unseen,
        "confused": known & ~same & ~empty & ~unseen,
        "background": known & empty & unseen,
        "void": ~known,
    }


def outline(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels that touch by a side one of another class, (H, W)."""
    found = np.zeros(classes.shape, np.bool_)
    down, across = classes[1:] != classes[:-1], classes[:, 1:] != classes[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def grey(ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """A picture (H, W, 3) without its colours."""
    return np.repeat((ground @ np.array([0.299, 0.587, 0.114]))[..., None], 3, 2)  # ITU-R BT.601


def shown(
    pixels: NDArray[Any], masks: tuple[NDArray[np.uint8], ...], longest: int | None
) -> tuple[NDArray[np.float64], list[NDArray[np.uint8]]]:
    """A picture (H, W, 3) and masks (H, W) of it, in the size in which they are drawn."""
    size = pixels.shape[1:]
    for mask in masks:
        if mask.shape != size:
            raise ValueError(f"a mask of {mask.shape} does not lie on a picture of {size}")
    channels = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0)
    shown = np.clip(np.moveaxis(np.asarray(channels, np.float64), 0, -1), 0, 255)
    if longest is None or max(size) <= longest:
        times = enlargement(size)
        return shown.repeat(times, 0).repeat(times, 1), [mask.repeat(times, 0).repeat(times, 1) for mask in masks]
    height, width = (max(1, round(side * longest / max(size))) for side in size)
    small = Image.fromarray(shown.round().astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    rows, columns = (np.arange(new) * old // new for new, old in ((height, size[0]), (width, size[1])))
    return np.asarray(small, np.float64), [mask[np.ix_(rows, columns)] for mask in masks]


def _table(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A colour for each number that a mask may hold, (256, 3)."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    table[VOID] = VOID_COLOUR
    return table


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=False)
    return buffer.getvalue()
