"""A Run on disk: its version, its refusals and its lock across processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from striate.core.artifacts import write_json
from striate.core.errors import RunError, RunLocked
from striate.core.run import RunFolder, list_runs, new_path

HOLD = """
import subprocess, sys, time
from pathlib import Path
from striate.core.run import RunFolder
run = RunFolder(Path(sys.argv[1]))
run.lock()
if sys.argv[2:] == ["child"]:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    print(worker.pid, flush=True)
else:
    print("locked", flush=True)
time.sleep(60)
"""


def hold(path: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A process that locks the Run and sleeps; its first line of output."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def test_create_writes_the_environment_first_and_open_reads_it(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "deep" / "run", {"call": ["train"]})
    assert RunFolder.open(run.path).read_environment() == {"striate_run": 1, "call": ["train"]}
    assert run.path.joinpath("environment.json") == run.environment
    run.unlock()


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="not empty") as caught:
        RunFolder.create(tmp_path, {})
    assert caught.value.fix == "choose another --out"
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(RunError, match="not empty"):
        RunFolder.create(tmp_path / "file", {})
    RunFolder.create(tmp_path / "run", {}).unlock()
    with pytest.raises(RunError, match="a Run is in it") as caught:
        RunFolder.create(tmp_path / "run", {})
    assert caught.value.fix is not None
    assert "--resume" in caught.value.fix


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    RunFolder.create(tmp_path / "empty", {}).unlock()


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_a_run_of_another_version_is_refused(tmp_path: Path, version: object) -> None:
    write_json(tmp_path / "environment.json", {"striate_run": version})
    with pytest.raises(RunError, match=r"this striate reads version 1"):
        RunFolder.open(tmp_path)


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no Run at"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(RunError, match="is not a Run"):
        RunFolder.open(tmp_path)
    write_json(tmp_path / "environment.json", [1])
    with pytest.raises(RunError, match="does not hold a JSON object"):
        RunFolder.open(tmp_path)


def test_a_second_process_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    holder, said = hold(tmp_path)
    try:
        assert said == "locked"
        with pytest.raises(RunLocked, match="another process is training"):
            RunFolder(tmp_path).lock()
    finally:
        holder.kill()
        holder.wait()
    run = RunFolder(tmp_path)
    run.lock()
    run.unlock()


def test_a_killed_holders_workers_do_not_keep_the_lock(tmp_path: Path) -> None:
    """An inherited `flock` would still be held here; a POSIX record lock ends with its process."""
    holder, worker = hold(tmp_path, "child")
    try:
        with pytest.raises(RunLocked):
            RunFolder(tmp_path).lock()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.kill(int(worker), 0)  # raises unless the orphan lives
        run = RunFolder(tmp_path)
        run.lock()
        run.unlock()
    finally:
        os.kill(int(worker), signal.SIGKILL)


def test_unlock_frees_and_may_be_repeated(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.lock()
    run.unlock()
    run.unlock()
    holder, said = hold(tmp_path)
    holder.kill()
    holder.wait()
    assert said == "locked"


def test_new_paths_do_not_collide(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        paths.append(new_path(tmp_path, "photos"))
        paths[-1].mkdir()
    assert len(set(paths)) == 3
    assert all(path.name.startswith("photos-20") for path in paths)


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    for number, name in enumerate(["b", "a", "c"]):
        RunFolder.create(tmp_path / name, {}).unlock()
        stamp = time.time() - 100 + number
        os.utime(tmp_path / name / "environment.json", (stamp, stamp))
    (tmp_path / "other").mkdir()
    write_json(tmp_path / "c" / "environment.json", {"striate_run": 99})
    assert [run.path.name for run in list_runs(tmp_path)] == ["b", "a", "c"]
    assert [run.path for run in list_runs(tmp_path / "a")] == [tmp_path / "a"]
    assert list_runs(tmp_path / "none") == []
