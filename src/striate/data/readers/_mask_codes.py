"""How masks stand for classes, made out by looking at them: numbers, palettes, colours, or two greys.

Up to `LOOKED_AT` masks are looked at, evenly spread. A list of classes decides where there is one. Without it:

- two values are background (the lower) and foreground;
- two values that alone fill areas, far apart, with three others or more between them, one about the middle (smoothing),
  are parted halfway; of JPEGs values near to either count as it;
- other greys and a palette's numbers are classes by their value, 255 is void;
- up to `MOST_COLORS` colours are classes, in the order of VOC's palette where all are of it, else by red, green and
  blue (so that black comes first).

JPEG changes values, so that JPEG masks of more than two classes are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import DataError
from striate.core.records import VOID, MaskCode, Source
from striate.core.wording import plural, some
from striate.data.classes import BACKGROUNDS
from striate.data.decode import decode_values
from striate.data.masks import JPEG
from striate.data.readers._class_lists import ClassList, Color
from striate.data.store import Store, printable

LOOKED_AT = 500
MOST_COLORS = 64
MOST_VALUES = 254

_APART = 64  # greys nearer to each other are not parted by a threshold
_SMOOTHING = 3  # values between two greys, from which on they may be what smoothing has left
_EXTREME = 8  # of the distance between two greys that JPEG has changed, this part is near to either
_FLAT = 8  # values of 3 × 3 pixels that JPEG has changed differ so much where they were of one


class Coded(NamedTuple):
    """How masks stand for classes.

    Args:
        code: as samples have it.
        names: the classes, by place.
        note: what was inferred, for the user.
    """

    code: MaskCode
    names: tuple[str, ...]
    note: str


@dataclass
class Seen:
    """What was seen in masks.

    Args:
        count: masks that could be read.
        of: masks that there are.
        lossy: the first that is a JPEG, or "".
        colored: the first that holds colours that are no greys, or "".
        values: pixels of each grey or palette number.
        solid: those that fill 3 × 3 pixels somewhere.
        colors: pixels of each colour, red · 2^16 + green · 2^8 + blue; of greys too.
        palette: the colour of each palette number that is used.
        clash: what two palettes differ in, or "".
    """

    count: int = 0
    of: int = 0
    lossy: str = ""
    colored: str = ""
    values: Counter[int] = field(default_factory=Counter)
    solid: set[int] = field(default_factory=set)
    colors: Counter[int] = field(default_factory=Counter)
    palette: dict[int, Color] = field(default_factory=dict)
    clash: str = ""


def voc_palette() -> tuple[Color, ...]:
    """The 256 colours of VOC's palette: the bits of a number, dealt to red, green and blue in turn.

    >>> voc_palette()[:4]
    ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    """
    numbers = np.arange(256)
    channels = [sum(((numbers >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
    return tuple((int(red), int(green), int(blue)) for red, green, blue in zip(*channels, strict=True))


def look(sources: Sequence[Source]) -> Seen:
    """What masks hold.

    Raises:
        DataError: none of them can be read.
    """
    store, seen = Store(), Seen(of=len(sources))
    chosen = np.unique(np.linspace(0, len(sources) - 1, min(LOOKED_AT, len(sources))).astype(int)).tolist()
    reason = ""
    for source in (sources[one] for one in chosen):
        try:
            content = cast(bytes, store.read(source))
            _note(seen, content, decode_values(content), printable(str(source)))
        except DataError as error:  # the audit will name it
            reason = f"{printable(str(source))}: {error.message}"
    if not seen.count:
        raise DataError(f"no mask can be read; the last: {reason}", fix="give masks as PNG")
    return seen


def _note(seen: Seen, content: bytes, values: NDArray[np.generic], name: str) -> None:
    seen.count += 1
    if content.startswith(JPEG):
        seen.lossy = seen.lossy or name
    if values.ndim == 3:
        if (values[..., :1] != values).any():
            seen.colored = seen.colored or name
            packed = values.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
            seen.colors.update(_counted(packed))
            return
        values = values[..., 0]
    found = _counted(values)
    seen.values.update(found)
    seen.colors.update({value * 0x010101: count for value, count in found.items() if 0 <= value < 256})
    if not set(found) <= seen.solid:
        seen.solid.update(_solid(values, _FLAT if content.startswith(JPEG) else 0))
    for number, color in _palette(content, found).items():
        if seen.palette.setdefault(number, color) != color:
            seen.clash = seen.clash or f"number {number} is {seen.palette[number]} in one and {color} in {name}"


def _solid(values: NDArray[np.generic], spread: int) -> list[int]:
    """The values in the middle of 3 × 3 pixels that differ by no more than `spread`."""
    if min(values.shape) < 3:
        return []
    wide = values.astype(np.int32)
    from scipy import ndimage

    varied = ndimage.maximum_filter(wide, 3) - ndimage.minimum_filter(wide, 3)
    return [int(one) for one in np.unique(wide[1:-1, 1:-1][varied[1:-1, 1:-1] <= spread])]


def _counted(values: NDArray[np.generic]) -> dict[int, int]:
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        return {int(value): int(counts[value]) for value in counts.nonzero()[0]}
    found, counts = np.unique(values, return_counts=True)
    return {int(value): int(count) for value, count in zip(found, counts, strict=True)}


def _palette(content: bytes, used: dict[int, int]) -> dict[int, Color]:
    with Image.open(BytesIO(content)) as image:
        if image.mode != "P":
            return {}
        flat = image.getpalette("RGB") or []
    return {
        number: (flat[3 * number], flat[3 * number + 1], flat[3 * number + 2])
        for number in used
        if 3 * number + 2 < len(flat)
    }


def code_of(seen: Seen, listed: ClassList | None) -> Coded:
    """How masks in which this was seen stand for classes.

    Raises:
        DataError: that cannot be made out, or what JPEG has changed.
    """
    if seen.colored:
        found = _listed_colors(seen, listed) if listed else _colors(seen)
    elif listed:
        found = _listed_values(seen, listed)
    else:
        found = _values(seen)
    if seen.lossy and found.code.kind != "threshold":
        raise DataError(
            f"{seen.lossy} is a JPEG, which changes the values of a mask: {_count(seen)} are there, so that classes "
            "cannot be told apart",
            fix="save masks as PNG; JPEG masks are taken for two classes, black and white, alone",
        )
    moved = f"; {listed.names[0]} is class 0" if listed is not None and listed.names != listed.listed else ""
    return found._replace(note=found.note + moved + by_look(seen))


def by_look(seen: Seen) -> str:
    """How many masks were looked at, for the end of a note; "" where all were."""
    return f", by {seen.count:,} of {seen.of:,} masks" if seen.count < seen.of else ""


def is_parted(seen: Seen) -> bool:
    """Whether masks hold two greys and what smoothing or JPEG has made of them."""
    return _threshold(seen) is not None


def _count(seen: Seen) -> str:
    return plural(len(seen.colors), "colour", "colours") if seen.colored else f"{len(seen.values):,} values"


def _values(seen: Seen) -> Coded:
    """Without a list: two classes, or one a value."""
    values = sorted(seen.values)
    if seen.clash:
        raise DataError(
            f"the masks' palettes differ: {seen.clash}",
            fix="save masks with one palette or as RGB, or give a list of classes with their colours",
        )
    if len(values) < 2:
        raise DataError(
            f"all {seen.count:,} masks that were looked at hold nothing but {values[0]}", fix="give masks with classes"
        )
    if len(values) == 2:
        code = MaskCode("index", ((values[0], 0), (values[1], 1)))
        return Coded(code, ("background", "foreground"), f"background is {values[0]}, foreground {values[1]}")
    parted = _threshold(seen)
    if parted is not None and (seen.lossy or _smoothed(seen)):
        return parted
    classes = [value for value in values if value != VOID]
    gapless = classes[0] in (0, 1) and classes[-1] - classes[0] + 1 == len(classes)
    if (len(values) > MOST_COLORS and not gapless) or len(classes) > MOST_VALUES or classes[0] < 0:
        raise DataError(
            f"masks hold {len(values):,} different values, from {values[0]} to {values[-1]}: too many for classes that "
            "no list names",
            fix="save masks without smoothing, or put a classes.txt with the names, in the order of the values, beside",
        )
    if gapless:
        classes = list(range(classes[-1] + 1))
    code = MaskCode("index", tuple((value, place) for place, value in enumerate(classes)) + ((VOID, VOID),))
    void = ", 255 is void" if VOID in seen.values else ""
    note = f"each value is a class: {some([str(one) for one in classes], 8)}{void}"
    return Coded(code, tuple(f"class {value}" for value in classes), note)


def _threshold(seen: Seen, names: tuple[str, ...] = ("background", "foreground")) -> Coded | None:
    """Two greys and what smoothing or JPEG has put between or around them; None where it is something else.

    Args:
        names: of the darker and of the lighter.
    """
    values, solid = sorted(seen.values), sorted(seen.solid)
    low, high = (solid[0], solid[-1]) if solid else (0, 0)
    if high - low < _APART or high > 255:
        return None
    near = (high - low) / _EXTREME if seen.lossy else 0
    if any(min(value - low, high - value) > near for value in solid):
        return None
    if not seen.lossy and not low <= values[0] <= values[-1] <= high:
        return None
    between = [value for value in values if value not in (low, high)]
    threshold = (low + high + 1) // 2
    dirty = sum(seen.values[value] for value in between)
    share = f"{dirty / seen.values.total():.1%}"
    note = (
        f"grey from {threshold} on is {names[1]}: {share} of the pixels are neither {low} nor {high}, left by "
        "smoothing or compression"
    )
    turned = names[1].lower() in BACKGROUNDS
    code = MaskCode("threshold", ((0, 1), (1, 0)) if turned else (), threshold)
    return Coded(code, names[::-1] if turned else names, note)


def _smoothed(seen: Seen) -> bool:
    """Whether what lies between two greys looks like smoothing, and not like classes too thin to fill areas."""
    low, high = min(seen.values), max(seen.values)
    between = [value for value in seen.values if low < value < high]
    middle = [value for value in between if 4 * min(value - low, high - value) >= high - low]
    return len(between) >= _SMOOTHING and bool(middle)


def _listed_values(seen: Seen, listed: ClassList) -> Coded:
    """Classes by value, as a list has them."""
    values = sorted(seen.values)
    by_palette = _by_palette(seen, listed)
    if by_palette is not None:
        return by_palette
    if seen.clash:
        raise DataError(
            f"the masks' palettes differ: {seen.clash}", fix="save masks with one palette, or name their colours"
        )
    names = listed.names
    if any(one.value is not None for one in listed.classes):
        pairs = [(cast(int, one.value), listed.place(one)) for one in listed.classes]
        return _by_value(seen, listed, names, pairs, "values by the list")
    if listed.colored and not seen.palette and all(_of(color) in seen.colors for color in _colors_of(listed)):
        return _listed_colors(seen, listed)  # all of its colours are greys
    counted = [value for value in values if value != VOID]
    two = _of_two(seen, listed)
    if two is not None:
        return two
    if counted and counted[-1] == len(listed.classes) and names[0].lower() not in BACKGROUNDS:
        pairs = [(0, 0), *((number, _after(listed.place(one))) for number, one in enumerate(listed.classes, 1))]
        return _by_value(seen, listed, ("background", *names), pairs, "0 is background, and the list begins at 1")
    if _may_begin_at_1(counted, listed):
        raise DataError(
            f"{listed.path} names {len(listed.classes)} classes and no background, and the masks hold 0 and nothing "
            f"from {len(listed.classes) - 1} on: whether its first class is 0 or 1 cannot be told",
            fix="give the value before each name, such as `1 cell`, or name the background too",
        )
    pairs = [(number, listed.place(one)) for number, one in enumerate(listed.classes)]
    return _by_value(seen, listed, names, pairs, "values in the order of the list, from 0")


def _of_two(seen: Seen, listed: ClassList) -> Coded | None:
    """Two classes, the lower value that which the list has as the darker or, without greys, first; None for others."""
    by_value, values = listed.dark_first, sorted(seen.values)
    if len(by_value) == 1:
        is_background = by_value[0].lower() in BACKGROUNDS
        by_value = (*by_value, "foreground") if is_background else ("background", *by_value)
    if len(by_value) != 2:
        return None
    parted = _threshold(seen, by_value)
    if parted is not None and (seen.lossy or values != [0, 1, VOID]):  # of these 1 may be a class too thin
        return parted._replace(note=f"{parted.note}; names by {listed.path}")
    if len(values) != 2 or values in ([0, 1], [1, VOID]):
        return None
    turned = by_value[1].lower() in BACKGROUNDS
    code = MaskCode("index", tuple(zip(values, (1, 0) if turned else (0, 1), strict=True)))
    note = f"{by_value[0]} is {values[0]}, {by_value[1]} {values[1]}"
    return Coded(code, by_value[::-1] if turned else by_value, note)


def _may_begin_at_1(counted: Sequence[int], listed: ClassList) -> bool:
    """Whether a list that names no background may begin at 1 as well as at 0: its highest class is in no mask."""
    if any(one.is_void or one.name.lower() in BACKGROUNDS for one in listed.classes):
        return False
    return bool(counted) and counted[0] == 0 and counted[-1] < len(listed.classes) - 1


def _after(place: int) -> int:
    return place if place == VOID else place + 1


def _by_value(
    seen: Seen, listed: ClassList, names: tuple[str, ...], pairs: Sequence[tuple[int, int]], rule: str
) -> Coded:
    known = dict(pairs)
    known.setdefault(VOID, VOID)
    note = f"{rule} ({listed.path})" + _without_class([str(one) for one in sorted(seen.values) if one not in known])
    if VOID in seen.values and known[VOID] == VOID:
        note += f"; {VOID} is void"
    return Coded(MaskCode("index", tuple(sorted(known.items()))), names, note)


def _without_class(values: Sequence[str]) -> str:
    return f"; without a class: {some(values, 8)}" if values else ""


def _by_palette(seen: Seen, listed: ClassList) -> Coded | None:
    """Classes of a palette's numbers by their colours, where the list has all of these."""
    places = {one.color: listed.place(one) for one in listed.classes if one.color is not None}
    if seen.clash or not seen.palette or not set(seen.palette.values()) <= set(places):
        return None
    pairs = sorted((number, places[color]) for number, color in seen.palette.items())
    return _by_value(seen, listed, listed.names, pairs, "numbers of the palette by their colours")


def _colors_of(listed: ClassList) -> list[Color]:
    return [one.color for one in listed.classes if one.color is not None]


def _of(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _named(number: int) -> Color:
    return number >> 16, number >> 8 & 255, number & 255


def _listed_colors(seen: Seen, listed: ClassList) -> Coded:
    if not listed.colored:
        raise DataError(
            f"{seen.colored} holds colours, and {listed.path} names classes without theirs",
            fix="give the list as a table with the columns name, r, g, b",
        )
    pairs = tuple((one.color, listed.place(one)) for one in listed.classes if one.color is not None)
    known = {color for color, _ in pairs}
    names = listed.names
    black = (0, 0, 0)
    added = ""
    if black not in known and _of(black) in seen.colors and not BACKGROUNDS & {name.lower() for name in names}:
        pairs = ((black, 0), *((color, _after(place)) for color, place in pairs))
        names, known, added = ("background", *names), known | {black}, "; black, which it does not name, is background"
    missing = [str(_named(one)) for one in sorted(seen.colors) if _named(one) not in known]
    note = f"colours by {listed.path}{added}" + _without_class(missing)
    return Coded(MaskCode("color", pairs), names, note)


def _colors(seen: Seen) -> Coded:
    found = [_named(one) for one in sorted(seen.colors)]
    if len(found) > MOST_COLORS:
        raise DataError(
            f"masks hold {len(found):,} different colours, as in {seen.colored}: too many for classes that no list "
            "names",
            fix="save masks without smoothing, or put a class_dict.csv with the columns name, r, g, b beside",
        )
    palette, void = voc_palette(), voc_palette()[VOID]
    of_voc = set(found) <= {*palette[:21], void}
    if of_voc:
        highest = max((palette.index(color) for color in found if color != void), default=0)
        found = list(palette[: highest + 1])
    pairs = [(color, place) for place, color in enumerate(found)] + ([(void, VOID)] if of_voc else [])
    order = "VOC's palette" if of_voc else "red, green and blue"
    names = tuple(
        f"class {place}" if of_voc else "#{:02x}{:02x}{:02x}".format(*color) for place, color in enumerate(found)
    )
    return Coded(
        MaskCode("color", tuple(pairs)), names, f"each colour is a class, in the order of {order}: {some(names, 8)}"
    )
