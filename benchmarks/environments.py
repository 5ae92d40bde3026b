"""The peers of peers.toml, and the virtual environment of each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.goals import HERE
from striate.core.errors import StriateError, UnknownName


@dataclass(frozen=True)
class Peer:
    """One table of peers.toml; the file says what each field means."""

    name: str
    install: tuple[str, ...]
    settings: dict[str, list[str]]
    script: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Its script for `compare`."""
        return HERE / "peers" / f"with_{self.script or self.name}.py"

    @property
    def accuracy_path(self) -> Path:
        """Its script for `accuracy`."""
        return HERE / "peers" / f"accuracy_{self.script or self.name}.py"


def read_peers(path: Path = HERE / "peers.toml") -> dict[str, Peer]:
    """Every peer by name, in the file's order."""
    found = tomllib.loads(path.read_text("utf-8"))
    lists = ("install", "without")
    return {
        name: Peer(name, **{key: tuple(value) if key in lists else value for key, value in row.items()})
        for name, row in found.items()
    }


def environment_of(peer: Peer, work: Path) -> Path:
    """The Python of the peer's virtual environment, made where it is not there or was made otherwise.

    striate's own code is brought up to date each time.
    """
    folder, here = work / "environments" / peer.name, str(HERE.parent)
    python, mark = folder / "bin" / "python", folder / "installed"
    arguments = [here if part == "." else part for part in peer.install]
    if not mark.exists() or mark.read_text() != " ".join(peer.install):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {peer.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        _pip(peer, python, arguments)
        mark.write_text(" ".join(peer.install))
    elif "." in peer.install:
        _pip(peer, python, ["--no-deps", "--force-reinstall", here])
    return python


def _pip(peer: Peer, python: Path, arguments: list[str]) -> None:
    call = [str(python), "-m", "pip", "install", "-q", *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StriateError(f"{peer.name} cannot be installed here: " + done.stderr.strip()[-500:])


def versions_of(python: Path) -> str:
    """The versions that decide a figure, of what is installed there."""
    names = ("striate", "torch", "torchvision", "timm", "fastai", "keras", "tensorflow-cpu", "ultralytics", "pillow")
    code = (
        "from importlib.metadata import version, PackageNotFoundError\n"
        f"for name in {names!r}:\n"
        "    try: print(f'{name}={version(name)}', end=' ')\n"
        "    except PackageNotFoundError: pass\n"
    )
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def choose(peers: dict[str, Peer], names: Sequence[str]) -> list[Peer]:
    """The peers of these names, or all. Raises `UnknownName`."""
    for name in names:
        if name not in peers:
            raise UnknownName("peer", name, peers)
    return [peers[name] for name in names] or list(peers.values())


def surroundings(peer: Peer, out: Path) -> dict[str, str]:
    """The environment variables of a peer's script: what it finds and downloads is its own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    own = {"STRIATE_CACHE": str(out / "cache"), "YOLO_OFFLINE": "true", "CUDA_VISIBLE_DEVICES": ""}  # all on processors
    return {**inherited, **peer.environment, **own}
