"""From what the user names to a Dataset: the reader that fits, further data for validation and test, one test rule."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from striate.core.errors import DataError, UnknownName
from striate.core.records import Dataset, Sample, Source, Split
from striate.data.by_time import read_time
from striate.data.decode import taken
from striate.data.readers import EXIF, READERS, ReadOptions
from striate.data.readers._listing import ARCHIVES, archive_kind, head_of_file, is_picture, list_archive, walk_folder
from striate.data.readers._main_code import main_code
from striate.data.readers._places import without_root
from striate.data.readers._same_classes import with_same_classes
from striate.data.readers._targets import TASKS
from striate.data.store import Store, printable

GENERAL = "folders"
"""The reader that takes any folder, and so steps back for one that knows more about it."""

STEPS_BACK = {"table": "box_table"}
"""A reader that takes what another one knows more about: a table of boxes is a table too."""

ROOTED = ("table", "archive", "box_table", "coco", "coco_boxes", "mask_lists", "yolo")
"""Readers of files that name pictures by paths, for which `--root` is; they say themselves where it has no use."""


def open_dataset(
    data: str | Path | Mapping[str, NDArray[Any]] | None = None,
    options: ReadOptions | None = None,
    *,
    reader: str | None = None,
    val: str | None = None,
    test: str | None = None,
) -> Dataset:
    """Open data of any kind that there is a reader for. Nothing is decoded yet.

    Args:
        data: a folder, table, archive, folder of archives or .npz; arrays by name; None for the built-in digits.
        options: what the user says about the data.
        reader: the reader's name, in place of choosing by looking.
        val, test: further data, read the same way, all of which is validation or test.

    Returns:
        samples sorted by key, with the splits that the data itself gives. A single held-out part is the test.

    Raises:
        DataError: it does not exist, may not be read, holds no pictures or no labels, or contradicts itself.
        UnknownName: there is no such reader or task.

    >>> digits = open_dataset()
    >>> len(digits), digits.task, digits.samples[0].key
    (1797, 'classify', 'digits/0000')
    """
    options = options or ReadOptions()
    if options.task is not None and options.task not in TASKS:
        raise UnknownName("task", options.task, TASKS)
    whole = _read(data, options, reader)
    further = {"val": val, "test": test}
    known = replace(options, task=whole.task, masks=main_code(whole))
    for split, path in further.items():
        if path is not None:
            part = _further(path, known, reader)
            whole = _joined(whole, part, cast(Split, split))
    if val is None:
        whole = _one_held_out_is_test(whole)
    _check_keys(whole.samples)
    return whole


def open_as_given(data: str | Path, options: ReadOptions | None = None, *, reader: str | None = None) -> Dataset:
    """Open data with the splits just as the data names them: what is to be written anew keeps them.

    Args:
        data, options, reader: as for `open_dataset`, and the errors too.
    """
    found = _read(data, options or ReadOptions(), reader)
    _check_keys(found.samples)
    return found


def _read(data: Any, options: ReadOptions, name: str | None) -> Dataset:
    if isinstance(data, str | Path):
        data = _existing(data)
    name = name if name is not None else _choose(data, options.task)
    found = READERS.get(name).read(data, options)
    unused = []
    if options.label_depth is not None and name not in ("folders", "archive", "shards"):
        unused.append("--label-depth has no use here: labels do not come from folders.")
    if name not in ROOTED:
        found = without_root(found, options)
    if options.time is not None and not any(sample.time is not None for sample in found.samples):
        if options.time != EXIF:
            raise DataError(
                f"--time {options.time} names a column, and there is no table to have it",
                fix=f"give a table with a row for each picture, or --time {EXIF} for when each was taken",
            )
        found = _timed_by_file(found)
    return replace(found, notes=(*found.notes, *unused))


def _timed_by_file(dataset: Dataset) -> Dataset:
    """The same with the time of each sample that its file gives. Raises `DataError` where none does."""
    store = Store(dataset.arrays)
    samples = tuple(replace(sample, time=_taken(store, sample)) for sample in dataset.samples)
    if not any(sample.time is not None for sample in samples):
        raise DataError(
            f"none of the {len(samples):,} pictures of {dataset.path} says when it was taken, by an EXIF date",
            fix="give a table with a column of times and --time COLUMN, or leave --time out",
        )
    return replace(dataset, samples=samples)


def _taken(store: Store, sample: Sample) -> float | None:
    try:
        content = store.read(sample.sources[0])
    except DataError:
        return None  # the audit says what is wrong with it, and quarantines it
    return read_time(taken(content)) if isinstance(content, bytes) else None


def _further(path: str, options: ReadOptions, reader: str | None) -> Dataset:
    """Data of a split that is given, which needs no time where the data that is divided has one."""
    try:
        return _read(path, options, reader)
    except (DataError, UnknownName) as error:
        if options.time is None:
            raise
        found = _read(path, replace(options, time=None), reader)  # raises where it was not the time
        return replace(found, notes=(*found.notes, f"its times are not read: {error.message}."))


def _existing(data: str | Path) -> Path:
    path = Path(os.path.abspath(Path(data).expanduser()))
    try:
        os.stat(path)
    except PermissionError as error:
        raise DataError(
            f"there is no permission to read {printable(str(path))}", fix="give yourself the right to read it"
        ) from error
    except (OSError, ValueError) as error:
        beside = _nearest_beside(path)
        raise DataError(
            f"{printable(str(path))} does not exist" + (f"; did you mean {beside}?" if beside else ""),
            fix="give a folder, a table, a .zip, a .tar or an .npz; or nothing, for the built-in digits",
        ) from error
    if path.is_file() and not os.access(path, os.R_OK):
        raise DataError(f"there is no permission to read {printable(str(path))}", fix="give yourself the right to")
    return path


def _nearest_beside(path: Path) -> str | None:
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        return None  # its folder is not there either: nothing to offer
    same = [name for name in names if name.lower() == path.name.lower() or Path(name).stem == path.name]
    return printable(same[0]) if same else None


def _choose(data: Any, task: str | None) -> str:
    """The reader that fits data and task.

    Raises:
        DataError: none does, several do, or what is there is for another task.
    """
    fitting = [name for name, reader in READERS.items() if reader.accepts(data)]
    names = [name for name in fitting if _of_task(name) in (None, task or _of_task(name))]
    own = [name for name in names if task is not None and _of_task(name) == task]
    names = own or names
    others = {other: name for name in fitting if (other := _of_task(name)) not in (None, task)}
    if task is not None and task in map(_of_task, READERS.names()) and not own and others:
        held = " and ".join(f"{other!r} (--reader {name})" for other, name in others.items())
        raise DataError(
            f"{printable(str(data))} holds data for the task {held}, and nothing for the task {task!r}",
            fix="name other data, or leave --task out where it is given",
        )
    if len(names) > 1 and GENERAL in names:
        names.remove(GENERAL)
    names = [name for name in names if STEPS_BACK.get(name) not in names]
    if not names:
        raise DataError(
            f"{printable(str(data))} is of no kind that there is a reader for ({', '.join(READERS.names())})",
            fix="give a folder of class folders or of pictures with boxes, a .csv or .tsv, a .zip, a .tar or an .npz",
        )
    if len(names) > 1:
        raise _several(printable(str(data)), {name: _of_task(name) for name in names})
    return names[0]


def _several(data: str, ways: Mapping[str, str | None]) -> DataError:
    """The error that data can be read in several ways: by readers of these names, for these tasks."""
    tasks = set(ways.values())
    if len(tasks) == len(ways) and None not in tasks:
        shown = ", ".join(f"{name} (--task {task})" for name, task in ways.items())
        return DataError(f"{data} can be read in several ways: {shown}", fix="choose one with --task")
    return DataError(f"{data} can be read in several ways: {', '.join(ways)}", fix="choose one with --reader")


def _of_task(name: str) -> str | None:
    """The one task that a reader is for; None for one that reads data of several."""
    return getattr(READERS.get(name), "task", None)


def _joined(whole: Dataset, part: Dataset, split: Split) -> Dataset:
    """A Dataset with further data, all of one split; the rest, where it has no split, is for training.

    Pictures named in both are in the further data alone. Its keys, and the names of its arrays, begin with the split.
    """
    if part.task != whole.task:
        raise DataError(f"the data is for {whole.task!r} and --{split} for {part.task!r}", fix="choose with --task")
    if whole.task == "segment":
        whole, part = with_same_classes(whole, part, split)
    if whole.task == "regress" and part.target_names != whole.target_names:
        raise DataError(
            f"the data has the targets {', '.join(whole.target_names)} and --{split} {', '.join(part.target_names)}",
            fix="give both the same columns",
        )
    if split in whole.given_splits:
        raise DataError(
            f"the data has a split {split!r} of its own, and --{split} names another", fix=f"leave out --{split}"
        )
    taken = {source for sample in part.samples for source in sample.sources if source.kind != "array"}
    kept = [sample for sample in whole.samples if taken.isdisjoint(sample.sources)]
    notes = [f"--{split}: {note}" for note in part.notes]
    if part.given_splits:
        notes.append(f"--{split} has splits of its own, which are passed over: all of it is {split}.")
    if len(kept) < len(whole.samples):
        notes.append(f"{len(whole.samples) - len(kept):,} pictures of the data are those of --{split}, and only that.")
    if not kept:
        raise DataError(f"all of the data is in --{split}: nothing is left to train on", fix="name other data")
    moved = [
        replace(
            sample,
            key=f"{split}:{sample.key}",
            sources=tuple(_moved(source, split) for source in sample.sources),
            split=split,
        )
        for sample in part.samples
    ]
    rest = [sample if sample.split is not None else replace(sample, split="train") for sample in kept]
    names = whole.target_names
    if whole.task not in ("regress", "segment"):
        names = tuple(sorted({*whole.target_names, *part.target_names}))
    return replace(
        whole,
        samples=tuple(sorted([*rest, *moved], key=lambda sample: sample.key)),
        target_names=names,
        arrays={**whole.arrays, **{f"{split}:{name}": array for name, array in part.arrays.items()}},
        notes=(*whole.notes, *notes),
        unpaired={**whole.unpaired, **{f"{split}:{name}": lacks for name, lacks in part.unpaired.items()}},
    )


def _moved(source: Source, split: str) -> Source:
    return replace(source, path=f"{split}:{source.path}") if source.kind == "array" else source


def _one_held_out_is_test(dataset: Dataset) -> Dataset:
    """Where the data gives one held-out part, it is the test: validation is carved from train, and selects."""
    given = dataset.given_splits
    if given and (given == {"train"} or "train" not in given):
        note = f"The data gives only the split {', '.join(sorted(given))}; it is split anew."
        samples = tuple(replace(sample, split=None) for sample in dataset.samples)
        return replace(dataset, samples=samples, notes=(*dataset.notes, note))
    if "val" not in given or "test" in given:
        return dataset
    samples = tuple(replace(one, split="test") if one.split == "val" else one for one in dataset.samples)
    note = "The validation part is the only one held out: it is the test, and validation is carved from train."
    return replace(dataset, samples=samples, notes=(*dataset.notes, note))


def _check_keys(samples: Iterable[Sample]) -> None:
    counts = Counter(sample.key for sample in samples)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice):,} names stand for several pictures each, the first of them {twice[0]!r}",
            fix="rename the files so that each has a name of its own",
        )


def list_pictures(paths: Sequence[str | Path]) -> Iterator[Sample]:
    """Pictures to predict: of files, of folders (at any depth, sorted) and of archives, in the order given, lazily.

    A file named by itself is taken whatever its suffix; in folders and archives, what is no picture is passed over. A
    folder of archives without a picture beside them stands for the archives.

    Args:
        paths: what the user named; keys begin with it.

    Raises:
        DataError: at once where a path does not exist; later where a folder may not be read, or holds no picture.
    """
    existing = [(str(path), _existing(path)) for path in paths]
    return (sample for named, path in existing for sample in _pictures_of(named, path))


def _pictures_of(named: str, path: Path) -> Iterator[Sample]:
    if path.is_dir():
        found, archives = 0, []
        for name, source, hidden in walk_folder(str(path)):
            if not hidden and is_picture(name, partial(head_of_file, source.path)):
                found += 1
                yield Sample(printable(os.path.join(named, name)), (source,))
            elif not hidden and name.lower().endswith(ARCHIVES):
                archives.append(name)
        if not found and not archives:
            raise DataError(f"there are no pictures in {printable(named)}", fix="name pictures, or a folder of them")
        for name in archives if not found else []:
            yield from _pictures_of(os.path.join(named, name), path / name)
    elif archive_kind(path) is not None:
        listing = list_archive(path)
        listing.require_pictures()
        for name, source in listing.pictures:
            yield Sample(printable(f"{named}::{name}"), (source,))
    else:
        yield Sample(printable(named), (Source("file", str(path)),))
