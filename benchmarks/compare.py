"""The same work by every peer: each in a virtual environment of its own, on the same files, in turn, several times.

Rows of one repeat are measured one after another, so that a machine whose speed drifts is as fair to each; what counts
is the ratio of medians within one run of this program.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import Peer, choose, environment_of, read_peers, surroundings, versions_of
from benchmarks.goals import data_folder, results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core import machine
from striate.core.artifacts import make_folder
from striate.core.errors import StriateError, UsageError

HEADER = (
    "measure",
    "network",
    "peer",
    "setting",
    "size",
    "batch",
    "images",
    "repeat",
    "figure",
    "value",
    *ORIGIN,
)
MEASURES = {
    "train": ("first_epoch", "first_step", "rate", "memory"),
    "predict": ("whole", "rate", "memory"),
    "latency": ("median", "p99"),
}
"""What is measured, and its figures: seconds from the command's start to the end of the first epoch, and to the first
step; pictures a second of a later epoch; peak memory in bytes of all processes together; seconds of a whole command;
pictures a second once the model is loaded; seconds of a call."""
HELD_OUT = 32
SECONDS = 1800


def lay_out(data: Path, work: Path, count: int) -> Path:
    """The same files for every peer: `train/` with so many pictures, `val/` and `test/`, and `flat/`, as links.

    Args:
        data: class folders of JPEGs.
        count: pictures to train on and to predict; more than there are are linked again, under other names.
    """
    folder = work / f"data-{count}"
    if (folder / "ready").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    found = sorted(path for path in data.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))
    random.Random(0).shuffle(found)
    held_out, rest = found[: 2 * HELD_OUT], found[2 * HELD_OUT :]
    trained = [rest[number % len(rest)] for number in range(count)]
    parts = {"val": held_out[:HELD_OUT], "test": held_out[HELD_OUT:], "train": trained}
    for part, paths in parts.items():
        for number, path in enumerate(paths):
            for place in [folder / part / path.parent.name, *([folder / "flat" / "all"] if part == "train" else [])]:
                make_folder(place).joinpath(f"{number:06d}.jpg").symlink_to(path)
    (folder / "ready").touch()
    return folder


class Watch:
    """The most memory that a process and all below it take at once, shared pages counted once; read twice a second."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Bytes."""
        self._done.set()
        self._thread.join()
        return self.most

    def _run(self) -> None:
        while not self._done.wait(0.5):
            self.most = max(self.most, sum(_proportional(pid) for pid in _family(self.pid)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return  # it ended at this moment


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it ended at this moment
    return 0


def ask(peer: Peer, python: Path, job: dict[str, Any]) -> dict[str, float]:
    """One job by one peer: its figures by name. Raises `StriateError` where it fails."""
    environment = surroundings(peer, Path(job["out"]))
    call = [str(python), str(peer.path), json.dumps({**job, "started": time.time()})]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=job["out"]
    ) as child:
        watch = Watch(child.pid)
        try:
            said, _ = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            raise StriateError(f"{peer.name} took longer than {SECONDS} s") from None
        finally:
            memory = watch.stop()
    lines = said.strip().splitlines()
    if child.returncode or not lines:
        raise StriateError(f"{peer.name} failed:\n" + "\n".join(lines[-12:]))
    found = json.loads(lines[-1])
    if job["measure"] == "predict":
        found["rate"] = found["images"] / found["seconds"]
    if job.get("setting") != "again":  # which trained before, in the same process
        found["memory"] = memory
    return {name: float(found[name]) for name in MEASURES[job["measure"]] if found.get(name) is not None}


def run(call: Any) -> list[str]:
    """Every peer's every measure, a row a figure; returns the table of medians as lines.

    Args:
        call: peers, measures, networks, size, batch, count, repeats, epochs, work, results.
    """
    peers = choose(read_peers(), call.peers)
    if call.count % call.batch:
        raise UsageError(
            f"{call.count} pictures are no whole batches of {call.batch}, which some peers count",
            fix="give --count a multiple of --batch",
        )
    work, data = make_folder(call.work.resolve()), data_folder() / "trashnet"
    pythons: dict[str, Path] = {}
    for peer in peers:
        try:
            pythons[peer.name] = environment_of(peer, work)
        except StriateError as error:
            print(error, flush=True)
    if call.install_only:
        return []
    laid = lay_out(data, work, call.count)
    table = results_path("compare", call.results)
    versions = {name: versions_of(python) for name, python in pythons.items()}
    fresh: list[list[Any]] = []
    broken: set[tuple[str, str, str, str]] = set()
    for repeat in range(call.repeats):
        turned = peers[repeat % len(peers) :] + peers[: repeat % len(peers)]  # none is always first
        for network, measure, peer in itertools.product(call.networks, call.measures, turned):
            if peer.name not in pythons or network in peer.without:
                continue
            for setting in peer.settings[measure]:
                if (peer.name, setting, network, measure) in broken:
                    continue
                job = _job(call, work, laid, measure, network, peer.name, setting)
                try:
                    found = ask(peer, pythons[peer.name], job)
                except StriateError as error:
                    print(error, flush=True)
                    broken.add((peer.name, setting, network, measure))
                    continue
                said = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
                print(f"{measure} {network} {peer.name} {setting}: {said}", flush=True)
                about = [measure, network, peer.name, setting, call.size, call.batch, call.count, repeat]
                made = origin(versions[peer.name])
                rows = [[*about, name, f"{value:.6g}", *made] for name, value in found.items()]
                fresh += rows
                add_rows(table, HEADER, rows)
    return summary([[str(value) for value in row] for row in fresh])


def _job(call: Any, work: Path, laid: Path, measure: str, network: str, peer: str, setting: str) -> dict[str, Any]:
    """What a peer's script is asked; benchmarks/peers/_job.py says what each key means."""
    outs = work / "out" / f"{network}-{call.size}-{call.batch}-{call.count}"
    flat = laid / "flat" / "all"
    return {
        "measure": measure,
        "setting": setting,
        "network": network,
        "size": call.size,
        "batch": call.batch,
        "epochs": call.epochs,
        "workers": max(1, machine.cores() - 1),
        "low": machine.processor().endswith("bf16"),
        "data": str(laid),
        "pictures": str(flat),
        "picture": str(min(flat.iterdir())),
        "out": str(make_folder(outs / f"{peer}-{setting}")),
        "trained": str(outs / f"{peer}-default"),
    }


def summary(rows: Sequence[Sequence[str]]) -> list[str]:
    """Medians with their spread, and how striate's compares: above 1 is better than the peer.

    >>> made = [["latency", "resnet18", peer, "default", "224", "32", "64", "0", "median", value] for peer, value in
    ...         (("striate", "0.01"), ("timm", "0.02"))]
    >>> print("\\n".join(summary(made)))
    latency resnet18 median
      striate default: 0.01 (0.01 to 0.01, n = 1)
      timm default: 0.02 (0.02 to 0.02, n = 1), striate 2.00×
    """
    figures: dict[tuple[str, str, str], dict[tuple[str, str], list[float]]] = {}
    for measure, network, peer, setting, _, _, _, _, figure, value, *_ in rows:
        figures.setdefault((measure, network, figure), {}).setdefault((peer, setting), []).append(float(value))
    lines = []
    for (measure, network, figure), found in figures.items():
        lines.append(f"{measure} {network} {figure}")
        own = found.get(("striate", "default"))
        for (peer, setting), values in found.items():
            middle = statistics.median(values)
            line = f"  {peer} {setting}: {middle:.4g} ({min(values):.4g} to {max(values):.4g}, n = {len(values)})"
            if own and peer != "striate":
                ratio = statistics.median(own) / middle
                line += f", striate {ratio if figure == 'rate' else 1 / ratio:.2f}×"
            lines.append(line)
    return lines
