"""What other processes take of the machine: seen where they do, and nothing of our own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from striate.core import load
from striate.core.load import Load

BUSY_LOOP = "import time\nend = time.time() + {seconds}\nwhile time.time() < end: pass"


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def stat(path: Path, *rows: str) -> None:
    path.joinpath("stat").write_text("cpu  1 1 1 1 1 1 1 1 0 0\n" + "\n".join(rows) + "\nintr 5\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_own_work_and_that_of_workers_is_nobody_else_s() -> None:
    before = load._others_ticks()
    spin(0.5)
    worker = subprocess.Popen([sys.executable, "-c", BUSY_LOOP.format(seconds=0.5)])
    time.sleep(0.4)
    living = load._workers_ticks()
    worker.wait()
    assert living >= 20
    assert load._workers_ticks() >= living
    assert before is not None


def test_what_others_take_is_told_by_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_PROC", tmp_path)
    monkeypatch.setattr(load, "allowed_processors", lambda: {0, 2})
    monkeypatch.setattr(load.time, "process_time", lambda: 3.0)
    monkeypatch.setattr(load.os, "sysconf", lambda name: 100)
    clock = iter([10.0, 12.0, 12.0])
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(clock))
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
