"""What other processes take of the machine: seen where they do, and nothing of our own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from striate.core import load
from striate.core.load import Load
from striate.core.machine import allowed_processors, processors

BUSY_LOOP = "import time\nend = time.time() + {seconds}\nwhile time.time() < end: pass"


def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processors 0 and 2 are ours, a tick is a hundredth of a second, and two seconds pass."""
    monkeypatch.setattr(load, "_PROC", tmp_path)
    monkeypatch.setattr(load, "allowed_processors", lambda: {0, 2})
    monkeypatch.setattr(load, "processors", lambda: 2)
    monkeypatch.setattr(load, "cores", lambda: 2)
    monkeypatch.setattr(load.time, "process_time", lambda: 3.0)
    monkeypatch.setattr(load.os, "sysconf", lambda name: 100)
    clock = itertools.chain([10.0], itertools.repeat(12.0))
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(clock))


def worker(path: Path, number: int, parent: int, user: int, system: int) -> None:
    path.joinpath(str(number)).mkdir(exist_ok=True)
    fields = f"{number} (a (name) b) S {parent} 0 0 0 0 0 0 0 0 0 {user} {system} 0 0"
    path.joinpath(str(number), "stat").write_text(fields)


def stat(path: Path, *rows: str) -> None:
    path.joinpath("stat").write_text("cpu  1 1 1 1 1 1 1 1 0 0\n" + "\n".join(rows) + "\nintr 5\n")


def test_own_work_and_that_of_workers_is_nobody_else_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path)
    own, ended = [3.0], [0.5]
    monkeypatch.setattr(load.time, "process_time", lambda: own[0])
    times = lambda: SimpleNamespace(children_user=ended[0], children_system=0.25)  # noqa: E731
    monkeypatch.setattr(load.os, "times", times)
    worker(tmp_path, 77, os.getpid(), 100, 20)
    worker(tmp_path, 78, 1, 4000, 4000)  # somebody else's
    stat(tmp_path, "cpu0 1000 0 0 500 7 0 0 0 0 0", "cpu2 500 0 0 500 0 0 0 0 0 0")
    watched = Load()
    own[0], ended[0] = 4.5, 0.75  # 150 ticks of our own, 25 of workers that have ended
    worker(tmp_path, 77, os.getpid(), 130, 25)  # 35 of one that lives
    stat(tmp_path, "cpu0 1150 0 0 500 7 0 0 0 0 0", "cpu2 600 0 0 500 0 0 0 0 0 0")  # 250 in all
    assert watched.others() == pytest.approx((250 - 150 - 25 - 35) / 100 / 2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_a_busy_process_of_another_s_is_seen() -> None:
    shell = f"{sys.executable} -c '{BUSY_LOOP.format(seconds=1.5)}' & disown"
    subprocess.run(["bash", "-c", shell], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watched = Load()
    time.sleep(1.0)
    if processors() < len(allowed_processors()):
        pytest.skip("a container's share does not say which processors are its own")
    assert watched.others() > 0.3


def test_a_moment_is_too_short_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path)
    clock = itertools.chain([10.0], itertools.repeat(10.001))
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(clock))
    stat(tmp_path, "cpu0 0 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 0 0 0 0 0 0 0")
    watched = Load()
    stat(tmp_path, "cpu0 2 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 0 0 0 0 0 0 0")  # two ticks in a thousandth of a second
    assert not watched.disturbs()


def test_a_share_of_the_processors_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path)
    monkeypatch.setattr(load, "processors", lambda: 1)
    stat(tmp_path, "cpu0 0 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 0 0 0 0 0 0 0")
    watched = Load()
    stat(tmp_path, "cpu0 900 0 0 0 0 0 0 0 0 0", "cpu2 900 0 0 0 0 0 0 0 0 0")
    assert watched.others() == 0


def test_what_computing_leaves_may_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path)
    monkeypatch.setattr(load, "cores", lambda: 1)  # two threads of one core
    stat(tmp_path, "cpu0 0 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 0 0 0 0 0 0 0")
    watched = Load()
    stat(tmp_path, "cpu0 200 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 0 0 0 0 0 0 0")
    assert watched.others() == pytest.approx(1.0)
    assert not watched.disturbs()


def test_what_others_take_is_told_by_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path)
    stat(tmp_path, "cpu0 100 0 0 500 7 0 0 0 0 0", "cpu1 0 0 0 0 0 0 0 0 0 0", "cpu2 50 0 0 500 0 0 0 0 0 0")
    watched = Load()
    # 160 ticks more on the two that count: computing, nice, system, interrupts, stolen; of waiting, nothing
    stat(tmp_path, "cpu0 150 10 20 900 90 5 5 40 0 0", "cpu1 900 0 0 0 0 0 0 0 0 0", "cpu2 80 0 0 500 0 0 0 0 0 0")
    assert watched.others() == pytest.approx(1.60 / 2)
    assert watched.disturbs()


@pytest.mark.parametrize("content", [None, "cpu0 1 2\n", "cpu0 a b c d e f g h\n"])
def test_where_the_system_does_not_tell_nothing_disturbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setattr(load, "_PROC", tmp_path)
    monkeypatch.setattr(load, "allowed_processors", lambda: {0})
    if content is not None:
        (tmp_path / "stat").write_text(content)
    watched = Load()
    assert watched.others() == 0.0
    assert not watched.disturbs()
