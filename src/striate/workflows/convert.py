"""`convert`: annotations of pictures with boxes, written anew in another format; the data stays as it is."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from striate.core.artifacts import write_folder
from striate.core.errors import DataError, RunError, UnknownName
from striate.core.events import Reporter
from striate.core.records import Boxes, Dataset, Sample
from striate.core.wording import plural, some
from striate.data.header import upright_size
from striate.data.store import Store, printable
from striate.data.writers import WRITERS, Scene, Writer

PICTURES = ("copy", "none")
"""What becomes of the pictures: copied beside the annotations, or left where they are."""


@dataclass(frozen=True)
class Converted:
    """What was written.

    Args:
        out: the folder.
        format: the writer's name.
        pictures, boxes: that were written about.
        copied: pictures that were copied.
        classes: names, sorted.
        splits: pictures in each split; empty where the data gives none.
        lost: what the format has no room for, and how many boxes (or classes) had it, or were it.
        left_out: pictures, with the reason.
        dropped: boxes that are none, with the reason.
    """

    out: Path
    format: str
    pictures: int
    boxes: int
    copied: int
    classes: tuple[str, ...]
    splits: dict[str, int]
    lost: dict[str, int]
    left_out: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `striate convert --json` prints."""
        left = [{"path": key, "reason": reason} for key, reason in self.left_out]
        return {**asdict(self), "out": str(self.out), "left_out": left}

    def sentences(self) -> list[str]:
        """What the user should know."""
        found = [
            f"{plural(self.pictures, 'picture', 'pictures')} with {plural(self.boxes, 'box', 'boxes')} in {self.out}"
        ]
        if self.splits:
            found.append("splits: " + ", ".join(f"{split} {count:,}" for split, count in self.splits.items()))
        found += [f"lost, as {self.format} has no room for it: {what} ({count:,})" for what, count in self.lost.items()]
        if self.dropped:
            found.append(f"dropped, as they are no boxes: {len(self.dropped):,}, such as {self.dropped[0]}")
        if self.left_out:
            shown = "; ".join(f"{key}: {reason}" for key, reason in self.left_out[:3])
            found.append(f"left out: {plural(len(self.left_out), 'picture', 'pictures')}: {shown}")
        return found


def refuse_out(out: Path, to: str, pictures: str) -> None:
    """Raise an error where it cannot be written, before anything is read."""
    if to not in WRITERS:
        raise UnknownName("format", to, WRITERS.names())
    if pictures not in PICTURES:
        raise UnknownName("choice for the pictures", pictures, PICTURES)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is not empty", fix="name a new folder with --out")


def convert(dataset: Dataset, to: str, out: Path, pictures: str, reporter: Reporter) -> Converted:
    """Write the annotations of a Dataset in another format.

    Args:
        dataset: of boxes.
        to: the writer's name.
        out: a new or empty folder.
        pictures: one of `PICTURES`.

    Raises:
        DataError: the data has no boxes, or no picture whose size is known.
    """
    if dataset.task != "detect":
        raise DataError(
            f"{dataset.path} has no boxes: its task is {dataset.task!r}",
            fix="name data in the format of Pascal VOC, COCO or YOLO, or a table of boxes",
        )
    writer = WRITERS.get(to)
    reporter.stage("reading sizes")
    left: list[tuple[str, str]] = []
    known = _measured(dataset, pictures, left, reporter)
    if not known:
        raise DataError(f"no picture of {dataset.path} can be written about: {left[0][1]}", fix="see the audit")
    stems = names_of([sample.key for sample, _ in known])
    given = bool({sample.split for sample, _ in known} - {None, "train"})  # all for training is no split
    refused = Counter(
        reason for sample, size in known for box in _boxes(sample).boxes if (reason := writer.refuses(box, size))
    )
    scenes = [
        Scene(
            stem,
            _suffix(sample.key),
            size,
            tuple(box for box in _boxes(sample).boxes if not writer.refuses(box, size)),
            (sample.split or "train") if given else None,
        )
        for stem, (sample, size) in zip(stems, known, strict=True)
    ]
    _check_names(dataset.target_names)
    reporter.stage("writing")
    samples = [sample for sample, _ in known] if pictures == "copy" else []
    write_folder(out, _files(writer, scenes, samples, dataset, reporter))
    counts = Counter(scene.split for scene in scenes if scene.split)
    return Converted(
        out,
        to,
        len(scenes),
        sum(len(scene.boxes) for scene in scenes),
        len(samples),
        dataset.target_names,
        {split: counts[split] for split in ("train", "val", "test") if counts[split]},
        {**_lost(writer, scenes, dataset.target_names), **refused},
        tuple(left),
        tuple(reason for sample, _ in known for reason in _boxes(sample).dropped),
    )


def _boxes(sample: Sample) -> Boxes:
    return cast(Boxes, sample.target)


def _measured(
    dataset: Dataset, pictures: str, left: list[tuple[str, str]], reporter: Reporter
) -> list[tuple[Sample, tuple[int, int]]]:
    """The samples that can be written about, each with its picture's height and width."""
    store = Store(dataset.arrays)
    found = []
    for number, sample in enumerate(dataset.samples, 1):
        if isinstance(sample.target, Boxes):
            try:
                found.append((sample, upright_size(store, sample.sources[0])))
            except DataError as error:
                if sample.target.size is not None and pictures == "none":
                    found.append((sample, sample.target.size))
                else:
                    left.append((sample.key, error.message))
        else:
            left.append((sample.key, "it has no annotation"))
        reporter.progress(number, len(dataset.samples))
    return found


def _files(
    writer: Writer, scenes: Sequence[Scene], samples: Sequence[Sample], dataset: Dataset, reporter: Reporter
) -> Iterator[tuple[str, bytes]]:
    """All files to write: the annotations, then the pictures of the samples, where those are copied."""
    yield from writer.files(scenes, dataset.target_names)
    store = Store(dataset.arrays)
    for number, (scene, sample) in enumerate(zip(scenes, samples, strict=False), 1):
        yield writer.picture(scene), cast(bytes, store.read(sample.sources[0]))
        reporter.progress(number, len(samples))


def _lost(writer: Writer, scenes: Sequence[Scene], names: Sequence[str]) -> dict[str, int]:
    """What the format has no room for, counted."""
    boxes = [box for scene in scenes for box in scene.boxes]
    counts = {
        "difficult": sum(box.difficult for box in boxes),
        "crowd": sum(box.crowd for box in boxes),
        "area": sum(box.area is not None for box in boxes),
        "classes without a box": len({*names} - {box.label for box in boxes}),
    }
    return {what: count for what, count in counts.items() if count and what not in writer.keeps}


def names_of(keys: Sequence[str]) -> list[str]:
    """A name without folders for each key, no two alike even where capitals are not told apart.

    What is called alike in several folders takes their names with it, so that the name does not hang on the order.

    >>> names_of(["a/1.jpg", "b/1.jpg", "b/2.jpg"])
    ['a_1', 'b_1', '2']
    """
    bases = [posixpath.splitext(posixpath.basename(key))[0] for key in keys]
    several = Counter(base.lower() for base in bases)
    found: list[str] = []
    taken: set[str] = set()
    for key, base in zip(keys, bases, strict=True):
        name = base if several[base.lower()] == 1 else posixpath.splitext(key)[0]
        name = re.sub(r'[\\/:*?"<>|\s]+', "_", name).strip("._") or "picture"
        number, plain = 2, name
        while name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.lower())
        found.append(name)
    return found


def _suffix(key: str) -> str:
    return posixpath.splitext(key)[1].lower() or ".jpg"


def _check_names(names: Sequence[str]) -> None:
    odd = [name for name in names if not name.isprintable() or name != name.strip()]
    if odd:
        raise DataError(
            f"{plural(len(odd), 'class has a name', 'classes have names')} that no format can hold: "
            f"{some([printable(repr(name)) for name in odd])}",
            fix="rename them: no line breaks or control characters",
        )
