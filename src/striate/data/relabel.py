"""Corrections of labels, from a list beside the data: the data itself stays as it is.

A CSV with the columns `path` and `label`, and any others, which are passed over: the list that the search for wrong
labels writes may be corrected and given back. A label that is empty or `exclude` leaves the sample out.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from striate.core.errors import DataError, nearest
from striate.core.records import Dataset, Label, Sample
from striate.core.wording import plural

EXCLUDE = "exclude"
"""The word that leaves a sample out, unless a class is called so; an empty label always does."""


def relabelled(dataset: Dataset, file: str | Path) -> Dataset:
    """A Dataset with labels as a list corrects them; which were changed and left out stands in it.

    Args:
        file: the list.

    Raises:
        DataError: no such file, no such columns, a path that the data lacks or that is there twice, a class that the
            data lacks, or samples that have not one class each.
    """
    name, rows = Path(file).name, _rows(Path(file))
    known = {sample.key: sample for sample in dataset.samples}
    changed: dict[str, Sample] = {}
    former, left_out, lines = dict(dataset.relabelled), dict(dataset.left_out), dict[str, int]()
    for number, row in enumerate(rows, start=2):
        where = f"{file}, line {number}"
        key = _key(row["path"] or "", dataset, known, where)
        if key in lines:
            raise DataError(f"{where}: {key} is there twice, first in line {lines[key]}", fix="keep one row a sample")
        lines[key] = number
        label, sample = (row["label"] or "").strip(), known[key]
        if not label or (label == EXCLUDE and label not in dataset.target_names):
            left_out[key] = f"{name} leaves it out"
            continue
        if not isinstance(sample.target, Label):
            raise DataError(
                f"{where}: labels can be corrected where each sample has one class; this data is for {dataset.task}",
                fix=f"correct the data's own table; `{EXCLUDE}` in place of a label leaves a sample out",
            )
        if label not in dataset.target_names:
            near = nearest(label, dataset.target_names)
            raise DataError(
                f"{where}: {label!r} is no class of the data" + (f"; did you mean {near!r}?" if near else ""),
                fix=f"the classes are {', '.join(dataset.target_names[:40])}; an empty label leaves a sample out",
            )
        if label != sample.target.name:
            changed[key] = replace(sample, target=Label(label))
            former[key] = sample.target.name
    if left_out.keys() >= known.keys():
        raise DataError(f"{file} leaves all samples out", fix="leave some in")
    note = (
        f"{name} changes {plural(len(former), 'label', 'labels')} and leaves out "
        f"{plural(len(left_out), 'sample', 'samples')}; the data stays as it is."
    )
    samples = tuple(changed.get(sample.key, sample) for sample in dataset.samples)
    return replace(dataset, samples=samples, relabelled=former, left_out=left_out, notes=(*dataset.notes, note))


def _key(path: str, dataset: Dataset, known: Mapping[str, Sample], where: str) -> str:
    """The key that a path names: the key itself, or the file's path."""
    if path in known:
        return path
    try:
        inside = Path(os.path.abspath(path)).relative_to(dataset.path).as_posix()
    except ValueError:
        inside = path  # it is not in the folder of the data
    if inside in known:
        return inside
    near = nearest(path, known)
    raise DataError(
        f"{where}: the data has no sample {path!r}" + (f"; did you mean {near!r}?" if near else ""),
        fix=f"paths are relative to {dataset.path}, as in split.csv and in the list of likely wrong labels",
    )


def read_list(path: str | Path) -> str:
    """The text of a list. Raises `DataError` where there is none, or it may not be read."""
    try:
        return Path(path).read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise DataError(f"the list of labels {path} does not exist", fix="write it as `path,label` rows") from None
    except OSError as error:
        raise DataError(f"the list of labels {path} cannot be read: {error.strerror}") from error


def _rows(path: Path) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_list(path).removeprefix("\ufeff"), newline=""))
    found = reader.fieldnames or []
    if "path" not in found or "label" not in found:
        raise DataError(
            f"{path} has the columns {', '.join(found) or 'none'}; a list of labels has at least path,label",
            fix="write it with commas and a header",
        )
    return list(reader)
