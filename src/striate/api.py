"""The verbs, typed: what the command line, notebooks and other programs call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, TypeAlias

from numpy.typing import NDArray
from torch import nn

from striate.core.artifacts import read_json, write_csv
from striate.core.cache import KINDS, Cache, Entry, cache_folder
from striate.core.errors import RunError, StriateError, UnknownName, UsageError
from striate.core.events import Reporter, Silent
from striate.core.machine import processors
from striate.core.plan import Decision, Plan
from striate.core.records import Dataset
from striate.core.run import RunFolder, list_runs, new_path
from striate.data.audit import Audit, run_audit
from striate.data.dataset import open_as_given
from striate.data.readers import ReadOptions
from striate.infer import Ensemble, Model, Prediction, Side, found_device
from striate.nets.calc import Calculation, Kind, calculate
from striate.nets.gradients import NORMALISED, RELATIVE
from striate.plan.planner import read_plan, user_decisions
from striate.report import write_audit, write_beside, write_diagram, write_report
from striate.workflows import alike as alike_workflow
from striate.workflows import attack as attack_workflow
from striate.workflows import augment as augment_workflow
from striate.workflows import bench as bench_workflow
from striate.workflows import compare as compare_workflow
from striate.workflows import convert as convert_workflow
from striate.workflows import explain as explain_workflow
from striate.workflows import export as export_workflow
from striate.workflows import folds as folds_workflow
from striate.workflows import inspect as inspect_workflow
from striate.workflows import labelled as labelled_workflow
from striate.workflows import labels as labels_workflow
from striate.workflows import odd as odd_workflow
from striate.workflows.bench import Bench
from striate.workflows.convert import Converted
from striate.workflows.drawing import files_of
from striate.workflows.follow import deliver
from striate.workflows.inspect import Inspection
from striate.workflows.labels import LabelErrors
from striate.workflows.predicted_files import written
from striate.workflows.reading import read_dataset
from striate.workflows.request import ReadRequest, Request, own_function, refuse_inside, refuse_unwritable
from striate.workflows.stages import prepare, prepare_whole

Data: TypeAlias = str | Path | Mapping[str, NDArray[Any]] | None
PlanLike: TypeAlias = Plan | str | Path | None
WeightsLike: TypeAlias = str | Path | Sequence[str | Path] | None
Sizes: TypeAlias = int | tuple[int, ...]


class Run:
    """A training on disk, finished or not.

    >>> run = Run("runs/photos")            # doctest: +SKIP
    >>> run.metrics["test"]["accuracy"]     # doctest: +SKIP
    0.97

    Raises:
        RunError: there is no Run, or one of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder.open(path)
        self.path = self.folder.path

    @property
    def finished(self) -> bool:
        """Whether it went through to its report."""
        return self.folder.report.exists()

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: figures by split under "val" and "test", each headline with its interval."""
        if not self.folder.metrics.exists():
            raise RunError(f"{self.path} is not finished", fix=f"go on with `striate train --resume {self.path}`")
        content: dict[str, Any] = read_json(self.folder.metrics)
        return content

    @property
    def diagnosis(self) -> dict[str, Any]:
        """What `diagnosis.json` holds: "findings" and "alarms" in words; empty for a Run of before there was one."""
        return read_json(self.folder.diagnosis) if self.folder.diagnosis.exists() else {}

    @property
    def model(self) -> Model:
        """The trained model; a Run of folds has one for each, and an `ensemble`."""
        return Model.load(self.path if self.folder.folds.is_dir() else self.folder.model)

    @property
    def ensemble(self) -> Ensemble:
        """The models of all folds, which answer by their mean."""
        return _ensemble(self, "cpu")

    @property
    def folds(self) -> list[Run]:
        """The Runs of its folds, as far as they were begun; none of a Run without folds."""
        found = [path.parent for path in self.folder.folds.glob("*/environment.json") if path.parent.name.isdigit()]
        return [Run(path) for path in sorted(found, key=lambda path: int(path.name))]

    @property
    def plan(self) -> Plan:
        """Every decision, resolved, with its because; of folds the first one's, where they differ with all values."""
        return Plan(read_plan(self.folder.plan))

    @property
    def audit(self) -> Audit:
        """What one full read of the data found."""
        return Audit.from_dict(read_json(self.folder.audit))

    def summary(self) -> dict[str, Any]:
        """What `striate train --json` prints."""
        metrics = self.metrics
        summary = {
            "run": str(self.path),
            "task": metrics["task"],
            "metrics": {part: metrics[part] for part in ("val", "test") if part in metrics},
            "seconds": metrics["training"]["seconds"],
            "samples_per_second": metrics["training"]["samples_per_second"],
            "quarantined": metrics["split"]["quarantined"],
            "plan": str(self.folder.plan),
        }
        return {**summary, "folds": metrics["folds"]} if "folds" in metrics else summary

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}{'' if self.finished else ', unfinished'})"

    def _repr_html_(self) -> str:
        if not self.finished:
            return f"<p>Run <code>{escape(str(self.path))}</code>, unfinished</p>"
        metrics = self.metrics
        parts = [part for part in ("val", "test") if part in metrics]
        names = [name for name, value in metrics[parts[-1]].items() if isinstance(value, int | float)]
        head = "".join(f"<th>{escape(part)}</th>" for part in parts)
        cells = {name: "".join(f"<td>{_figure(metrics[part], name)}</td>" for part in parts) for name in names}
        rows = "".join(f"<tr><td>{escape(name)}</td>{row}</tr>" for name, row in cells.items())
        return f"<p>Run <code>{escape(str(self.path))}</code></p><table><tr><th>metric</th>{head}</tr>{rows}</table>"


@dataclass(frozen=True)
class RunSummary:
    """One line of `striate runs`.

    Args:
        path: the Run's folder.
        status: "finished", "unfinished", or why it cannot be read.
        task: the task, None where it is not known yet.
        metric, value, interval: the headline on the test split (validation without one).
        finished: when it was finished, seconds since the epoch.
        seconds: time spent training.
    """

    path: Path
    status: str
    task: str | None = None
    metric: str | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None
    finished: float | None = None
    seconds: float | None = None


def audit(
    data: Data = None,
    *,
    task: str | None = None,
    reader: str | None = None,
    label_depth: int | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    time: str | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    relabel: str | Path | None = None,
    near_duplicates: bool = True,
    html: str | Path | None = None,
    workers: int | None = None,
    reporter: Reporter | None = None,
) -> Audit:
    """Read and decode every sample once and say what is there.

    Args:
        data: a folder, table, archive (or folder of archives) or `.npz`; arrays by name; None for the built-in digits.
        task: "classify", "multilabel" or "regress", in place of what the targets suggest.
        reader: a reader's name, in place of the one that looking at the data chooses.
        label_depth: how many folders below the root make the label.
        root: what a table's paths are relative to.
        group: a column, or a pattern for the file names, of what must not straddle a split.
        time: a column of dates or numbers, or "exif", by which a training divides: it is no target then.
        val, test: further data for these splits.
        relabel: a list of corrected labels (`path,label`; an empty label or `exclude` leaves a sample out).
        near_duplicates: whether to search for them.
        html: a file to write what was found to, with near-duplicates drawn side by side and pictures of each finding.
        workers: decoding processes; the machine's cores by default.
        reporter: told of the progress.

    Raises:
        DataError: there is nothing to read, or it makes no sense.
    """
    request = _read_request(data, reader, task, label_depth, root, group, val, test, relabel, time)
    if html is not None:
        refuse_inside(request, Path(html), "--html")
        refuse_unwritable(Path(html), "--html")
    reporter = reporter or Silent()
    dataset = read_dataset(request, reporter)
    reporter.stage("audit")
    workers = processors() if workers is None else workers
    found = run_audit(dataset, workers=workers, reporter=reporter, near=near_duplicates)
    if html is not None:
        _draw_audit(Path(html), dataset, found)
    return found


def _draw_audit(page: Path, dataset: Dataset, found: Audit) -> None:
    """The page of an audit."""
    with TemporaryDirectory() as folder:
        drawn = alike_workflow.draw_near(Path(folder), dataset, found.near, found.full_scale)
        drawn += odd_workflow.draw_findings(Path(folder), dataset, found.findings, found.full_scale)
        write_audit(page, Path(dataset.path), found.to_dict(), Path(folder), drawn)


def label_errors(
    data: Data = None,
    *,
    weights: WeightsLike = None,
    out: str | Path | None = None,
    task: str | None = None,
    reader: str | None = None,
    label_depth: int | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    time: str | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    relabel: str | Path | None = None,
    near_duplicates: bool = True,
    html: str | Path | None = None,
    shown: Callable[[Audit], None] | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> LabelErrors:
    """Labels that are likely wrong: duplicates with two labels, and what models doubt that had not seen the sample.

    Args:
        weights: whose frozen features the models look at: a weights file with its sidecar, a Run, or several of these;
            patches of the pictures without any, which tell less.
        out: where to write the list, a CSV that may be corrected and given back as `relabel`.
        shown: told the audit before labels are looked for, which may be refused.
        data and all others: see `audit`.

    Raises:
        UsageError: samples have not one class each, or the list would be written into the data or cannot be written.
        DataError: there are too few samples.
    """
    read = _read_request(data, reader, task, label_depth, root, group, val, test, relabel, time)
    if out is not None:
        labels_workflow.refuse_list(read, Path(out))
    if html is not None:
        refuse_inside(read, Path(html), "--html")
        refuse_unwritable(Path(html), "--html")
    settings = None if near_duplicates else {"split.near_duplicates": False}
    request = _request(read, None, weights, None, None, None, None, None, None, settings)
    reporter = reporter or Silent()

    def show(dataset: Dataset, audit: Audit) -> None:
        if html is not None:
            _draw_audit(Path(html), dataset, audit)
        if shown is not None:
            shown(audit)
        labels_workflow.check_judged(dataset, audit)

    prepared = prepare_whole(request, device, reporter, show)
    found = labels_workflow.find_label_errors(prepared, request.weights, reporter)
    if out is None:
        return found
    write_csv(Path(out), labels_workflow.HEADER, found.rows())
    return replace(found, file=str(out))


def plan(
    data: Data = None,
    *,
    task: str | None = None,
    reader: str | None = None,
    label_depth: int | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    time: str | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    relabel: str | Path | None = None,
    model: str | None = None,
    weights: WeightsLike = None,
    minutes: float | None = None,
    epochs: int | None = None,
    size: int | None = None,
    seed: int | None = None,
    cache_size: int | None = None,
    plan: PlanLike = None,
    set: Mapping[str, Any] | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Plan:
    """Decide everything about a training but what only measuring can tell (those leaves are "auto").

    Args:
        data, task, reader, label_depth, root, group, val, test, relabel: see `audit`.
        time: a table's column of dates or numbers, or "exif", for when each picture was taken, by which the samples
            are divided: the latest are the test, those before them validate, the rest is trained on.
        model: a family, "timm/NAME", "torchvision/NAME", "smp/NAME", or a network file.
        weights: a weights file with its sidecar, a Run, "hub", or "none"; or several files and Runs, of which those
            are taken whose features tell most of the data.
        minutes, epochs: the budget; at most one of them.
        size: the side of the network's input, in pixels.
        seed: of initialisation, order and augmentation.
        cache_size: bytes of prepared pictures kept on disk between runs; 0 keeps none.
        plan: decisions to start from; they win over the rules.
        set: the user's own values by dotted key; they win over all.
        device: "auto", "cpu", "cuda" or "mps".
        reporter: told of the progress.

    Raises:
        PlanError: a key or value that no leaf takes.
        DataError: the data cannot be trained on.
    """
    read = _read_request(data, reader, task, label_depth, root, group, val, test, relabel, time)
    request = _request(read, model, weights, minutes, epochs, size, seed, cache_size, plan, set)
    return prepare(request, None, device, reporter or Silent()).plan


def augment(
    data: Data = None,
    *,
    sheet: str | Path = "augmentation.png",
    rows: int = 6,
    views: int = 7,
    out: str | Path | None = None,
    copies: int = 1,
    task: str | None = None,
    reader: str | None = None,
    label_depth: int | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    time: str | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    relabel: str | Path | None = None,
    model: str | None = None,
    weights: WeightsLike = None,
    minutes: float | None = None,
    epochs: int | None = None,
    size: int | None = None,
    seed: int | None = None,
    plan: PlanLike = None,
    set: Mapping[str, Any] | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Draw what the network will see: training pictures as they are, and as the first epochs alter them.

    Args:
        sheet: the PNG to draw.
        rows, views: samples, and altered pictures of each.
        out: a new or empty folder, for altered pictures of every training sample: in folders of classes, or with their
            boxes as Pascal VOC has them.
        copies: of each sample.
        data and all others: see `plan`.

    Returns:
        {"sheet", "settings", "shown", "written", "out"}.
    """
    read = _read_request(data, reader, task, label_depth, root, group, val, test, relabel, time)
    augment_workflow.refuse_places(read, Path(sheet), None if out is None else Path(out))
    request = _request(read, model, weights, minutes, epochs, size, seed, None, plan, set)
    reporter = reporter or Silent()
    prepared = prepare(request, None, device, reporter)
    found = augment_workflow.augment(
        prepared,
        Path(sheet),
        rows=rows,
        views=views,
        out=None if out is None else Path(out),
        copies=copies,
        reporter=reporter,
    )
    return {
        "sheet": str(found.sheet),
        "settings": found.settings,
        "shown": list(found.shown),
        "written": found.written,
        "out": None if found.out is None else str(found.out),
    }


def convert(
    data: str | Path,
    to: str,
    out: str | Path,
    *,
    pictures: str = "copy",
    reader: str | None = None,
    root: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Converted:
    """Write annotations of boxes in another format; the data stays as it is.

    Args:
        data: a folder, a file that names pictures, or an archive.
        to: "voc", "coco", "yolo" or "csv".
        out: a new or empty folder, which is written whole or not at all.
        pictures: "copy" puts them beside the annotations, as they are; "none" writes annotations alone.
        reader, root: see `audit`.

    Raises:
        UnknownName: there is no such format.
        DataError: the data has no boxes.
        RunError: the folder is not empty.
    """
    read = _read_request(data, reader, None, None, root, None, None, None, None, None)
    refuse_inside(read, Path(out), "--out")
    convert_workflow.refuse_out(Path(out), to, pictures)
    reporter = reporter or Silent()
    reporter.stage("reading")
    dataset = open_as_given(data, ReadOptions("detect", root=read.root), reader=reader)
    for note in dataset.notes:
        reporter.line(note)
    return convert_workflow.convert(dataset, to, Path(out), pictures, reporter)


def train(
    data: Data = None,
    plan: PlanLike = None,
    *,
    out: str | Path | None = None,
    task: str | None = None,
    reader: str | None = None,
    label_depth: int | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    time: str | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    relabel: str | Path | None = None,
    model: str | None = None,
    weights: WeightsLike = None,
    minutes: float | None = None,
    epochs: int | None = None,
    size: int | None = None,
    seed: int | None = None,
    cache_size: int | None = None,
    set: Mapping[str, Any] | None = None,
    folds: int | None = None,
    device: str = "auto",
    follow: Sequence[str] = (),
    started: float | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """From data to a finished Run: read, audit, split, plan, train, evaluate, report.

    Args:
        out: the Run's folder, new or empty; `runs/NAME-TIME` by default.
        folds: train so many times, each time with other samples held out, so that all are tested once (or with a given
            test, validate once), in one Run that predicts by the mean of all.
        follow: what else is told of the training, without changing it: "tensorboard" (event files in the Run) or
            "mlflow", each an extra of that name.
        started: `time.monotonic()` that `minutes` count from; now by default.
        data, plan and all others: see `plan`.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, after saving; `resume` goes on.
        NonFinite: a loss or gradient stopped being a number.
    """
    read = _read_request(data, reader, task, label_depth, root, group, val, test, relabel, time)
    request = _request(read, model, weights, minutes, epochs, size, seed, cache_size, plan, set)
    request = replace(request, follow=tuple(dict.fromkeys(follow)))
    if folds is not None:
        asked = user_decisions({"split.folds": folds})
        other = user_decisions({"split.folds": (set or {}).get("split.folds", folds)})["split.folds"].value
        if other != folds:
            raise UsageError(f"two numbers of folds are given: folds {folds} and split.folds {other}", fix="give one")
        if "split.fold" not in (set or {}):  # of a plan that was one fold's
            asked["split.fold"] = Decision(None, "each of the folds is held out in turn", "rule")
        request = replace(request, overrides={**request.overrides, **asked})
    path = Path(out) if out is not None else new_path(Path("runs"), read.name)
    begun = monotonic() if started is None else started
    reporter = reporter or Silent()
    return _reported(folds_workflow.train(request, path, device, reporter, begun), reporter)


def resume(
    run: str | Path | Run,
    *,
    epochs: int | None = None,
    more: int | None = None,
    follow: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> Run:
    """Go on with a Run from its newest whole checkpoint; on a CPU its weights end equal, bit for bit.

    Args:
        epochs: extend it to so many in all, finished or not.
        more: extend it by so many, in place of `epochs`.
        follow: as for `train`, beside what follows it already.

    Raises:
        UsageError: these are not more epochs than there are.
    """
    reporter = reporter or Silent()
    return _reported(folds_workflow.resume(_path(run), reporter, epochs, more, follow), reporter)


def bench(
    model: str = "resnet18",
    *,
    size: int = 224,
    batch: int = 32,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Bench:
    """Measure this machine: its limits, and how fast it trains and runs a network in each way of execution.

    Args:
        model: a family, `timm/NAME`, `torchvision/NAME`, `smp/NAME` or a network file; its weights are random.
        size: side of its pictures, in pixels.
        batch: pictures a step.
        device: "auto", "cpu", "cuda" or "mps".
        reporter: told of the progress.

    Raises:
        NetworkError: there is no such network, or nothing is left of a picture of that size.

    >>> import striate as st
    >>> found = st.bench("lenet5", size=32, batch=8)
    >>> found.chosen["training"] in found.training
    True
    """
    if size < 1 or batch < 1:
        raise UsageError(f"pictures of {size} px, {batch} at once, cannot be", fix="give numbers from 1 on")
    return bench_workflow.bench(model, size, batch, device, reporter or Silent())


def inspect(
    network: str | Path | Run | Model | nn.Module,
    *,
    height: int | None = None,
    width: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    input: Sequence[int] | None = None,
    batch: int = 32,
    html: str | Path | None = None,
) -> Inspection:
    """What every layer of a network makes, costs and sees, and the memory that it will take.

    Args:
        network: a family, `timm/NAME`, `torchvision/NAME`, `smp/NAME`, a network file, a Run, a Model, or any
            `nn.Module`.
        height, width, channels: of the input, 3×224×224 unless given; a Run's are its own.
        classes: outputs, 1,000 unless given; a file's network keeps its own, and so does a Run's.
        input: the whole shape of a sample in place of these: (1, 128) for a signal.
        batch: samples that memory is predicted for.
        html: where to write an interactive diagram, one page that loads nothing.

    Raises:
        UnknownName: there is no such network.
        NetworkError: it does not take this input.

    >>> import striate as st
    >>> found = st.inspect("lenet5", height=32, channels=1, classes=10)
    >>> found.profile.parameters, str(found.profile.layers[3].receptive_field)
    (61706, '14/2@0')
    """
    if batch < 1:
        raise UsageError(f"a batch of {batch} cannot be", fix="give a number from 1 on")
    found = inspect_workflow.inspect(_subject(network, height, width, channels, classes, input), batch)
    if html is not None:
        write_diagram(Path(html), found.to_dict())
    return found


def calc(
    kind: Kind | str,
    input: Sizes,
    kernel: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    output_padding: Sizes = 0,
    groups: int = 1,
    channels: int | None = None,
    filters: int | None = None,
    bias: bool = True,
) -> Calculation:
    """What a convolution ("conv"), a transposed one ("transposed") or a pooling ("pool") makes of a size, worked out.

    Args:
        input: the size of each axis, one to three.
        kernel, stride, padding, dilation, output_padding: one number, or one for each axis; padding may be "same".
        groups, channels, filters, bias: of convolutions; parameters and operations need channels and filters.

    Raises:
        NetworkError: the kernel is larger than its input, or groups do not divide channels.
        UsageError: a number that no such layer takes.

    >>> import striate as st
    >>> print(st.calc("conv", 28, 3).steps[1])
           = ⌊(28 + 2·0 − 3) / 1⌋ + 1 = ⌊25 / 1⌋ + 1 = 25 + 1 = 26
    """
    return calculate(
        kind,
        (input,) if isinstance(input, int) else input,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=output_padding,
        groups=groups,
        channels=channels,
        filters=filters,
        bias=bias,
    )


def gradcheck(
    network: str | Path | Run | Model | nn.Module,
    *,
    data: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    input: Sequence[int] | None = None,
    entries: int = 8,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Analytic gradients against central differences in float64, tensor by tensor.

    Args:
        network, height, width, channels, classes: see `inspect`.
        data: labelled data for the batch, read as training reads it; random numbers unless given.
        entries: how many numbers of each tensor are compared at most, drawn by `seed`.
        reporter: told of the progress.

    Returns:
        `passed`, `tensors`, `wrong` (the layers whose backward pass is wrong), `mode`, `about`, `thresholds`.
    """
    subject = _subject(network, height, width, channels, classes, input)
    path = None if data is None else str(Path(data).expanduser().absolute())
    found, about = inspect_workflow.check(subject, path, entries=entries, seed=seed, reporter=reporter or Silent())
    return {
        "passed": found.passed,
        "tensors": [{**asdict(tensor), "passed": tensor.passed} for tensor in found.tensors],
        "wrong": list(found.wrong),
        "mode": found.mode,
        "about": about,
        "thresholds": {"relative": RELATIVE, "normalised": NORMALISED},
    }


def gradients(
    network: str | Path | Run | Model | nn.Module,
    *,
    data: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    input: Sequence[int] | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """The size of each layer's gradient over the first steps; those that vanish or explode are named, with the remedy.

    Args:
        network, data, height, width, channels, classes, seed, reporter: see `gradcheck`.

    Returns:
        `verdict` ("steady", "vanishing" or "exploding"), `finding`, `remedy`, `layers`, `about`.
    """
    subject = _subject(network, height, width, channels, classes, input)
    path = None if data is None else str(Path(data).expanduser().absolute())
    found, about = inspect_workflow.watch(subject, path, seed=seed, reporter=reporter or Silent())
    return {**asdict(found), "about": about}


def cache() -> list[Entry]:
    """What is kept on disk between trainings and can be made again, the one used longest ago first."""
    found = [entry for kind in KINDS for entry in Cache(cache_folder(kind), 0).entries()]
    return sorted(found, key=lambda entry: entry.used)


def clear_cache() -> int:
    """Remove all that is kept on disk between trainings; returns the bytes that it took. Runs are not touched."""
    return sum(Cache(cache_folder(kind), 0).clear() for kind in KINDS)


def load(path: str | Path, *, device: str = "auto") -> Model | Ensemble:
    """The Model in a folder, or that of a Run; of a Run of folds their Ensemble, which predicts by the mean.

    Args:
        device: "auto" (a GPU where torch has one), "cpu", "cuda" or "mps".
    """
    if RunFolder(Path(path)).folds.is_dir():
        return _ensemble(Run(path), found_device(device))
    return Model.load(path, found_device(device))


def _ensemble(run: Run, device: str) -> Ensemble:
    """The Models of all folds. Raises `RunError` where there are none, or not all are trained."""
    if not run.folds:
        raise RunError(f"{run.path} has no folds, but one model", fix="use `model`, or train with `folds`")
    if not run.folder.metrics.exists():
        raise RunError(f"{run.path} is not finished", fix=f"go on with `striate train --resume {run.path}`")
    return Ensemble.load([fold.folder.model for fold in run.folds], device)


def runs(folder: str | Path = "runs") -> list[RunSummary]:
    """The Runs in a folder, oldest first."""
    return [_summarise(one) for one in list_runs(Path(folder))]


def predict(
    model: Model | Ensemble | Run | str | Path,
    paths: Sequence[str | Path],
    *,
    batch_size: int | None = None,
    device: str = "auto",
    on_damaged: Callable[[str, str], None] | None = None,
    draw: str | Path | None = None,
    outlines: str | None = None,
    boxes: str | None = None,
    tile: Side | None = None,
    overlap: int | None = None,
) -> Iterator[Prediction]:
    """Predict files, folders and archives of any size, one after another, in their order.

    Args:
        model: a Model, an Ensemble, a Run, or where one is; of a Run of folds the mean of its Models predicts.
        batch_size: pictures a batch; the Model's own by default.
        device: as for `load`; a Model at hand stays where it is.
        on_damaged: called with key and reason of each picture that cannot be read; such are left out.
        draw: a folder that each predicted mask is written into, as a PNG of classes and over its picture; or what was
            found, over its picture.
        outlines: of masks there too: "geojson" for a file a picture, "coco" for one of all.
        boxes: of what was found there too, annotations: "coco", "csv", "json", "voc" or "yolo".
        tile: of a Model of boxes: pictures with a longer side are looked at in tiles of so many pixels, or "auto", the
            median of the longer sides of the training pictures.
        overlap: pixels that tiles share at least; a quarter of the tile, or the longest side of a training box where
            that is more, as far as it is less than half of the tile.

    Raises:
        UsageError: the Model gives no masks, or no boxes, and they are asked for; no folder is named for them; or there
            are no such tiles.
    """
    found = load(_path(model), device=device) if isinstance(model, Run | str | Path) else model
    predictions = found.predict_paths(paths, batch_size=batch_size, on_damaged=on_damaged, tile=tile, overlap=overlap)
    files = files_of(found, draw, paths, outlines, boxes)
    return predictions if files is None else written(files, predictions)


def evaluate(
    run: str | Path | Run,
    data: str | Path,
    *,
    device: str = "auto",
    tile: Side | None = None,
    overlap: int | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Score a Run on other labelled data, read in the way its own was; of a Run of folds the mean of its Models.

    Args:
        device: as for `load`.
        tile, overlap: as for `predict`.

    Raises:
        UsageError: there are no such tiles.
    """
    opened = _run(run)
    model = load(opened.path, device=device)
    tilings = model.tilings(tile, overlap)
    return labelled_workflow.evaluate(opened.folder, model, str(data), reporter or Silent(), tilings)


def compare(first: str | Path | Run, second: str | Path | Run, *, split: str = "test") -> dict[str, Any]:
    """Which of two Runs is better on the samples that both were judged by, and whether that may be chance.

    Args:
        split: "test" or "val".

    Returns:
        `words`, `better` (a path, or None), `metrics` with the values, their difference (second − first), its 95 %
        interval and p, `notes`, and `plan`: both values of each leaf that differs.

    Raises:
        DataError: they were judged by other samples, or by one.
        RunError: one is not finished, or they are of different tasks.
    """
    if split not in ("val", "test"):
        raise UnknownName("split to compare", split, ("val", "test"))
    return compare_workflow.compare(_run(first).folder, _run(second).folder, split)


def explain(
    run: Model | Run | str | Path,
    paths: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Heat maps of what was predicted for pictures, in one offline page.

    Args:
        out: the folder for page and pictures; a new `explain-TIME` in the working folder by default.

    Returns:
        the page.
    """
    folder = Path(out) if out is not None else new_path(Path(), "explain")
    return explain_workflow.explain(_model(run), paths, folder, reporter or Silent())


def attack(
    run: str | Path | Run, data: str | Path | None = None, *, limit: int = 1000, reporter: Reporter | None = None
) -> dict[str, Any]:
    """Accuracy when pictures are changed within a bound so as to mislead: FGSM at three strengths.

    Args:
        data: labelled data; the Run's own test split by default.
        limit: at most so many samples, evenly spread.
    """
    opened = _run(run)
    path = None if data is None else str(data)
    return attack_workflow.attack(opened.folder, opened.model, path, reporter or Silent(), limit)


def export(
    run: str | Path | Run,
    out: str | Path | None = None,
    *,
    format: str = "onnx",
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """A Run's model in another format, proved on real samples; not written when it disagrees.

    Args:
        out: the file; `RUN/model/model.onnx` by default.
        format: an exporter's name.
    """
    opened = _run(run)
    path = Path(out) if out is not None else opened.folder.model / f"model.{format}"
    return export_workflow.export(opened.folder, opened.model, path, format, reporter or Silent())


def report(run: str | Path | Run) -> Path:
    """Rewrite a Run's report from its files."""
    return write_report(_run(run).folder)


def side_by_side(runs: Sequence[str | Path | Run], out: str | Path | None = None) -> Path:
    """Write one page that holds several Runs side by side: scores, curves, cost, and what differs between them.

    Args:
        runs: two or more, in the order in which they are shown.
        out: the page; `side-by-side.html` in the nearest folder that holds them all unless given.

    Returns:
        the page's path.

    Raises:
        UsageError: there are fewer than two, or one of them twice.

    Example:
        >>> side_by_side(["runs/first", "runs/second"])    # doctest: +SKIP
        PosixPath('runs/side-by-side.html')
    """
    folders = [_run(run).folder for run in runs]
    places = [folder.path.resolve() for folder in folders]
    if len(folders) < 2:
        raise UsageError(f"{len(folders)} Run cannot stand side by side", fix="name two or more, or use `report`")
    twice = [str(folder.path) for folder, place in zip(folders, places, strict=True) if places.count(place) > 1]
    if twice:
        raise UsageError(f"the same Run is named twice: {', '.join(twice)}", fix="name each once")
    common = Path(os.path.commonpath([place.parent for place in places]))
    return write_beside(folders, common / "side-by-side.html" if out is None else Path(out))


def _reported(folder: RunFolder, reporter: Reporter) -> Run:
    run = Run(folder.path)
    for fold in run.folds:
        _reported(fold.folder, reporter)
    if not folder.report.exists():
        write_report(folder)
    if not run.folds:
        deliver(folder, reporter)
    return run


def _run(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else Run(run)


def _path(run: str | Path | Run) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


def _model(model: Model | Run | str | Path, device: str = "cpu") -> Model:
    return model if isinstance(model, Model) else Model.load(_path(model), found_device(device))


def _subject(
    network: str | Path | Run | Model | nn.Module,
    height: int | None,
    width: int | None,
    channels: int | None,
    classes: int | None,
    input: Sequence[int] | None,
) -> inspect_workflow.Subject:
    return inspect_workflow.find(
        network.path if isinstance(network, Run) else network,
        channels=channels,
        height=height,
        width=width,
        classes=classes,
        input=input,
    )


def _figure(metrics: Mapping[str, Any], name: str) -> str:
    value, interval = metrics.get(name), metrics.get(f"{name}_interval")
    if value is None:
        return ""
    return f"{value:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")


def _summarise(folder: RunFolder) -> RunSummary:
    try:
        run = Run(folder.path)
        if not run.finished:
            return RunSummary(folder.path, "unfinished")
        metrics = run.metrics
    except StriateError as error:
        return RunSummary(folder.path, error.message)
    name, part = metrics["headline"], metrics.get("test", metrics.get("val", {}))
    interval = part.get(f"{name}_interval")
    return RunSummary(
        folder.path,
        "finished",
        metrics["task"],
        name,
        part.get(name),
        (interval[0], interval[1]) if interval else None,
        folder.report.stat().st_mtime,
        metrics["training"]["seconds"],
    )


def _read_request(
    data: Data,
    reader: str | None,
    task: str | None,
    label_depth: int | None,
    root: str | Path | None,
    group: str | None,
    val: str | Path | None,
    test: str | Path | None,
    relabel: str | Path | None,
    time: str | None,
) -> ReadRequest:
    def absolute(path: str | Path | None) -> str | None:
        return None if path is None else str(Path(path).expanduser().absolute())

    request = ReadRequest(
        None, reader, task, label_depth, absolute(root), group, absolute(val), absolute(test), absolute(relabel), time
    )
    if isinstance(data, Mapping):
        return replace(request, arrays=dict(data))
    return replace(request, data=absolute(data))


def _request(
    read: ReadRequest,
    model: str | None,
    weights: WeightsLike,
    minutes: float | None,
    epochs: int | None,
    size: int | None,
    seed: int | None,
    cache_size: int | None,
    plan: PlanLike,
    settings: Mapping[str, Any] | None,
) -> Request:
    if minutes is not None and epochs is not None:
        raise UsageError("minutes and epochs are two budgets; a training has one", fix="give one of them")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"minutes must be above 0, not {minutes:g}")
    overrides: dict[str, Decision] = {}
    if model is not None and Path(model).suffix in (".yaml", ".yml", ".json"):
        model = str(Path(model).expanduser().absolute())
    if isinstance(plan, Plan):
        overrides |= plan.decisions
    elif plan is not None:
        overrides |= read_plan(Path(plan))
    flags = {
        "network.name": model,
        "train.epochs": epochs,
        "input.height": size,
        "input.width": size,
        "train.seed": seed,
        "execution.cache_bytes": cache_size,
        "split.relabel": read.relabel,
    }
    overrides |= user_decisions({key: value for key, value in flags.items() if value is not None})
    overrides |= user_decisions(settings or {})
    if minutes is not None:
        overrides |= user_decisions({"train.minutes": minutes})
        if epochs is None and "train.epochs" not in (settings or {}):
            overrides["train.epochs"] = Decision("auto", f"as many as {minutes:g} minutes carry", "user")
    elif epochs is not None:
        overrides |= user_decisions({"train.minutes": None})
    time_given = overrides.get("train.minutes")
    minutes = time_given.value if time_given is not None else None
    chosen = _chosen_weights(weights, overrides, "network.weights" in (settings or {}))
    kind = overrides.get("task.kind")
    if kind is not None:
        if read.task not in (None, kind.value):
            raise UsageError(f"the task is {read.task} by flag and {kind.value} by plan", fix="give one of them")
        read = replace(read, task=kind.value)
    corrected = overrides.get("split.relabel")
    if corrected is not None and corrected.value is not None:
        read = replace(read, relabel=str(Path(corrected.value).expanduser().absolute()))
    file = overrides.get("split.file")
    if file is not None and file.value is not None:  # a Run that goes on elsewhere still finds it
        overrides["split.file"] = replace(file, value=str(Path(file.value).expanduser().absolute()))
    return Request(read, minutes, epochs, chosen, overrides, own_function(overrides))


def _chosen_weights(
    weights: WeightsLike, overrides: dict[str, Decision], by_setting: bool
) -> str | tuple[str, ...] | None:
    """The weights to use, by flag or by plan; the plan is made to say the same."""
    planned = overrides.get("network.weights")
    if weights is not None and not isinstance(weights, str | Path):
        if len(weights) != 1:
            overrides.pop("network.weights", None)
            return _several_weights(weights, by_setting)
        weights = weights[0]
    chosen = str(weights) if weights is not None else planned.value if planned is not None else None
    if chosen not in (None, "none", "hub"):
        chosen = str(Path(chosen).expanduser().absolute())
    if chosen == "none":
        chosen = None
    if weights is not None:
        if by_setting and planned is not None and planned.value != chosen:
            raise UsageError("two weights are given: --weights and network.weights", fix="give one of them")
        overrides["network.weights"] = Decision(chosen, "set by you", "user")
    return chosen


def _several_weights(weights: Sequence[str | Path], by_setting: bool) -> tuple[str, ...]:
    """The paths to choose from. Raises `UsageError` where there is nothing to choose, or no way to."""
    if not weights:
        raise UsageError("weights is an empty list", fix='give a file, a Run, several of them, or "none"')
    if by_setting:
        raise UsageError("two weights are given: --weights and network.weights", fix="give one of them")
    for name, why in (("none", "nothing to compare"), ("hub", "of the one network that --model names")):
        if name in map(str, weights):
            raise UsageError(f"`{name}` is no file among several weights: it is {why}", fix="give it alone, or files")
    paths = tuple(str(Path(one).expanduser().absolute()) for one in weights)
    real = [Path(one).resolve() for one in paths]
    for place, one in enumerate(real):
        if one in real[:place]:
            raise UsageError(f"{paths[place]} is given twice among the weights", fix="give it once")
    return paths
