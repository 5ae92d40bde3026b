"""From columns of cells to targets: classes, several classes at once, or numbers; inferred, said, overruled."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.records import Label, Labels, Target, Value
from striate.data.readers import ReadOptions
from striate.data.store import printable

TASKS = ("classify", "multilabel", "regress", "segment", "detect")

BOXES, MASKS = "detect", "segment"
"""The tasks whose targets no column or folder gives."""

FEW = 20
"""Up to this many distinct numbers are classes unless some has a fraction; more are a quantity."""

_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)", re.IGNORECASE)
_ABSENT = frozenset({"na", "n/a", "null", "none", "?", "-"})


def check_task(options: ReadOptions, task: str, kind: str, instead: str = "another --reader") -> None:
    """Raise where the user wants another task than data of boxes or of masks is for.

    Args:
        task: `BOXES` or `MASKS`.
        kind: what the data is read as, such as "Pascal VOC".
        instead: what to choose for another task.

    Raises:
        UsageError: of boxes.
        DataError: of masks.
    """
    if options.task in (None, task):
        return
    error, things = (UsageError, "boxes") if task == BOXES else (DataError, "masks")
    raise error(
        f"this is read as {kind} and holds {things}, which are for the task {task!r}, not {options.task!r}",
        fix=f"leave out --task, or choose {instead}",
    )


@dataclass(frozen=True)
class Targets:
    """Targets of all rows.

    Args:
        task: what they are.
        values: one a row.
        names: class names, sorted; or the columns' names.
        note: what was inferred, for the user.
    """

    task: str
    values: list[Target]
    names: tuple[str, ...]
    note: str


def infer(columns: Mapping[str, Sequence[str]], where: Callable[[int], str], task: str | None = None) -> Targets:
    """Make out what the columns hold.

    Args:
        columns: the target columns by name, cells as text.
        where: a row's place in words, such as "line 7".
        task: the user's word, which overrules.

    Raises:
        DataError: the task needs boxes; cells are empty, not numbers or not finite where numbers are called for.
        UnknownName: there is no such task.

    >>> infer({"count": [str(n * n) for n in range(30)]}, str).task, infer({"kind": ["1", "2", "1"]}, str).task
    ('regress', 'classify')
    >>> infer({"tags": ["a;b", "b"]}, str).values[0]
    Labels(names=('a', 'b'))
    """
    if task is not None and task not in TASKS:
        raise UnknownName("task", task, TASKS)
    if task == BOXES:
        raise DataError(
            f"this data gives {', '.join(map(repr, columns))} for each picture and no boxes, which the task 'detect' "
            "needs",
            fix="name data in the format of Pascal VOC, COCO or YOLO, or a table of boxes",
        )
    if task == MASKS:
        raise DataError(
            "the task 'segment' needs a mask for each picture, and only labels were found",
            fix="lay masks beside the pictures, as in images/a.jpg and masks/a.png, or choose another --task",
        )
    stripped = {printable(name): [cell.strip() for cell in cells] for name, cells in columns.items()}
    for name, cells in stripped.items():
        _refuse(name, cells, where, lambda cell: cell.lower() in ("", "nan"), "no target")
    if len(stripped) > 1:
        return _several(stripped, where, task)
    ((name, cells),) = stripped.items()
    if task == "multilabel" or (task is None and any(";" in cell for cell in cells)):
        return _labels(name, cells, where, task)
    if task is None:
        task = _kind(name, cells, where)
    return _numbers({name: cells}, where, task) if task == "regress" else _classes(cells)


def _refuse(
    name: str, cells: Sequence[str], where: Callable[[int], str], wrong: Callable[[str], bool], words: str
) -> None:
    rows = [row for row, cell in enumerate(cells) if wrong(cell)]
    if rows:
        shown = ", ".join(where(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        many = f"{len(rows):,} of {len(cells):,} rows have"
        raise DataError(
            f"{many if len(rows) > 1 else 'one row has'} {words} in column {name!r}: {shown}",
            fix="fill them in, or leave these rows out",
        )


def _is_number(cell: str) -> bool:
    """Whether a cell is a number; one padded with zeros ("007") is a name."""
    return _NUMBER.fullmatch(cell) is not None and not re.match(r"0\d+$", cell)


def _kind(name: str, cells: Sequence[str], where: Callable[[int], str]) -> str:
    """Regression or classes, for one column that no one has decided on."""
    numbers = [cell for cell in cells if _is_number(cell)]
    odd = len(cells) - len(numbers)
    if odd:
        quantity = _many([float(cell) for cell in numbers])
        absent = all(cell.lower() in _ABSENT for cell in cells if not _is_number(cell))
        if quantity and (absent or odd <= 0.05 * len(cells)):
            _refuse(name, cells, where, lambda cell: not _is_number(cell), "no number")
        return "classify"
    _refuse(name, cells, where, lambda cell: not math.isfinite(float(cell)), "a number that is not finite")
    return "regress" if _many([float(cell) for cell in numbers]) else "classify"


def _many(values: Sequence[float]) -> bool:
    """Whether numbers are a quantity: more than `FEW` distinct ones, or more than half as many with fractions.

    Whole numbers that count from 0 or 1 without a gap, and are all about equally frequent, name classes: at least ten
    of each, the most frequent at most twice as frequent as the rarest.
    """
    counts = Counter(values)
    if not all(value.is_integer() for value in counts):
        return len(counts) > FEW // 2
    if len(counts) <= FEW:
        return False
    gapless = min(counts) in (0, 1) and max(counts) - min(counts) + 1 == len(counts)
    even = min(counts.values()) >= 10 and max(counts.values()) <= 2 * min(counts.values())
    return not (gapless and even)


def _classes(cells: Sequence[str]) -> Targets:
    labels = {cell: Label(printable(cell)) for cell in set(cells)}
    names = tuple(sorted({label.name for label in labels.values()}))
    return Targets("classify", [labels[cell] for cell in cells], names, f"{_count(names)}: {_shown(names)}")


def _labels(name: str, cells: Sequence[str], where: Callable[[int], str], task: str | None) -> Targets:
    split = {cell: tuple(sorted({part.strip() for part in printable(cell).split(";")} - {""})) for cell in set(cells)}
    _refuse(name, cells, where, lambda cell: not split[cell], "no class")
    made = {cell: Labels(names) for cell, names in split.items()}
    names = tuple(sorted({one for parts in split.values() for one in parts}))
    because = "" if task else ", as cells hold several with a ';' between"
    note = f"any number of {len(names)} classes for each{because}: {_shown(names)}"
    return Targets("multilabel", [made[cell] for cell in cells], names, note)


def _numbers(columns: Mapping[str, Sequence[str]], where: Callable[[int], str], task: str) -> Targets:
    for name, cells in columns.items():
        _refuse(name, cells, where, lambda cell: not _is_number(cell) and not cell.isdigit(), "no number")
        _refuse(name, cells, where, lambda cell: not math.isfinite(float(cell)), "a number that is not finite")
    rows = zip(*([float(cell) for cell in cells] for cells in columns.values()), strict=True)
    values: list[Target] = [Value(row) for row in rows]
    distinct = ", ".join(f"{name!r} with {len(set(cells)):,} distinct values" for name, cells in columns.items())
    return Targets(task, values, tuple(columns), f"a regression: {distinct}")


def _several(columns: Mapping[str, Sequence[str]], where: Callable[[int], str], task: str | None) -> Targets:
    """Several columns: numbers; or, where they hold nothing but 0 and 1, one column a class."""
    wordy = [name for name, cells in columns.items() if not all(_is_number(cell) or cell.isdigit() for cell in cells)]
    if wordy and not all(any(_is_number(cell) for cell in columns[name]) for name in wordy):
        raise DataError(
            f"the table has {len(columns)} columns that could be the target, and not all hold numbers: "
            + ", ".join(map(repr, columns)),
            fix="keep one, or name it 'label' in the header; several classes for one picture go into one cell as a;b",
        )
    if task != "regress" and not wordy and all(float(cell) in (0, 1) for cells in columns.values() for cell in cells):
        return _indicators(columns, where, task)
    if task in ("classify", "multilabel"):
        raise DataError(
            f"{len(columns)} target columns are not 0 and 1 throughout, so they cannot be classes: "
            + ", ".join(map(repr, columns)),
            fix="keep one target column, or choose --task regress",
        )
    return _numbers(columns, where, "regress")


def _indicators(columns: Mapping[str, Sequence[str]], where: Callable[[int], str], task: str | None) -> Targets:
    names = tuple(columns)
    rows = [
        tuple(sorted(name for name, cell in zip(names, row, strict=True) if float(cell) == 1))
        for row in zip(*columns.values(), strict=True)
    ]
    several = [row for row, found in enumerate(rows) if len(found) != 1]
    if task == "classify" and several:
        raise DataError(
            f"{len(several):,} rows have no class or several, the first in {where(several[0])}",
            fix="choose --task multilabel",
        )
    if task == "multilabel" or several:
        values: list[Target] = [Labels(found) for found in rows]
        note = f"any number of {len(names)} classes for each, from columns of 0 and 1: {_shown(names)}"
        return Targets("multilabel", values, tuple(sorted(names)), note)
    values = [Label(found[0]) for found in rows]
    note = f"{len(names)} classes, from columns of 0 and 1 with a single 1 in each row: {_shown(names)}"
    return Targets("classify", values, tuple(sorted({found[0] for found in rows})), note)


def _count(names: Sequence[str]) -> str:
    return "1 class" if len(names) == 1 else f"{len(names):,} classes"


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
