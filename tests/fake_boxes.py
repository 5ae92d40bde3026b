"""What a Run of detection holds, of things that no network found: figures that agree with one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, SCORE, TRUTH, Floats, empty, joined, parted
from striate.core.records import Sample
from striate.core.run import RunFolder
from striate.evaluate import score
from striate.explain import box_errors_over, box_overlay
from striate.tasks._settings import TaskSettings
from striate.tasks.detect import Detect
from striate.workflows.box_figures import boxes_told
from striate.workflows.finish import prediction_header, prediction_rows

SIDE = 120
MOST = 8


def found_rows(random: np.random.Generator, classes: int, pictures: int) -> Floats:
    """Pictures of 120 px with up to five things, most of them found, some as another class, and made up ones."""
    found, truths = empty(pictures, MOST, FOUND), empty(pictures, 5, TRUTH)
    for things, real in zip(found, truths, strict=True):
        number = int(random.integers(0, 6))
        corners = random.integers(0, SIDE - 50, (number, 2))
        real[:number, :4] = np.column_stack([corners, corners + random.integers(20, 50, (number, 2))])
        real[:number, LABEL] = random.integers(classes, size=number)
        seen = np.flatnonzero(random.random(number) < 0.85)
        things[: len(seen), :4] = real[seen, :4] + random.normal(0, 2, (len(seen), 4))
        labels = np.where(random.random(len(seen)) < 0.1, random.integers(classes, size=len(seen)), real[seen, LABEL])
        things[: len(seen), FOUND_LABEL] = labels
        more = int(random.integers(0, 3))
        place = slice(len(seen), len(seen) + more)
        corners = random.integers(0, SIDE - 50, (more, 2))
        things[place, :4] = np.column_stack([corners, corners + 30])
        things[place, FOUND_LABEL] = random.integers(classes, size=more)
        sure = np.concatenate([random.uniform(0.4, 1, len(seen)), random.uniform(0.05, 0.8, more)])
        things[: len(sure), SCORE] = sure
        things[: len(sure)] = things[np.argsort(-sure)]
    return joined(found, truths)


def task_of(names: Sequence[str]) -> Detect:
    return Detect(tuple(names), TaskSettings(loss="of_network", thresholds=(0.45,) * len(names)))


def detection(
    random: np.random.Generator, names: Sequence[str], pictures: int
) -> tuple[dict[str, Any], dict[str, Any], list[list[Any]], list[str]]:
    """Metrics by split, what else `metrics.json` holds, the rows of `predictions.csv` and their header."""
    task, metrics, rows = task_of(names), {}, []
    extra: dict[str, Any] = {"per_class": {}, "confusion": {}, "boxes": {}}
    for split, count in (("val", pictures // 2), ("test", pictures)):
        found = found_rows(random, len(names), count)
        result = score(task, found, np.zeros((count, 0)), resamples=50)
        extra["per_class"][split] = result.pop("per_class")
        extra["confusion"][split] = {"classes": list(task.confusion_names), "matrix": result.pop("confusion")}
        extra["boxes"][split] = boxes_told(task, found)
        result.pop("undefined")
        metrics[split] = result
        samples = [Sample(f"images/{split}{number:04}.jpg", ()) for number in range(count)]
        rows += [[split, *row] for row in prediction_rows(task, found, np.zeros((count, 0)), samples)]
    values = dict(zip(names, task.thresholds, strict=True))
    extra["thresholds"] = {"method": "f1", "values": values, "because": "F1 of things on validation 0.61 → 0.72"}
    return metrics, extra, rows, ["split", *prediction_header(task)]


def figures(run: RunFolder, names: Sequence[str], count: int = 4) -> list[dict[str, str]]:
    """Some pictures with what was found in them; their entries for `figures/index.json`."""
    random, task, entries = np.random.default_rng(7), task_of(names), []
    for number, (found, truths) in enumerate(zip(*parted(found_rows(random, len(names), count)), strict=True), 1):
        picture = Image.fromarray((random.random((SIDE, SIDE, 3)) * 60 + 80).astype(np.uint8))
        for x1, y1, x2, y2 in truths[truths[:, LABEL] >= 0, :4].tolist():
            ImageDraw.Draw(picture).ellipse((x1, y1, x2, y2), fill=(190, 150, 90))
        pixels, kept = np.moveaxis(np.asarray(picture), -1, 0), task.kept(found)
        drawn = {f"boxes-{number}.png": box_overlay(pixels, kept, names),
                 f"boxes-{number}-heat.png": box_errors_over(pixels, kept, truths, names)}  # fmt: skip
        for name, one in drawn.items():
            one.save(run.figures / name)
            caption = f"images/test{number:04}.jpg: worst, F1 0.500: 1 found, 1 missed, 1 invented"
            entries.append({"file": name, "caption": caption, "words": f"Drawn. {caption}", "section": "boxes"})
    return entries


def audited(names: Sequence[str], pictures: int) -> dict[str, Any]:
    """What an audit tells of boxes."""
    spread = {"min": 1.0, "p10": 2.0, "median": 3.5, "p90": 4.0, "max": 5.0}
    sizes = {"sizes": [[20.5, 21.0], [30.25, 44.0], [48.0, 40.0]], "mean_iou": 0.8125}
    return {
        "boxes": 40 * len(names),
        "difficult": 2,
        "crowd": 1,
        "dropped": 1,
        "reasons": ["images/test0001.jpg, line 3: its right edge is not right of its left one"],
        "by_class": {name: 40 - place for place, name in enumerate(names)},
        "pictures": {"with_boxes": pictures - 3, "empty": 2, "unlabelled": 1},
        **{name: dict(spread) for name in ("per_picture", "width", "height", "share", "aspect")},
        "anchors": {"3": sizes},
    }


def target_of(random: np.random.Generator, names: Sequence[str]) -> str:
    """A target as `split.csv` has it."""
    count = int(random.integers(0, 5))
    return ";".join(f"{names[int(random.integers(len(names)))]} {place} 2.5 {place + 20} 30" for place in range(count))
