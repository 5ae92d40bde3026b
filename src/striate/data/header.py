"""The size of a picture by its header alone, as it stands when EXIF has been applied."""

from __future__ import annotations

import io
from typing import cast

from PIL import Image

from striate.core.errors import DataError
from striate.core.records import Source
from striate.data.decode import FORMATS, orientation
from striate.data.store import Store, printable

_ON_ITS_SIDE = (5, 6, 7, 8)  # the orientations of EXIF that swap height and width
_SWAPPED_AT_ONCE = ("TIFF",)  # Pillow swaps these when it opens them


def upright_size(store: Store, source: Source) -> tuple[int, int]:
    """Height and width of what `striate.data.decode` makes of a picture, without decoding it.

    Raises:
        DataError: it cannot be read, or is no picture.
    """
    if source.kind == "array":
        height, width = store.read(source).shape[:2]  # type: ignore[union-attr]
        return int(height), int(width)
    try:
        file = source.path if source.kind == "file" else io.BytesIO(cast(bytes, store.read(source)))
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            turned = orientation(image) in _ON_ITS_SIDE and image.format not in _SWAPPED_AT_ONCE
            return (width, height) if turned else (height, width)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        raise DataError(f"{printable(str(source))} is no picture that can be read: {printable(str(error))}") from error
