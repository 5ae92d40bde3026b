"""`augment`: what the network will see of the training pictures, as a sheet, or written out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from striate.core.artifacts import make_folder, write_bytes
from striate.core.boxes import COUNTS, LABEL, NONE, PLAIN, Floats
from striate.core.errors import DataError, RunError, UsageError
from striate.core.events import Reporter
from striate.core.records import Box, Label, Sample
from striate.data.augment import Augmenter, switched_on
from striate.data.loader import EvalBatches
from striate.data.pack import pack
from striate.data.pictures import Pictures
from striate.data.writers import WRITERS, Scene
from striate.workflows import sheet as drawing
from striate.workflows.augmenting import augmenter_of, tell_minority
from striate.workflows.materials import boxes_of
from striate.workflows.planned import Prepared, preprocessing_of, task_of
from striate.workflows.request import ReadRequest, refuse_inside

CHUNK = 64
MADE_BY = "striate augment"
"""What a sheet says that it was made by: no other picture is replaced."""


@dataclass(frozen=True)
class Augmented:
    """What was made.

    Args:
        sheet: the picture of the sheet.
        settings: the augmentations that are on, with their strengths.
        shown: keys of the samples on the sheet, from the top.
        written: pictures written out; 0 where none were asked for.
        out: their folder.
    """

    sheet: Path
    settings: dict[str, object]
    shown: tuple[str, ...]
    written: int = 0
    out: Path | None = None


def refuse_places(read: ReadRequest, sheet: Path, out: Path | None) -> None:
    """Raise `UsageError` or `RunError` where something of the user's would be altered, before anything is read."""
    if sheet.suffix.lower() != ".png":
        raise UsageError(f"the sheet is a PNG, and {sheet} is not called one", fix="name it such as --sheet sheet.png")
    for flag, place in (("--sheet", sheet), ("--out", out)):
        if place is not None:
            refuse_inside(read, place, flag)
    if sheet.exists() and not _is_sheet(sheet):
        raise RunError(f"{sheet} exists and is no sheet of this command's", fix="name another file with --sheet")


def _is_sheet(path: Path) -> bool:
    """Whether a file is one that this command made."""
    try:
        with Image.open(path, formats=["PNG"]) as found:
            return found.info.get("Software") == MADE_BY
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return False


def augment(
    prepared: Prepared, sheet: Path, *, rows: int, views: int, out: Path | None, copies: int, reporter: Reporter
) -> Augmented:
    """Draw the sheet, and write altered pictures where a folder is named.

    A row is a training sample: first as validation would show it, then as the first epochs will show it, by the very
    draws of that training. What mixes samples is not drawn; boxes are drawn as they move, and pictures that are laid
    together are those of the sheet.

    Args:
        prepared: up to the plan.
        rows: samples, spread evenly over the training split.
        views: altered pictures of each.
        out: a new or empty folder, for `copies` altered pictures of each training sample: in folders of classes, or
            with their boxes as Pascal VOC has them.
    """
    if out is not None:
        _refuse(prepared, out)
    plan, preprocessing = prepared.plan, preprocessing_of(prepared.plan)
    keys = prepared.split.keys("train")
    if not keys:
        raise DataError("no sample is left to train on", fix="look at the audit for what became of each")
    size = None if preprocessing.own else (preprocessing.height, preprocessing.width)
    known = {sample.key: sample for sample in prepared.dataset.samples}
    samples = [known[key] for key in keys]
    tell_minority(plan, samples, reporter)
    augmenter = augmenter_of(plan, samples, size)
    if plan["augment.check"]:
        reporter.warn(
            "augment.check is applied by `striate train` and not here: what it would drop is on the sheet and in what "
            "is written out; the sheet in the report of a Run shows what was left"
        )
    places = drawing.even_places(len(keys), rows)
    shown = [keys[int(place)] for place in places]
    reporter.stage("sheet")
    pictures = _pictures(prepared, shown, reporter)
    rows_of, task = np.arange(len(shown)), task_of(prepared)
    if task.finds:
        boxes = boxes_of(task, [known[key] for key in shown], prepared.audit, preprocessing)
        columns = drawing.box_columns(pictures, boxes, task.target_names, rows_of, augmenter, places, views)
    else:
        columns = drawing.columns(pictures, rows_of, augmenter, places, [size] * views)
    write_bytes(sheet, drawing.as_png(drawing.sheet(columns), made_by=MADE_BY))
    found = Augmented(sheet, switched_on(plan.section("augment")), tuple(shown))
    if out is None:
        return found
    write = _write_boxes if task.finds else _write
    written = write(prepared, augmenter, keys, out, copies, reporter)
    return Augmented(found.sheet, found.settings, found.shown, written, out)


def _pictures(prepared: Prepared, keys: Sequence[str], reporter: Reporter) -> Pictures:
    plan = prepared.plan
    return pack(
        prepared.dataset,
        keys,
        preprocessing_of(plan),
        keep_margin=True,
        workers=min(plan["execution.workers"], len(keys)),
        memory_bytes=plan["execution.pack_bytes"],
        reporter=reporter,
    )


def _refuse(prepared: Prepared, out: Path) -> None:
    """Raise an error where pictures cannot be written out."""
    if prepared.plan["task.kind"] not in ("classify", "detect"):
        raise UsageError(
            "pictures are written out in folders of classes, or with boxes, and the task is "
            f"{prepared.plan['task.kind']}",
            fix="leave --out out; training alters them as it goes",
        )
    if prepared.plan["input.channels"] not in (1, 3, 4):
        raise UsageError(f"pictures of {prepared.plan['input.channels']} channels cannot be written as PNG")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is not empty", fix="name a new folder with --out")


def _write(
    prepared: Prepared, augmenter: Augmenter, keys: Sequence[str], out: Path, copies: int, reporter: Reporter
) -> int:
    """Write altered pictures of every training sample as PNG; how many."""
    samples = {sample.key: sample for sample in prepared.dataset.samples}
    written, total = 0, len(keys) * copies
    reporter.stage("writing")
    pictures = _pictures(prepared, keys, reporter)
    try:
        for places in EvalBatches(pictures, batch_size=CHUNK).order:
            pixels = pictures.batch(places)
            for copy in range(copies):
                images = drawing.as_bytes(augmenter.images(pixels, places, copy))
                for place, image in zip(places, images, strict=True):
                    folder = make_folder(out / _class_of(samples[keys[int(place)]]))
                    write_bytes(folder / f"{int(place):07d}-{copy}.png", drawing.as_png(image))
                    written += 1
                reporter.progress(written, total)
    finally:
        pictures.close()
    return written


def _write_boxes(
    prepared: Prepared, augmenter: Augmenter, keys: Sequence[str], out: Path, copies: int, reporter: Reporter
) -> int:
    """Write altered pictures with their boxes as Pascal VOC has them; how many pictures."""
    samples, task = {sample.key: sample for sample in prepared.dataset.samples}, task_of(prepared)
    boxes = boxes_of(task, [samples[key] for key in keys], prepared.audit, preprocessing_of(prepared.plan))
    writer, written, total = WRITERS.get("voc"), 0, len(keys) * copies
    reporter.stage("writing")
    pictures = _pictures(prepared, keys, reporter)
    try:
        for number, places in enumerate(EvalBatches(pictures, batch_size=CHUNK).order):
            pixels, truths = pictures.batch(places), boxes[torch.from_numpy(places)]
            for copy in range(copies):
                found, moved = augmenter.with_boxes(pixels, truths, places, copy, number)
                for place, image, rows in zip(places, drawing.as_bytes(found), moved[:, 1:], strict=True):
                    things = _boxes_of(rows.double().numpy(), task.target_names)
                    scene = Scene(f"{int(place):07d}-{copy}", ".png", (image.shape[0], image.shape[1]), things)
                    files = {writer.picture(scene): drawing.as_png(image), **dict(writer.files([scene], ()))}
                    for name, content in files.items():
                        write_bytes(make_folder((out / name).parent) / Path(name).name, content)
                    written += 1
                reporter.progress(written, total)
    finally:
        pictures.close()
    return written


def _boxes_of(rows: Floats, names: Sequence[str]) -> tuple[Box, ...]:
    """Rows of truths as boxes. A crowd is called difficult, as the format knows none: neither need be found."""
    found = []
    for row in rows[rows[:, LABEL] != NONE]:
        x1, y1, x2, y2 = row[:LABEL].tolist()
        found.append(Box(names[int(row[LABEL])], x1, y1, x2, y2, difficult=bool(row[COUNTS] != PLAIN)))
    return tuple(found)


def _class_of(sample: Sample) -> str:
    assert isinstance(sample.target, Label)
    name = sample.target.name
    if name.startswith((".", "/")) or ".." in Path(name).parts or "\0" in name:
        raise DataError(f"the class {name!r} is no name for a folder", fix="rename it")
    return name
