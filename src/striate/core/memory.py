"""Memory: what is freed is kept for the next step, and running out of it is told from other errors.

A training step frees and takes the same large tensors again and again. By default the GNU C library maps each of them
from the system and unmaps it afterwards, and the system clears every page on first touch: on a 2-core AMD EPYC a ReLU
of 20 million numbers with its gradient took 66 ms so, and 13 ms from kept memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator, Sequence

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_KEPT = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 * 1024**2))
# What a process comes to by itself that has once freed a tensor of 32 MB (mallopt(3), "dynamic mmap threshold").
_USUAL = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 * 1024**2), (_TRIM_THRESHOLD, 64 * 1024**2), (_TOP_PAD, 128 * 1024))
_holders = 0
_for_good = False
_lock = threading.Lock()


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, from here on; other processes and the results of computations are untouched.

    Returns:
        whether that could be arranged: with the GNU C library only. An allocator loaded in its place goes its own way.
    """
    global _for_good
    with _lock:
        _for_good = _arranged(_KEPT)
    return _for_good


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let this process keep what it frees for a while, and give it back to the system at the end.

    For work within a process that is not ours: afterwards its memory is managed as any other's that has used large
    arrays.
    """
    global _holders
    with _lock:
        _holders += 1
        if _holders == 1 and not _for_good:
            _arranged(_KEPT)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            ended = not _holders and not _for_good
            if ended:
                _arranged(_USUAL)
        if ended:
            release_freed_memory()


def _arranged(settings: Sequence[tuple[int, int]]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library: its own ways are left alone
    return all(bool(mallopt(name, value)) for name, value in settings)


def release_freed_memory() -> None:
    """Give back to the system what is freed now, where `keep_freed_memory` kept it: when other work begins."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device.

    >>> ran_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    True
    >>> ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    if isinstance(error, MemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
