"""Boxes drawn: what was found over its picture, and where that is right or in which way it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.core.boxes import COUNTS, FOUND_LABEL, LABEL, NONE, PLAIN, SCORE, Floats, joined
from striate.core.records import VOID
from striate.explain._masks import _DIM, NAMED_COLOURS, VOID_COLOUR, Colour, class_colours, grey, shown
from striate.metrics import box_pairs

_SHADE = 128.0  # of a colour, from which on black is more easily read on it than white
_PART = 320  # of a picture's longer side that a line is wide, at least 2 px
_LETTERS = 45  # of a picture's longer side that letters are high
_SMALLEST = 11  # pixels that letters need to be read
_NAMED = 20  # times the smallest letters that a picture's longer side is for names to leave something to be seen
_HAIR = 0.35  # of a light colour's own light, in the line beside it
_DASH, _GAP = 4, 3  # widths of a line


@dataclass(frozen=True)
class BoxSort:
    """A sort of box among those found and those true.

    Args:
        colour: red, green and blue.
        name: in a word.
        meaning: in words.
    """

    colour: Colour
    name: str
    meaning: str


BOX_ERRORS = {
    "right": BoxSort(NAMED_COLOURS["sky blue"], "found", "rightly found; its truth is dashed"),
    "missed": BoxSort(NAMED_COLOURS["yellow"], "missed", "missed: dashed, as it is only in the truth"),
    "invented": BoxSort(NAMED_COLOURS["vermilion"], "invented", "invented: found, and no truth left lies there"),
    "confused": BoxSort(NAMED_COLOURS["black"], "confused", "confused: found as another class than the dashed truth"),
    "aside": BoxSort(VOID_COLOUR, "aside", "aside: difficult, or a crowd, which is not judged"),
}
"""Sorts of boxes in `box_errors_over`, in the order of its key, by the colours of `striate.explain.ERRORS`."""


def box_colours(classes: int) -> NDArray[np.uint8]:
    """A colour for each class of things, (K, 3): those of `class_colours` without black, from the first on again where
    they are used up.

    >>> box_colours(2).tolist(), len(box_colours(1203))
    ([[230, 159, 0], [86, 180, 233]], 1203)
    """
    known = class_colours(min(classes + 1, VOID))[1:]
    return known[np.arange(classes) % max(1, len(known))]


def box_overlay(
    pixels: NDArray[Any], found: Floats, names: Sequence[str], *, longest: int | None = None
) -> Image.Image:
    """What was found over its picture, each box in its class's colour and with its name and score.

    The lines of surer boxes lie above those of others. A name is left out where every place for it, at the box's upper
    and lower edge, is taken by that of a surer box. Names are drawn with Pillow's own font, which knows Latin letters.

    Args:
        pixels: (C, H, W) on the 0..255 scale; the first three channels, or the first, are drawn.
        found: (D, 6), as `striate.core.boxes` has them, in the picture's pixels; what is drawn is all of them.
        names: of the classes.
        longest: pixels of the longer side to which larger pictures are reduced; None leaves them.

    Returns:
        an RGB picture; enlarged by a whole number where it is small.
    """
    ground, _ = shown(pixels, (), longest)
    board = _Board(ground, pixels.shape[1:])
    colours = box_colours(len(names))
    things = found[found[:, FOUND_LABEL] != NONE]
    order = np.argsort(-things[:, SCORE], kind="stable")
    labels = things[:, FOUND_LABEL].astype(np.int64)
    for one in order[::-1]:
        board.box(things[one, :4], _colour(colours[labels[one]]))
    for one in order:
        board.name(things[one, :4], f"{names[labels[one]]} {things[one, SCORE]:.2f}", _colour(colours[labels[one]]))
    return board.picture


def box_truths_over(
    pixels: NDArray[Any], truths: Floats, names: Sequence[str], *, longest: int | None = None
) -> Image.Image:
    """True boxes over their picture, each in its class's colour; dashed where it is difficult or a crowd.

    Names are left out in pictures that are drawn too small for them, and where others take their place; smaller things
    lie above larger ones.

    Args:
        truths: (G, 7), as `striate.core.boxes` has them, in the picture's pixels.

    The further arguments and the result are those of `box_overlay`.
    """
    ground, _ = shown(pixels, (), longest)
    board = _Board(ground, pixels.shape[1:])
    colours = box_colours(len(names))
    things = truths[truths[:, LABEL] != NONE]
    things = things[np.argsort(-(things[:, 2:4] - things[:, :2]).prod(1), kind="stable")]
    for row in things:
        board.box(row[:4], _colour(colours[int(row[LABEL])]), dashed=row[COUNTS] != PLAIN)
    if max(board.picture.size) >= _NAMED * _SMALLEST:
        for row in things[::-1]:
            board.name(row[:4], names[int(row[LABEL])], _colour(colours[int(row[LABEL])]))
    return board.picture


def box_errors_over(
    pixels: NDArray[Any], found: Floats, truths: Floats, names: Sequence[str], *, longest: int | None = None
) -> Image.Image:
    """Found boxes (solid) and true ones (dashed) by their sorts, over the picture made grey; see `BOX_ERRORS`.

    Those that are right bear no name; of others a true class is named where the thing was missed, a found one where it
    was invented, and both where they differ.

    Args:
        found: (D, 6), in the picture's pixels, those that are held to be there.
        truths: (G, 7), in the picture's pixels.

    The further arguments and the result are those of `box_overlay`.
    """
    ground, _ = shown(pixels, (), longest)
    board = _Board(255 - _DIM * (255 - grey(ground)), pixels.shape[1:])
    sorts = box_sorts(found, truths)
    solid = [(sort, row, sorts.meant[place]) for place, (sort, row) in enumerate(zip(sorts.found, found, strict=True))]
    dashed = list(zip(sorts.truths, truths, strict=True))
    for sort in ("aside", "right", "missed", "invented", "confused"):  # what is wrong lies above
        colour = BOX_ERRORS[sort].colour
        for kind, row in dashed:
            if kind == sort and sort == "right":
                board.hint(row[:4], colour)
            elif kind == sort:
                board.box(row[:4], colour, dashed=True)
        for kind, row, _ in solid:
            if kind == sort:
                board.box(row[:4], colour)
    for kind, row, meant in sorted(solid, key=lambda one: -one[1][SCORE]):
        called = names[int(row[FOUND_LABEL])] if kind in ("invented", "confused") else ""
        if kind == "confused":
            called = f"{names[int(truths[meant, LABEL])]} as {called}"
        if called:
            board.name(row[:4], called, BOX_ERRORS[kind].colour)
    for kind, row in dashed:
        if kind == "missed":
            board.name(row[:4], names[int(row[LABEL])], BOX_ERRORS[kind].colour)
    return board.picture


@dataclass(frozen=True)
class Sorts:
    """The sort of each box, one of `BOX_ERRORS`; "" of a row that holds none.

    Args:
        found: of those found, (D,).
        truths: of those true, (G,): "right" where it was found, "confused" where it was found as another class.
        meant: the place among the truths of what each found one is about, −1 for none, (D,).
    """

    found: list[str]
    truths: list[str]
    meant: NDArray[np.int64]


def box_sorts(found: Floats, truths: Floats) -> Sorts:
    """The sorts of boxes of one picture, by the rules of the confusion matrix (`striate.metrics.box_confusion`).

    Args:
        found: (D, 6), those that are held to be there.
        truths: (G, 7).

    >>> told = box_sorts(
    ...     np.array([[0.0, 0, 8, 6, 0.9, 0], [20, 0, 28, 8, 0.4, 0]]), np.array([[0.0, 0, 8, 8, 1, 0, 0]])
    ... )
    >>> told.found, told.truths, told.meant.tolist()
    (['confused', 'invented'], ['confused'], [0, -1])
    """
    things, real = np.flatnonzero(found[:, FOUND_LABEL] != NONE), np.flatnonzero(truths[:, LABEL] != NONE)
    pairs = box_pairs(joined(found[None], truths[None]))
    solid, dashed = [""] * len(found), [""] * len(truths)
    meant = np.full(len(found), -1, np.int64)
    for place, missed in zip(real, pairs.missed, strict=True):
        dashed[place] = "missed" if missed else "right" if truths[place, COUNTS] == PLAIN else "aside"
    for place, taken, aside in zip(things, pairs.taken, pairs.aside, strict=True):
        solid[place] = "aside" if aside else "invented"
        if taken >= 0:
            meant[place] = real[taken]
            same = found[place, FOUND_LABEL] == truths[meant[place], LABEL]
            solid[place] = dashed[meant[place]] = "right" if same else "confused"
    return Sorts(solid, dashed, meant)


class _Board:
    """A picture that boxes are drawn on, in lines and letters that suit its size.

    Args:
        ground: (H', W', 3) on the 0..255 scale, as it is drawn.
        size: height and width of the picture whose pixels boxes are given in.
    """

    def __init__(self, ground: NDArray[np.float64], size: tuple[int, ...]) -> None:
        self.picture = Image.fromarray(ground.round().astype(np.uint8))
        self._draw = ImageDraw.Draw(self.picture)
        self._scale = np.array([ground.shape[1] / size[1], ground.shape[0] / size[0]] * 2)
        longer = max(ground.shape[:2])
        self._wide = max(2, round(longer / _PART))
        self._font = ImageFont.load_default(max(_SMALLEST, round(longer / _LETTERS)))
        self._taken: list[tuple[float, float, float, float]] = []

    def box(self, edges: Floats, colour: Colour, *, dashed: bool = False) -> None:
        """A box, with a hair line beside it that is darker, or white, so that it is seen on every ground."""
        lines = self._lines(edges, self._wide, dashed)
        for more, ink in ((1, _beside(colour)), (0, colour)):
            for x1, y1, x2, y2 in lines:
                self._draw.rectangle((x1 - more, y1 - more, x2 + more, y2 + more), fill=ink)

    def hint(self, edges: Floats, colour: Colour) -> None:
        """A box in thin dashes of a dark shade, which lies beside another one and is not to hide it."""
        for line in self._lines(edges, max(1, self._wide // 2), dashed=True):
            self._draw.rectangle(line, fill=_beside(colour))

    def _lines(self, edges: Floats, wide: int, dashed: bool) -> list[tuple[int, int, int, int]]:
        """The lines of a box, or their dashes, as left, top, right and bottom pixels, all within the box."""
        left, top, right, bottom = self._drawn(edges)
        inner = wide - 1
        across, down = (self._pieces(*ends, dashed) for ends in ((left, right), (top, bottom)))
        lines = [(x1, y, x2, min(y + inner, bottom)) for y in (top, max(top, bottom - inner)) for x1, x2 in across]
        lines += [(x, y1, min(x + inner, right), y2) for x in (left, max(left, right - inner)) for y1, y2 in down]
        return lines

    def name(self, edges: Floats, text: str, colour: Colour) -> None:
        """A name at a box, on its colour; none where every place for it is taken by an earlier one."""
        left, top, _, bottom = self._drawn(edges)
        x1, y1, x2, y2 = self._draw.textbbox((0, 0), text, font=self._font)
        room = max(2, self._wide)
        width, height = x2 - x1 + 2 * room, y2 - y1 + 2 * room
        across = max(0.0, min(left, self.picture.width - width))
        for down in (top - height, bottom + 1, top, bottom + 1 - height):
            place = (across, down, across + width, down + height)
            free = all(
                place[0] >= one[2] or place[2] <= one[0] or place[1] >= one[3] or place[3] <= one[1]
                for one in self._taken
            )
            if free and down >= 0 and down + height <= self.picture.height:
                self._taken.append(place)
                self._draw.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=colour)
                self._draw.text((across + room - x1, down + room - y1), text, fill=_against(colour), font=self._font)
                return

    def _drawn(self, edges: Floats) -> tuple[int, int, int, int]:
        """The outermost pixels of a box, in the drawn picture's."""
        x1, y1, x2, y2 = (edges * self._scale).round().astype(int).tolist()
        right, bottom = self.picture.width - 1, self.picture.height - 1
        left, top = min(max(x1, 0), right), min(max(y1, 0), bottom)
        return left, top, min(max(x2 - 1, left), right), min(max(y2 - 1, top), bottom)

    def _pieces(self, first: int, last: int, dashed: bool) -> list[tuple[int, int]]:
        """The ends of the pieces of a line; the last dash is cut where the line ends."""
        if not dashed:
            return [(first, last)]
        long, step = _DASH * self._wide, (_DASH + _GAP) * self._wide
        return [(start, min(start + long - 1, last)) for start in range(first, last + 1, step)]


def _colour(row: NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(part) for part in row)
    return red, green, blue


def _against(colour: Colour) -> Colour:
    """Black or white, whichever stands out from a colour."""
    light = float(grey(np.array(colour, np.float64)[None, None])[0, 0, 0])
    return (0, 0, 0) if light >= _SHADE else (255, 255, 255)


def _beside(colour: Colour) -> Colour:
    """White beside a dark colour, beside a light one a dark shade of it: black would outweigh a thin line."""
    red, green, blue = (round(part * _HAIR) for part in colour)
    return (red, green, blue) if _against(colour) == (0, 0, 0) else (255, 255, 255)
