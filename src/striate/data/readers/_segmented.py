"""The Dataset of pictures with masks, once it is known whose mask is where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from striate.core.errors import DataError
from striate.core.records import Dataset, Mask, MaskCode, Sample, Split
from striate.core.wording import plural, some
from striate.data.classes import BACKGROUNDS
from striate.data.readers import ReadOptions
from striate.data.readers._class_lists import ClassList
from striate.data.readers._groups import groups_of
from striate.data.readers._main_code import as_in_data
from striate.data.readers._mask_codes import MOST_COLORS, Coded, code_of, look
from striate.data.readers._mask_pairs import Pair
from striate.data.store import printable

NO_MASK, NO_PICTURE = "no mask", "no picture"
"""What a file lacks, in `Dataset.unpaired`."""
_COVERED = "whatever is not 0 in its file, of JPEGs and smoothed files from half of the highest value on"


@dataclass(frozen=True)
class Found:
    """What a reader of masks has found.

    Args:
        path, reader: what the Dataset is to say of itself.
        words: how it was read, after "Read as ".
        pairs: pictures with their masks.
        unpaired: files without their counterpart, and what they lack.
        notes: what else is to be said.
    """

    path: str
    reader: str
    words: str
    pairs: Sequence[Pair]
    unpaired: Mapping[str, str]
    notes: Sequence[str] = ()


def dataset_of(found: Found, listed: ClassList | None, options: ReadOptions, coded: Coded | None = None) -> Dataset:
    """The Dataset of pictures with mask files.

    Args:
        coded: how masks stand for classes, where that was made out already.

    Raises:
        DataError: no picture has a mask, or what masks hold cannot be told.
    """
    if not found.pairs:
        lacking = some([f"{printable(name)} ({what})" for name, what in found.unpaired.items()])
        raise DataError(
            f"no picture in {printable(found.path)} has a mask" + (f": {lacking}" if lacking else ""),
            fix="give masks the stems of their pictures: images/a.jpg and masks/a.png",
        )
    if any(name for pair in found.pairs for name, _ in pair.masks):
        masks, coded = _of_files(found.pairs)
    else:
        sources = [pair.masks[0][1] for pair in found.pairs]
        if coded is None:
            seen = look(sources)
            coded = as_in_data(seen, listed, options.masks) or code_of(seen, listed)
        masks = [Mask(coded.code, (source,)) for source in sources]
    splits, notes = given_splits([pair.split for pair in found.pairs])
    rows = zip(found.pairs, masks, splits, strict=True)
    samples = [Sample(printable(pair.name), (pair.source,), mask, split, pair.group) for pair, mask, split in rows]
    return finished(found, samples, coded, [*notes, *found.notes], options)


def finished(
    found: Found, samples: Sequence[Sample], coded: Coded, notes: Sequence[str], options: ReadOptions
) -> Dataset:
    """The Dataset of samples with masks of any kind, with what is to be said first, groups, and what lacks what."""
    if options.group == "group" and any(sample.group for sample in samples):
        pass  # the column of that name
    elif options.group:
        groups = groups_of([sample.key for sample in samples], options.group)
        samples = [
            Sample(one.key, one.sources, one.target, one.split, group)
            for one, group in zip(samples, groups, strict=True)
        ]
    first = (
        f"Read as {found.words}: {plural(len(samples), 'picture with a mask', 'pictures with masks')}, "
        f"{plural(len(coded.names), 'class', 'classes')} ({some(coded.names, 8)}); {coded.note}."
    )
    return Dataset(
        found.path,
        found.reader,
        "segment",
        tuple(sorted(samples, key=lambda sample: sample.key)),
        coded.names,
        notes=(first, *unpaired_notes(found.unpaired), *notes),
        unpaired={printable(name): what for name, what in sorted(found.unpaired.items())},
    )


def unpaired_notes(unpaired: Mapping[str, str]) -> list[str]:
    """What is left out since its counterpart is missing, in sentences."""
    notes = []
    for what, one, many in (
        (NO_MASK, "picture has no mask and is left out", "pictures have no mask and are left out"),
        (NO_PICTURE, "mask has no picture and is left out", "masks have no picture and are left out"),
    ):
        names = [printable(name) for name, lacks in sorted(unpaired.items()) if lacks == what]
        if names:
            notes.append(f"{plural(len(names), one, many)}: {some(names)}.")
    return notes


def given_splits(splits: Sequence[Split | None]) -> tuple[list[Split | None], list[str]]:
    """The splits that folders or lists give, where there is one to train on and one held out; and a note of them."""
    counts = Counter(split for split in splits if split is not None)
    if not counts:
        return list(splits), []
    if "train" not in counts or len(counts) == 1:
        shown = ", ".join(sorted(counts))
        return [None] * len(splits), [f"{shown} without its counterpart gives no split: all is taken together."]
    shown = ", ".join(f"{name} {counts[name]:,}" for name in ("train", "val", "test") if name in counts)
    return list(splits), [f"The data gives the splits: {shown}."]


def _of_files(pairs: Sequence[Pair]) -> tuple[list[Mask], Coded]:
    """Masks of one file a class. A class without a file is not in the picture; the last by name covers the others.

    More names than a mask has colours are no classes but things, each in a file of its own: all are foreground.
    """
    found = sorted({name for pair in pairs for name, _ in pair.masks})
    if len(found) > MOST_COLORS:
        codes = {count: _of_things(count) for count in {len(pair.masks) for pair in pairs}}
        masks = [Mask(codes[len(pair.masks)], tuple(source for _, source in pair.masks)) for pair in pairs]
        rule = f"{len(found):,} names of files are no classes but things, of which each is foreground: {_COVERED}"
        return masks, Coded(masks[0].code, ("background", "foreground"), rule)
    background = next((name for name in found if name.lower() in BACKGROUNDS), "background")
    names = (background, *(name for name in found if name != background))
    of_names: dict[tuple[str, ...], MaskCode] = {}
    masks = []
    for pair in pairs:
        own = tuple(name for name, _ in pair.masks)
        if own not in of_names:
            of_names[own] = MaskCode("files", tuple((number, names.index(name)) for number, name in enumerate(own)))
        masks.append(Mask(of_names[own], tuple(source for _, source in pair.masks)))
    return masks, Coded(masks[0].code, names, f"a file a class: {_COVERED}; later names cover")


def _of_things(count: int) -> MaskCode:
    return MaskCode("files", tuple((number, 1) for number in range(count)))
