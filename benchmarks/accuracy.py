"""Accuracy on the same test pictures after given minutes, by every peer, from the same weights or from scratch.

Each peer gets the same split, laid out as folders, and names the test pictures; one function scores them all. Minutes
count from the start of a peer's command to its end, and each trains as many epochs as it finds to fit.
"""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import statistics
import subprocess
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.environments import Peer, choose, environment_of, read_peers, surroundings, versions_of
from benchmarks.plain import read_parts
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core import machine
from striate.core.artifacts import make_folder, read_json
from striate.core.errors import StriateError
from striate.core.events import Silent
from striate.data.audit import run_audit
from striate.data.dataset import open_dataset
from striate.data.readers import ReadOptions
from striate.data.split import make_split

HEADER = (
    "data",
    "minutes",
    "peer",
    "setting",
    "network",
    "seed",
    "figure",
    "value",
    *ORIGIN,
)
FIGURES = ("accuracy", "seconds", "epochs")
"""Share of the test pictures named rightly; seconds of the whole command; passes over the training pictures."""
LATE = 1.15
"""Of its minutes: what took longer is marked, since it is no comparison in equal time."""
SETTINGS = ("default", "tuned")
LIMIT_SECONDS = 7200


@dataclass(frozen=True)
class Contest:
    """What is learnt.

    Args:
        place: class folders or a zip of them, in the test material.
        size: side of the pictures that a peer's default takes, in pixels.
        weights: a file of the test material's weights, without its ending; None is from scratch.
    """

    place: str
    size: int
    weights: str | None = None


CONTESTS = {
    "trashnet": Contest("trashnet", 224, "mobilenetv2_100_padsame_mean0.5"),
    "cifar10": Contest("cifar10.zip", 32),
}


@dataclass(frozen=True)
class Entry:
    """One training: who, on what, for how long."""

    peer: Peer
    setting: str
    data: str
    minutes: float
    seed: int

    def __str__(self) -> str:
        return f"{self.data} {self.minutes:g} min, {self.peer.name} {self.setting}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a training gave: the network's name, its figures by name, and the versions of what computed it."""

    network: str
    figures: dict[str, float]
    versions: str


def split_of(place: Path, path: Path) -> Path:
    """The division that a training on this data makes, as its split.csv; made once."""
    if not path.exists():
        print(f"dividing {place.name}", flush=True)
        dataset = open_dataset(place, ReadOptions())
        audit = run_audit(dataset, workers=machine.cores(), reporter=Silent())
        make_split(dataset, audit, seed=0).write(path, dataset)
    return path


def lay_out(place: Path, parts: Mapping[str, Sequence[tuple[str, str]]], folder: Path) -> None:
    """`train/`, `val/` and `test/` of class folders, as links to the files, or as files where they are in a zip."""
    if (folder / "ready").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    archive = zipfile.ZipFile(place) if place.suffix == ".zip" else None
    for part, rows in parts.items():
        for name, (key, target) in zip(names_of(rows), rows, strict=True):
            path = make_folder(folder / part / target) / name
            if archive is None:
                path.symlink_to(place / key)
            else:
                path.write_bytes(archive.read(key))
    (folder / "ready").touch()


def names_of(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The names that the files of a part get, which are unique and tell nothing.

    >>> names_of([("a/1.jpg", "a"), ("b/1.jpg", "b")])
    ['000000.jpg', '000001.jpg']
    """
    return [f"{number:06d}{Path(key).suffix.lower()}" for number, (key, _) in enumerate(rows)]


def score(predicted: Mapping[str, str], truth: Mapping[str, str]) -> float:
    """The share of the pictures that are named rightly.

    Raises:
        StriateError: a picture has no prediction, or a prediction no picture.

    >>> score({"1": "a", "2": "a"}, {"1": "a", "2": "b"})
    0.5
    """
    if set(predicted) != set(truth):
        missing, more = len(set(truth) - set(predicted)), len(set(predicted) - set(truth))
        raise StriateError(f"{missing} test pictures have no prediction, and {more} predictions no test picture")
    return sum(predicted[name] == target for name, target in truth.items()) / len(truth)


class Course:
    """Where the trainings run: the data of each contest, the environments, and the folder that all is kept in."""

    def __init__(self, work: Path, material: Path, peers: Sequence[Peer]) -> None:
        self.work, self.material = make_folder(work), material
        self.pythons: dict[str, Path] = {}
        for peer in peers:
            if peer.name == "striate":  # runs as this very code, like the goals
                continue
            try:
                self.pythons[peer.name] = environment_of(peer, work)
            except StriateError as error:
                print(error, flush=True)
        self.versions = {name: versions_of(python) for name, python in self.pythons.items()}

    def place(self, data: str) -> Path:
        """The files of a contest."""
        return self.material / CONTESTS[data].place

    def split(self, data: str) -> Path:
        """The split.csv that all obey."""
        return split_of(self.place(data), make_folder(self.work / "accuracy") / f"{data}-split.csv")

    def weights(self, data: str) -> Path | None:
        """The weights file that all start from."""
        name = CONTESTS[data].weights
        return self.material / "weights" / f"{name}.safetensors" if name else None

    def takes_part(self, entry: Entry) -> bool:
        """Whether the peer has the setting, the weights, and an environment."""
        peer = entry.peer
        here = peer.name == "striate" or peer.name in self.pythons
        able = CONTESTS[entry.data].weights not in peer.without
        return here and able and entry.setting in peer.settings.get("accuracy", ())

    def train(self, entry: Entry) -> Outcome:
        """One training, scored. Raises `StriateError` where it fails."""
        out = self.work / "accuracy" / "out" / f"{entry.data}-{entry.peer.name}-{entry.setting}"
        shutil.rmtree(out, ignore_errors=True)
        return self._own(entry, out) if entry.peer.name == "striate" else self._peers(entry, make_folder(out))

    def _own(self, entry: Entry, out: Path) -> Outcome:
        split = self.split(entry.data)
        call = ["train", str(self.place(entry.data)), "--weights", str(self.weights(entry.data) or "none")]
        call += [
            "--device",
            "cpu",
            "--minutes",
            f"{entry.minutes:g}",
            "--seed",
            str(entry.seed),
            "--set",
            f"split.file={split}",
        ]
        _, seconds = goals.striate([*call, "--cache-size", "0", "--json", "--out", str(out)])
        with open(out / "predictions.csv", encoding="utf-8", newline="") as file:
            predicted = {line["key"]: line["prediction"] for line in csv.DictReader(file) if line["split"] == "test"}
        accuracy = score(predicted, dict(read_parts(split)["test"]))
        network = str(read_json(out / "network.json")["name"])
        versions = " ".join(f"{name}={number}" for name, number in machine.versions().items())
        return Outcome(network, {"accuracy": accuracy, "seconds": seconds, "epochs": goals.epochs_of(out)}, versions)

    def _peers(self, entry: Entry, out: Path) -> Outcome:
        contest, peer = CONTESTS[entry.data], entry.peer
        parts, laid = read_parts(self.split(entry.data)), self.work / "accuracy" / entry.data
        lay_out(self.place(entry.data), parts, laid)
        for kept in laid.glob("*.cache"):  # Ultralytics', which would spare its next training the reading
            kept.unlink()
        weights = self.weights(entry.data)
        job = {
            "setting": entry.setting,
            "minutes": entry.minutes,
            "seed": entry.seed,
            "size": contest.size,
            "weights": str(weights) if weights else None,
            "workers": max(1, machine.cores() - 1),
            "low": machine.processor().endswith("bf16"),
            "data": str(laid),
            "out": str(out),
        }
        found, seconds = ask(peer, self.pythons[peer.name], job)
        with open(out / "predictions.csv", encoding="utf-8", newline="") as file:
            predicted = dict(csv.reader(file))
        truth = {name: target for name, (_, target) in zip(names_of(parts["test"]), parts["test"], strict=True)}
        figures = {"accuracy": score(predicted, truth), "seconds": seconds, "epochs": float(found["epochs"])}
        return Outcome(str(found["network"]), figures, self.versions[peer.name])


def ask(peer: Peer, python: Path, job: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """One training by a peer's script: its answer, and the seconds from start to end.

    Args:
        job: what benchmarks/peers/_contest.py says, but for `started`.

    Raises:
        StriateError: it failed.
    """
    started = time.time()
    call = [str(python), str(peer.accuracy_path), json.dumps({**job, "started": started})]
    out = Path(job["out"])
    with open(out / "said.txt", "w+", encoding="utf-8") as said:
        try:
            child = subprocess.run(
                call,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=surroundings(peer, out),
                cwd=out,
                timeout=LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StriateError(f"{peer.name} took longer than {LIMIT_SECONDS} s") from None
        seconds = time.time() - started
        said.seek(0)
        lines = said.read().strip().splitlines()
    if child.returncode or not lines:
        raise StriateError(f"{peer.name} failed:\n" + "\n".join(lines[-12:]))
    for line in reversed(lines):  # libraries may say something when the process ends
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                return dict(json.loads(line)), seconds
    raise StriateError(f"{peer.name} gave no answer:\n" + "\n".join(lines[-12:]))


def run(call: Any) -> list[str]:
    """Every peer's every training, a row a figure; returns the summary as lines.

    Args:
        call: data, minutes, seeds, peers, settings, mark, work, results.
    """
    peers = choose(read_peers(), call.peers)
    course = Course(call.work.resolve(), goals.data_folder(), peers)
    table = goals.results_path("accuracy", call.results)
    fresh: list[list[str]] = []
    for entry in entries(call, peers):
        if not course.takes_part(entry):
            continue
        try:
            outcome = course.train(entry)
        except StriateError as error:
            print(f"{entry}: {error}", flush=True)
            continue
        print(f"{entry}: " + ", ".join(f"{name} {value:.4g}" for name, value in outcome.figures.items()), flush=True)
        about = [entry.data, f"{entry.minutes:g}", entry.peer.name, entry.setting, outcome.network, entry.seed]
        made = origin(outcome.versions)
        rows = [[*about, name, f"{value:.6g}", *made] for name, value in outcome.figures.items()]
        add_rows(table, HEADER, rows)
        fresh += [[str(value) for value in row] for row in rows]
    return [*summary(fresh), *(times_to(fresh, call.mark) if call.mark is not None else [])]


def entries(call: Any, peers: Sequence[Peer]) -> list[Entry]:
    """All trainings in their order: the peers of one seed one after another, a different one first for each seed."""
    found = []
    for data in call.data:
        for minutes in call.minutes:
            for turn, seed in enumerate(call.seeds):
                start = turn % len(peers)
                for peer in [*peers[start:], *peers[:start]]:
                    found += [Entry(peer, setting, data, minutes, seed) for setting in call.settings]
    return found


Grouped = dict[tuple[str, str], dict[tuple[str, str, str], dict[str, list[float]]]]
"""Values by (data, minutes), then (peer, setting, network), then figure."""


def _grouped(rows: Sequence[Sequence[str]]) -> Grouped:
    found: Grouped = {}
    for data, minutes, peer, setting, network, _, figure, value, *_ in rows:
        by_entry = found.setdefault((data, minutes), {}).setdefault((peer, setting, network), {})
        by_entry.setdefault(figure, []).append(float(value))
    return found


def summary(rows: Sequence[Sequence[str]]) -> list[str]:
    """Means over the seeds with their deviation, and by how much striate is above.

    >>> made = [["x", "2", peer, "default", "net", "0", figure, value] for peer, figure, value in (
    ...     ("striate", "accuracy", "0.9"), ("striate", "seconds", "110"),
    ...     ("timm", "accuracy", "0.8"), ("timm", "seconds", "150"))]
    >>> print("\\n".join(summary(made)))
    x, 2 minutes
      striate default, net: 0.9000 ± 0.0000 (n = 1) in 110 s
      timm default, net: 0.8000 ± 0.0000 (n = 1) in 150 s, OVER TIME, striate +0.1000
    """
    lines = []
    for (data, minutes), found in _grouped(rows).items():
        lines.append(f"{data}, {minutes} minutes")
        own = [value for (peer, _, _), figures in found.items() if peer == "striate" for value in figures["accuracy"]]
        for (peer, setting, network), figures in found.items():
            values, seconds = figures["accuracy"], max(figures["seconds"])
            mean, spread = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
            line = f"  {peer} {setting}, {network}: {mean:.4f} ± {spread:.4f} (n = {len(values)}) in {seconds:.0f} s"
            if seconds > LATE * 60 * float(minutes):
                line += ", OVER TIME"
            if own and peer != "striate":
                line += f", striate {statistics.mean(own) - mean:+.4f}"
            lines.append(line)
    return lines


def times_to(rows: Sequence[Sequence[str]], mark: float) -> list[str]:
    """The least time whose trainings reach the mark in the mean, by peer and setting: each is a whole training.

    >>> made = [["x", minutes, "timm", "default", "net", "0", figure, value] for minutes, figure, value in (
    ...     ("2", "accuracy", "0.8"), ("2", "seconds", "115"), ("10", "accuracy", "0.9"), ("10", "seconds", "590"))]
    >>> print("\\n".join(times_to(made, 0.85)))
    x, time to 0.85
      timm default: 590 s
    """
    least: dict[str, dict[str, float | None]] = {}
    for (data, _), found in _grouped(rows).items():
        for (peer, setting, _), figures in found.items():
            before = least.setdefault(data, {}).setdefault(f"{peer} {setting}", None)
            seconds = statistics.mean(figures["seconds"])
            if statistics.mean(figures["accuracy"]) >= mark and (before is None or seconds < before):
                least[data][f"{peer} {setting}"] = seconds
    lines = []
    for data, times in least.items():
        lines.append(f"{data}, time to {mark:g}")
        lines += [f"  {who}: " + ("not reached" if time is None else f"{time:.0f} s") for who, time in times.items()]
    return lines
