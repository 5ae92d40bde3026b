"""Freed memory is kept: seen by page faults, in a process of its own, as the setting cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource
from striate.core.memory import keep_freed_memory
kept = keep_freed_memory() if {keep} else False
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


def run(keep: bool) -> tuple[bool, int]:
    child = subprocess.run([sys.executable, "-c", CODE.format(keep=keep)], capture_output=True, text=True, check=True)
    kept, count = child.stdout.split()
    return kept == "True", int(count)


def test_large_arrays_come_from_kept_memory() -> None:
    kept, faults = run(keep=True)
    if not kept:
        pytest.skip("this C library is not GNU's")
    assert faults < 200
    assert run(keep=False)[1] > 10 * max(1, faults)


FOR_A_WHILE = """
import resource
from striate.core.memory import freed_memory_kept
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
first = faults()
with freed_memory_kept():
    with freed_memory_kept():
        faults()
    within = faults()
    held = resident()
print(first, within, held - resident(), faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_kept_for_a_while_and_then_managed_as_before() -> None:
    if not run(keep=True)[0]:
        pytest.skip("this C library is not GNU's")
    child = subprocess.run([sys.executable, "-c", FOR_A_WHILE], capture_output=True, text=True, check=True)
    first, within, given_back, after = map(int, child.stdout.split())
    assert within < first / 10
    assert given_back > 50_000  # kilobytes
    assert after > 10 * within


RELEASED = """
from striate.core.memory import keep_freed_memory, release_freed_memory
kept = keep_freed_memory()
import numpy as np
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
blocks = [np.ones(1_000_000) for _ in range(40)]
del blocks
before = resident()
release_freed_memory()
print(kept, before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_kept_is_given_back_when_asked() -> None:
    child = subprocess.run([sys.executable, "-c", RELEASED], capture_output=True, text=True, check=True)
    kept, kilobytes = child.stdout.split()
    if kept != "True":
        pytest.skip("this C library is not GNU's")
    assert int(kilobytes) > 200_000
