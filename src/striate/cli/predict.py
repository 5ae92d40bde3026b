"""`striate predict`: what a Run says of pictures, one line each, as they come."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import typer

from striate.cli import _options
from striate.cli._console import figure, note, print_json, printable
from striate.core.artifacts import finite
from striate.core.errors import DataError, UnknownName
from striate.core.memory import keep_freed_memory

FORMATS = ("table", "csv", "jsonl")
_LABEL_WIDTH = 32
_OF_BOXES = ("label", "score", "x1", "y1", "x2", "y2")


class Box(Protocol):
    """What this command shows of a thing that was found."""

    @property
    def label(self) -> str: ...

    @property
    def score(self) -> float: ...

    @property
    def x1(self) -> float: ...

    @property
    def y1(self) -> float: ...

    @property
    def x2(self) -> float: ...

    @property
    def y2(self) -> float: ...


class Prediction(Protocol):
    """What this command shows of a prediction."""

    @property
    def key(self) -> str: ...

    @property
    def label(self) -> str | None: ...

    @property
    def probability(self) -> float | None: ...

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    @property
    def values(self) -> Mapping[str, float] | None: ...

    @property
    def possible(self) -> tuple[str, ...] | None: ...

    @property
    def unsure(self) -> bool | None: ...

    @property
    def boxes(self) -> Sequence[Box] | None: ...

    @property
    def scores(self) -> Mapping[str, float]: ...

    @property
    def mask(self) -> object | None: ...

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]] | None: ...

    def to_dict(self) -> dict[str, Any]: ...


def predict(
    run: Annotated[str, typer.Argument(help="A Run's folder, or a Model's.", metavar="RUN")],
    paths: _options.Paths,
    format: Annotated[str, typer.Option(help="|".join(FORMATS), metavar="FORMAT")] = "table",
    batch_size: Annotated[int | None, typer.Option(help="Pictures a batch; the Model's own without.", min=1)] = None,
    draw: Annotated[
        str | None, typer.Option(help="Write predicted masks, or boxes, drawn into this folder.", metavar="DIR")
    ] = None,
    outlines: Annotated[
        str | None, typer.Option(help="With --draw, outlines of masks too: geojson or coco.", metavar="FORMAT")
    ] = None,
    boxes: Annotated[
        str | None, typer.Option(help="With --draw, boxes as coco, csv, json, voc or yolo too.", metavar="FORMAT")
    ] = None,
    tile: _options.Tile = None,
    overlap: _options.Overlap = None,
    device: _options.Device = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as one JSON object in place of the predictions.")
    ] = False,
) -> None:
    """Predict pictures, folders and archives.

    Of any size, in their order; damaged ones are named and left out.

    \b
    [bold]Examples[/]
    striate predict runs/photos new/ x.jpg
    striate predict runs/photos new.zip --format csv > predictions.csv
    striate predict runs/cells new/ --draw masks --outlines geojson
    striate predict runs/birds new/ --draw birds --boxes coco
    striate predict runs/birds aerial/ --tile auto
    """
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    cut = _options.given(tile=_options.parse_tile(tile), overlap=overlap)
    from striate import api

    keep_freed_memory()
    began = time.monotonic()
    damaged: list[dict[str, str]] = []

    def on_damaged(key: str, reason: str) -> None:
        damaged.append({"path": key, "reason": reason})
        note(f"damaged: {key}: {reason}")

    model = api.load(run, device=_options.check_device(device) or "auto")
    found = api.predict(
        model, paths, batch_size=batch_size, on_damaged=on_damaged, draw=draw, outlines=outlines, boxes=boxes, **cut
    )
    tiles = [one._asdict() for one in dict.fromkeys(model.tilings(**cut))] if cut else []
    for one in tiles:
        note(
            f"pictures with a side above {one['side']:,} px: tiles of that, which share {one['overlap']:,} px at least"
        )
    labels: Counter[str] = Counter()
    things: Counter[str] | None = None
    count = unsure = 0
    told = False
    write = _nothing if as_json else _WRITERS[format](tuple(model.classes))
    for prediction in found:
        write(prediction)
        count += 1
        unsure += bool(prediction.unsure)
        told |= prediction.unsure is not None
        if prediction.boxes is not None:
            things = things or Counter()
            things.update(box.label for box in prediction.boxes)
        else:
            labels.update([prediction.label] if prediction.label is not None else prediction.labels or [])
    sys.stdout.flush()
    doubt = f", {unsure:,} of them unsure" if unsure else ""
    in_them = "" if things is None else f", {things.total():,} things found"
    note(f"{count:,} predicted{doubt}{in_them}" + (f", {len(damaged):,} damaged and left out" if damaged else ""))
    if not count:
        raise DataError(
            f"not one of {len(damaged):,} pictures could be read" if damaged else "there is no picture at these paths"
        )
    if as_json:
        summary: dict[str, Any] = {"model": run, "predicted": count, "damaged": damaged}
        summary |= {"labels": dict(labels.most_common())} if labels else {}
        summary |= {} if things is None else {"things": dict(things.most_common())}
        summary |= {"tiles": tiles} if tiles else {}
        summary |= {"unsure": unsure} if told else {}
        print_json({**summary, "seconds": round(time.monotonic() - began, 3)})


def _nothing(prediction: Prediction) -> None:
    """With --json the summary is all that is printed."""


def _table(names: tuple[str, ...]) -> Callable[[Prediction], None]:
    """Lines of fixed columns with the path last, as any path may be long; written as they come."""
    width = min(_LABEL_WIDTH, max((len(name) for name in names), default=0))

    def write(prediction: Prediction) -> None:
        if prediction.values is not None:
            said = "  ".join(f"{printable(name)} {figure(value)}" for name, value in prediction.values.items())
        elif prediction.mask is not None:
            shares = sorted(prediction.scores.items(), key=lambda one: -one[1])
            said = "  ".join(f"{printable(name)} {share:.1%}" for name, share in shares if share > 0)
        elif prediction.boxes is not None:
            counts = Counter(box.label for box in prediction.boxes).most_common()
            said = "  ".join(f"{printable(name)} {count:,}" for name, count in counts) or "(nothing)"
        elif prediction.labels is not None:
            said = f"{printable('; '.join(prediction.labels) or '(none)'):<{width}}"
            if prediction.unsure is not None:
                said += "  unsure" if prediction.unsure else "        "
        else:
            said = f"{printable(prediction.label or ''):<{width}}  {prediction.probability or 0.0:.4f}"
            if prediction.unsure is not None:
                said += "  unsure" if prediction.unsure else "        "
        print(f"{said}  {printable(prediction.key)}")

    return write


def _csv(names: tuple[str, ...]) -> Callable[[Prediction], None]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header: list[str] = []

    def write(prediction: Prediction) -> None:
        for row in map(dict, _rows(prediction)):
            if not header:
                header.extend(row)
                writer.writerow(header)
            writer.writerow(row.values())

    return write


def _rows(prediction: Prediction) -> Iterator[Iterable[tuple[str, object]]]:
    """One row, or one for each box: a picture in which nothing was found has one without any."""
    if prediction.boxes is None:
        yield _cells(prediction)
    for box in prediction.boxes or ():
        yield [("path", prediction.key), *((name, getattr(box, name)) for name in _OF_BOXES)]
    if prediction.boxes is not None and not prediction.boxes:
        yield [("path", prediction.key), *((name, "") for name in _OF_BOXES)]


def _cells(prediction: Prediction) -> Iterator[tuple[str, object]]:
    yield "path", prediction.key
    if prediction.values is not None:
        yield from prediction.values.items()
        for name, (low, high) in (prediction.ranges or {}).items():
            yield from ((f"{name}_from", low), (f"{name}_to", high))
    elif prediction.mask is not None:
        yield from ((f"share_{name}", share) for name, share in prediction.scores.items())
    elif prediction.labels is not None:
        yield "labels", ";".join(prediction.labels)
    else:
        yield from (("label", prediction.label), ("probability", prediction.probability))
    if prediction.possible is not None:
        yield from (("possible", ";".join(prediction.possible)), ("unsure", str(bool(prediction.unsure)).lower()))


def _jsonl(names: tuple[str, ...]) -> Callable[[Prediction], None]:
    def write(prediction: Prediction) -> None:
        print(json.dumps(finite(prediction.to_dict()), allow_nan=False))

    return write


_WRITERS = {"table": _table, "csv": _csv, "jsonl": _jsonl}
