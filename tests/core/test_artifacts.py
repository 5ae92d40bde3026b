"""The one writer: whole or not at all, whatever the disk does."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from striate.core import artifacts
from striate.core.artifacts import parse_json
from striate.core.errors import DiskFull, StriateError


class _FullFile:
    """A file whose write fails halfway, as on a full disk."""

    def __init__(self, file: Any, number: int) -> None:
        self.file, self.number = file, number

    def __enter__(self) -> _FullFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])
        raise OSError(self.number, os.strerror(self.number))


def test_write_replaces_whole_and_leaves_nothing_aside(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    artifacts.write_bytes(target, b"old")
    artifacts.write_bytes(target, b"new and longer")
    assert target.read_bytes() == b"new and longer"
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    target = tmp_path / "file.bin"
    artifacts.write_bytes(target, b"old")
    monkeypatch.setattr(artifacts, "open", lambda *args: _FullFile(open(*args), number), raising=False)  # noqa: SIM115
    with pytest.raises(DiskFull, match="disk is full") as caught:
        artifacts.write_bytes(target, b"new content")
    assert caught.value.fix is not None
    assert "--resume" in caught.value.fix
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"], "the part file must be removed"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_fault_at_each_later_step_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "file.bin"
    artifacts.write_bytes(target, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(DiskFull):
        artifacts.write_bytes(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_other_faults_name_the_file_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="cannot be written") as caught:
        artifacts.write_bytes(tmp_path / "missing" / "file.bin", b"x")
    assert not isinstance(caught.value, DiskFull)
    assert caught.value.fix is not None
    assert "--out" in caught.value.fix


def test_append_to_a_full_disk_says_so(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(DiskFull):
        artifacts.append_line(Path("/dev/full"), "a line")


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_killed_inside_a_write_leaves_the_old_file(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from striate.core import artifacts\n"
        f"os.{moment} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "artifacts.write_bytes(Path(sys.argv[1]), b'new')\n"
    )
    child = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"


def test_a_real_full_file_system(tmp_path: Path) -> None:
    mount = shutil.which("mount")
    folder = tmp_path / "tiny"
    folder.mkdir()
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a tmpfs is not allowed here; the injected faults above stand in for it")
    try:
        target = folder / "file.bin"
        artifacts.write_bytes(target, b"a" * 20_000)
        with pytest.raises(DiskFull):
            artifacts.write_bytes(target, b"b" * 100_000)
        assert target.read_bytes() == b"a" * 20_000
        assert [path.name for path in folder.iterdir()] == ["file.bin"]
        artifacts.write_bytes(target, b"c" * 30_000)
        assert target.stat().st_size == 30_000, "there is room again, so writing goes on"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_json_is_strict_and_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    artifacts.write_json(path, {"nan": float("nan"), "inf": [float("inf")], "é": (1, 2.5), "no": None, "yes": True})
    assert "NaN" not in path.read_text("utf-8")
    assert artifacts.read_json(path) == {"nan": None, "inf": [None], "é": [1, 2.5], "no": None, "yes": True}


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    artifacts.write_json(tmp_path / "a.json", {"key": name})
    assert artifacts.read_json(tmp_path / "a.json") == {"key": name}


def test_unreadable_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(StriateError, match=r"bad\.json cannot be read"):
        artifacts.read_json(tmp_path / "bad.json")
    with pytest.raises(StriateError, match=r"none\.json does not exist"):
        artifacts.read_json(tmp_path / "none.json")


def test_yaml_keeps_the_order(tmp_path: Path) -> None:
    artifacts.write_yaml(tmp_path / "a.yaml", {"z": 1, "a": [1, 2], "ü": "x"})
    assert list(yaml.safe_load((tmp_path / "a.yaml").read_text("utf-8"))) == ["z", "a", "ü"]


def test_csv_quotes_what_needs_it(tmp_path: Path) -> None:
    rows = [["a,b", 'say "x"', "two\nlines"], ["", "é", "1"]]
    artifacts.write_csv(tmp_path / "a.csv", ["one", "two", "three"], rows)
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["one", "two", "three"], *rows]


def test_append_line_adds_one_line_each(tmp_path: Path) -> None:
    for line in ("one", "two"):
        artifacts.append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_make_folder_below_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StriateError, match="cannot be written"):
        artifacts.make_folder(tmp_path / "file" / "below")
    assert artifacts.make_folder(tmp_path / "a" / "b").is_dir()


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-4, the example of one block
    assert artifacts.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_twice_in_a_large_object_is_found_at_once() -> None:
    pairs = ", ".join(f'"k{number}": 0' for number in range(200_000))
    started = time.perf_counter()
    with pytest.raises(ValueError, match="'k199999' stands twice"):
        parse_json(f'{{{pairs}, "k199999": 1}}')
    assert time.perf_counter() - started < 5
    assert parse_json(f"{{{pairs}}}")["k7"] == 0


def test_a_folder_is_written_whole(tmp_path: Path) -> None:
    files = [("a.txt", b"1"), ("b/c/d.bin", b"22")]
    assert artifacts.write_folder(tmp_path / "new" / "out", files) == 2
    assert (tmp_path / "new" / "out" / "b" / "c" / "d.bin").read_bytes() == b"22"
    (tmp_path / "empty").mkdir()
    assert artifacts.write_folder(tmp_path / "empty", iter(files)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def files() -> Any:
        yield "a.txt", b"1"
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        artifacts.write_folder(tmp_path / "out", files())
    with pytest.raises(StriateError, match="cannot be written"):
        artifacts.write_folder(tmp_path / "out", [("a", b""), ("a", b"")])
    assert not list(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("7")
    with pytest.raises(StriateError):
        artifacts.write_folder(tmp_path / "out", [("a", b"")])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
