"""What this machine is: cores, memory, versions. Measured once, written into every Run."""

from __future__ import annotations

import math
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """Logical processors that this process may use at once: what its affinity names, and its control group lets run.

    As many decode: two threads of one core fill each other's waits.
    """
    return _within_quota(len(allowed_processors()))


def cores() -> int:
    """Physical cores that this process may use at once. As many compute: a core's two threads share its arithmetic."""
    siblings = set()
    for number in allowed_processors():
        try:
            siblings.add((_CPUS / f"cpu{number}" / "topology" / "thread_siblings_list").read_text())
        except OSError:  # not Linux, or hidden by a sandbox: each counts as a core of its own
            siblings.add(str(number))
    return _within_quota(len(siblings))


def allowed_processors() -> set[int]:
    """Numbers of the logical processors that this process may use, whatever its share of their time."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _within_quota(count: int) -> int:
    """What a container may use of that many: `docker run --cpus 2` sets a share of the time, and hides nothing."""
    try:
        quota, period = (_GROUPS / "cpu.max").read_text().split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no control group, or one of the first version
    return max(1, count)


def memory_bytes() -> int:
    """Memory this process may still take, in bytes: what is available, or what its control group leaves."""
    limits = [_available_bytes()]
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if limit != "max":
            limits.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass  # no control group: only the machine's own limit counts
    return min(limits)


def free_bytes(path: Path | None) -> int:
    """What is free on the disk that holds a path, or would hold it; 0 where that cannot be told."""
    for folder in (path, *path.parents) if path is not None else ():
        try:
            return shutil.disk_usage(folder).free
        except (FileNotFoundError, NotADirectoryError):
            continue  # its parent's disk will hold it
        except OSError:
            break  # it may not be looked at
    return 0


def _available_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 4 * 1024**3


# What convolutions run on, the fastest first; with the words of oneDNN's limits (ONEDNN_MAX_CPU_ISA) that admit it.
_INSTRUCTIONS = {
    "amx_bf16": ("AMX",),
    "avx512_bf16": ("AMX", "BF16", "FP16"),
    "avx512f": ("AVX512",),
    "avx2": ("AVX2", "AVX512"),
}


def processor() -> str:
    """The processor's name and the fastest of its instructions that convolutions use, as far as they are told.

    Machines of one name differ severalfold in these: a virtual "AMD EPYC" has bfloat16 or has not. A limit that
    oneDNN was given counts as the machine's own.
    """
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    except OSError:
        pass  # not Linux
    name = found.get("model name") or platform.processor() or platform.machine()
    known = found.get("flags", "").split()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "ALL")).upper()
    free = limit in ("", "ALL", "DEFAULT")
    usable = [flag for flag, words in _INSTRUCTIONS.items() if free or any(word in limit for word in words)]
    return " ".join([name, *[flag for flag in usable if flag in known][:1]])


def versions() -> dict[str, str]:
    """The versions that decide a result."""
    names = ["striate", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "safetensors"]
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
