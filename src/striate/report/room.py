"""Room for pictures: a page stays below 5 MB, whatever its pictures are.

Pictures stand in the page as the Run holds them where that fits. Where it does not, those that take more than their
share are written again as JPEG: in a lower quality, then smaller too. The files of the Run stay as they are.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from PIL import Image

from striate.report.facts import Facts, Figure
from striate.report.html import data_uri

MOST = 4_950_000
"""Bytes of a page, pictures included; with the name and the headers that a server adds it stays below 5 MB."""
QUALITIES = (90, 75, 60)
"""Of JPEG, tried in turn; the last one stays while the picture is made smaller."""
LARGEST, SMALLEST = 2_048, 16
"""Pixels of the longer side: more is never written again, and below the least a picture is left out, as nothing
would be seen."""
_SHRINK = 0.8
_SOURCE = re.compile(r'src="(data:[^"]*)"')


def within(facts: Facts, write: Callable[[Facts], str], most: int = MOST) -> str:
    """A page that takes no more than so many bytes, as far as pictures decide that.

    Args:
        write: the page of such facts; written again where its pictures have to be smaller.
        most: bytes of the page in UTF-8.
    """
    text = write(facts)
    size = len(text.encode("utf-8"))
    if size <= most:
        return text
    room = most - size + sum(map(len, _SOURCE.findall(text)))
    return write(replace(facts, figures=fitted(facts.figures, room)))


def fitted(figures: Sequence[Figure], room: int) -> list[Figure]:
    """The same figures, those that take more than their share made smaller, so that all of them fit.

    Args:
        room: characters of all their addresses together.

    Returns:
        figures whose `uri` is set where it is not the file's own; "" where no room was left for a picture at all.
    """
    sizes = [_size(figure) for figure in figures]
    most = share(sizes, room)
    return [
        replace(figure, uri=_smaller(figure, most)) if size > most else figure
        for figure, size in zip(figures, sizes, strict=True)
    ]


def share(sizes: Sequence[int], room: int) -> int:
    """The most that one may take so that all fit: what small ones leave goes to the large ones.

    >>> share([10, 100, 200], 150), share([10, 100], 200), share([5, 5], 0)
    (70, 100, 0)
    """
    left = max(0, room)
    ordered = sorted(sizes)
    for place, size in enumerate(ordered):
        each = left // (len(ordered) - place)
        if size > each:
            return each
        left -= size
    return ordered[-1] if ordered else 0


def _size(figure: Figure) -> int:
    """Characters of the figure's address; none where it cannot be read, which the page then says."""
    try:
        return len(data_uri(figure.path))
    except (OSError, ValueError):
        return 0


def _smaller(figure: Figure, most: int) -> str:
    """The address of a picture that takes no more than so many characters, or ""."""
    try:
        with Image.open(figure.path) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""  # a damaged file can be passed on, but not made smaller
    for one, quality in _steps(picture):
        buffer = io.BytesIO()
        one.save(buffer, "JPEG", quality=quality, optimize=True)
        uri = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
        if len(uri) <= most:
            return uri
    return ""


def _steps(picture: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """The picture in lower qualities, then smaller, the largest first."""
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    yield from ((picture, quality) for quality in QUALITIES)
    side = int(max(picture.size) * _SHRINK)
    while side >= SMALLEST:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        yield small, QUALITIES[-1]
        side = int(side * _SHRINK)
