"""Pictures with their labels beside them in an archive: `KEY.jpg` and `KEY.cls` or `KEY.json`, as WebDataset has it.

A `.cls` holds a class, as a number or a name; a `.json` an object whose "label" or "cls" does. The key is the name up
to the first dot after the last slash.
"""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from striate.core.errors import DataError
from striate.core.records import Dataset, Sample, Source
from striate.data.readers import ReadOptions
from striate.data.readers._groups import groups_of
from striate.data.readers._listing import Listing
from striate.data.readers._targets import infer
from striate.data.store import Store, printable

Pair: TypeAlias = tuple[str, str]
"""An archive's path and a key in it."""

_KINDS = ("cls", "json")
_FIELDS = ("label", "cls")


def find_labels(listing: Listing) -> dict[Pair, tuple[str, Source]]:
    """The name and place of the label beside each picture; none where the archive is of another kind.

    Every `.cls` is a label; every `.json` is one where there is no `.cls` and the first of them says so.
    """
    pictures = {(source.path, _parts(name)[0]) for name, source in listing.pictures}
    found: dict[str, dict[Pair, tuple[str, Source]]] = {kind: {} for kind in _KINDS}
    for name, source in listing.others:
        key, kind = _parts(name)
        if kind in found and (source.path, key) in pictures:
            found[kind][source.path, key] = name, source
    if found["cls"]:
        return found["cls"]
    with contextlib.suppress(DataError):  # what is no JSON is no label either
        if found["json"] and _label(Store(), *next(iter(found["json"].values()))):
            return found["json"]
    return {}


def dataset_of(
    listing: Listing, labels: Mapping[Pair, tuple[str, Source]], options: ReadOptions, reader: str
) -> Dataset:
    """The Dataset of pictures with labels beside them; keys are the pictures' names.

    Raises:
        DataError: two pictures of one key, a picture without a label, or a label that cannot be read.
    """
    store, cells = Store(), []
    names: dict[Pair, str] = {}
    for name, source in listing.pictures:
        pair = source.path, _parts(name)[0]
        if pair in names:
            raise DataError(
                f"{printable(source.path)} holds two pictures of one key, {printable(names[pair])!r} and "
                f"{printable(name)!r}",
                fix="keep one picture a key; a key is the name up to its first dot",
            )
        names[pair] = name
        cells.append(_label(store, *labels[pair]) if pair in labels else "")
    keys = [printable(name) for name, _ in listing.pictures]
    (kind,) = {_parts(name)[1] for name, _ in labels.values()}
    found = infer({f".{kind}": cells}, lambda row: keys[row], options.task or "classify")
    notes = [f"Read as pictures with a .{kind} beside each: {len(keys):,} pictures, {found.note}."]
    if options.label_depth is not None:
        notes.append("--label-depth has no use here: labels do not come from folders.")
    groups: Sequence[str | None] = groups_of(keys, options.group) if options.group else [None] * len(keys)
    samples = [
        Sample(key, (source,), target, group=group)
        for key, (_, source), target, group in zip(keys, listing.pictures, found.values, groups, strict=True)
    ]
    samples.sort(key=lambda sample: sample.key)
    notes += listing.notes(name for name, _ in labels.values())
    return Dataset(listing.path, reader, found.task, tuple(samples), found.names, notes=tuple(notes))


def _parts(name: str) -> Pair:
    """A name's key and what stands behind its first dot, in small letters.

    >>> _parts("a.b/0001.seg.PNG")
    ('a.b/0001', 'seg.png')
    """
    folder, base = posixpath.split(name)
    key, _, kind = base.partition(".")
    return posixpath.join(folder, key), kind.lower()


def _label(store: Store, name: str, source: Source) -> str:
    """A label as text; "" where the file says none."""
    text = cast(bytes, store.read(source)).decode("utf-8", "surrogateescape")
    if _parts(name)[1] == "cls":
        return text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(str(source))} is no JSON: {error}", fix="correct it") from error
    fields = content if isinstance(content, dict) else {}
    value = next((fields[field] for field in _FIELDS if field in fields), None)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
