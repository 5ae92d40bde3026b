"""Pictures with a mask each: `images/` and `masks/`, files of one name."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from striate.core.errors import DataError
from striate.core.records import VOID, Dataset, Mask, MaskCode, Sample, Source
from striate.data.decode import decode_values
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._groups import groups_of
from striate.data.readers._listing import list_folder
from striate.data.store import Store, printable

FOLDERS = ("images", "masks")


class Masks:
    """Reads a folder of pictures beside a folder of masks."""

    def accepts(self, data: Any) -> bool:
        """A folder that holds both."""
        return isinstance(data, Path) and all((data / name).is_dir() for name in FOLDERS)

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where a picture has no mask, or a mask no picture."""
        if not self.accepts(data):
            raise DataError(f"{data} has no {FOLDERS[0]}/ with {FOLDERS[1]}/ beside it", fix="choose another --reader")
        pictures, masks = (
            {str(PurePosixPath(name).with_suffix("")): source for name, source in list_folder(data / folder).pictures}
            for folder in FOLDERS
        )
        for found, other, what in ((pictures, masks, "picture"), (masks, pictures, "mask")):
            alone = sorted(found.keys() - other.keys())
            if alone:
                raise DataError(
                    f"{len(alone):,} {what}s stand alone, such as {printable(alone[0])!r}",
                    fix="give each picture a mask of the same name",
                )
        code, names = _code([masks[stem] for stem in sorted(masks)])
        keys = sorted(pictures)
        groups = groups_of(keys, options.group) if options.group else [None] * len(keys)
        samples = tuple(
            Sample(printable(key), (pictures[key],), Mask(code, (masks[key],)), group=group)
            for key, group in zip(keys, groups, strict=True)
        )
        note = f"Read as pictures with masks: {len(keys):,}, of {len(names)} classes ({code.kind})."
        return Dataset(str(data), "masks", "segment", samples, names, notes=(note,))


def _code(sources: list[Source]) -> tuple[MaskCode, tuple[str, ...]]:
    """How the values of all masks stand for classes: two grey values by a threshold, few small ones as numbers."""
    store, values = Store(), set[int]()
    for source in sources:
        content = store.read(source)
        found = decode_values(content) if isinstance(content, bytes) else content
        values |= set(np.unique(found if found.ndim == 2 else found[..., 0]).tolist())
    if len(values) == 2 and max(values) > 1:
        return MaskCode("threshold", threshold=sum(values) // 2 + 1), ("background", "foreground")
    numbers = sorted(values - {VOID})
    names = ("background", *(f"class{number}" for number in range(1, max(numbers) + 1)))
    return MaskCode("index", (*((number, number) for number in range(len(names))), (VOID, VOID))), names


READERS.register("masks")(Masks())
