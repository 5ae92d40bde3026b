"""What this machine is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy
import pytest
import torch

from striate.core import machine


def test_cores_follow_the_affinity() -> None:
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            assert machine.cores() == 1
        finally:
            os.sched_setaffinity(0, before)


def test_two_threads_of_a_core_are_one_core_and_two_processors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, siblings in enumerate(("0,4", "1,5", "0,4", "1,5", "2")):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "allowed_processors", lambda: {0, 1, 2, 3, 4})
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    assert (machine.cores(), machine.processors()) == (3, 5)
    monkeypatch.setattr(machine, "allowed_processors", lambda: {0, 2, 9})  # of the last, nothing is known
    assert (machine.cores(), machine.processors()) == (2, 3)


@pytest.mark.parametrize(
    ("said", "processors"),
    [
        ("max 100000", 5),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("900000 100000", 5),
        ("?", 5),
    ],
)
def test_a_control_group_limits_the_processors(
    said: str, processors: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cpu.max").write_text(said + "\n")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine, "allowed_processors", lambda: {0, 1, 2, 3, 4})
    assert machine.processors() == processors


def test_memory_is_a_sensible_number_of_bytes() -> None:
    assert 2**28 < machine.memory_bytes() < 2**44


def test_a_control_group_limits_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/sys/fs/cgroup/memory.max": "3000000\n", "/sys/fs/cgroup/memory.current": "1000000\n"}
    real = Path.read_text

    def read_text(path: Path, *arguments: str, **options: str) -> str:
        return files[str(path)] if str(path) in files else real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert machine.memory_bytes() == 2_000_000
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert machine.memory_bytes() > 2_000_000


def test_versions_are_those_imported() -> None:
    found = machine.versions()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["numpy"] == numpy.__version__


def test_the_processor_has_a_name() -> None:
    assert machine.processor().strip()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16", "AMD EPYC avx512_bf16"),
        ("fpu avx2 avx512f avx512_bf16 amx_bf16", "AMD EPYC amx_bf16"),
        ("fpu avx avx2", "AMD EPYC avx2"),
        ("fpu", "AMD EPYC"),
    ],
)
def test_processors_of_one_name_are_told_by_their_instructions(
    flags: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: {flags}\n\nprocessor\t: 1\nmodel name\t: other\n"
    monkeypatch.setattr(Path, "read_text", lambda path, *arguments, **options: told)
    assert machine.processor() == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("AVX2", "AMD EPYC avx2"),
        ("avx2_vnni", "AMD EPYC avx2"),
        ("AVX512_CORE", "AMD EPYC avx512f"),
        ("AVX512_CORE_BF16", "AMD EPYC avx512_bf16"),
        ("AVX512_CORE_AMX", "AMD EPYC amx_bf16"),
        ("SSE41", "AMD EPYC"),
        ("ALL", "AMD EPYC amx_bf16"),
    ],
)
def test_a_limit_of_onednn_counts_as_the_machine_s(limit: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "model name\t: AMD EPYC\nflags\t\t: avx avx2 avx512f avx512_bf16 amx_bf16\n"
    monkeypatch.setattr(Path, "read_text", lambda path, *arguments, **options: told)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert machine.processor() == expected


def test_the_room_on_a_disk_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "a" / "b", tmp_path / "file" / "b"):
        assert machine.free_bytes(path) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert machine.free_bytes(None) == 0
