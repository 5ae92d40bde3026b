"""What can be made again, kept on disk between runs: found by a key, written aside, let go by age of use."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from striate.core.errors import CacheError, DiskFull, StriateError

STALE_SECONDS = 86_400
"""Age after which what was begun and not written on is removed, whoever began it."""


KINDS = {"packs": "prepared pictures", "audits": "audits", "trials": "measurements"}
"""The folders of the cache, and what is in each."""

SMALL = {"audits": 200 * 10**6, "trials": 10 * 10**6}
"""Bytes that the kinds may take which need no limit of the user's, unless that is 0."""


def cache_folder(kind: str) -> Path | None:
    """Where one of `KINDS` is kept: in STRIATE_CACHE, or in `striate` in XDG_CACHE_HOME or `~/.cache`.

    None where a home is asked for and there is none.
    """
    named = os.environ.get("STRIATE_CACHE")
    folder = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "striate"
    try:
        return folder.expanduser() / kind
    except RuntimeError:
        return None  # there is no home


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Args:
        path: its folder.
        bytes: what its files take.
        used: when it was last looked up, seconds since the epoch.
    """

    path: Path
    bytes: int
    used: float


class Cache:
    """A folder of entries, each a folder of files named by a hash of what it was made from.

    Several processes may share one: an entry appears whole, by a rename, and what one process removes another that has
    it mapped goes on reading, on a disk of this machine. An entry that is being written counts when it is done.

    Args:
        root: the folder; made when something is kept. None keeps and finds nothing.
        limit_bytes: what all entries together may take; 0 keeps and finds nothing.
    """

    def __init__(self, root: Path | None, limit_bytes: int) -> None:
        self.root = root
        self.limit_bytes = limit_bytes if root is not None else 0
        self._mine: set[str] = set()  # found or kept by this one, which makes no room for itself by removing them

    def find(self, key: str) -> Path | None:
        """The folder of an entry, which counts as used now; None where there is none."""
        if self.root is None or not self.limit_bytes or not (path := self.root / key).is_dir():
            return None
        with contextlib.suppress(OSError):  # on a disk that may only be read, age stands still
            os.utime(path)
        self._mine.add(key)
        return path

    def keep(self, key: str, size: int, write: Callable[[Path], None]) -> Path | None:
        """Write an entry aside, let those used longest ago make room, and put it in its place.

        Args:
            size: bytes that it will take.
            write: fills an empty folder by the one writer; what else it raises passes.

        Returns:
            its folder, or that of another process which was quicker; None where the limit leaves no room for it beside
            what this cache has found or kept already.

        Raises:
            CacheError: it cannot be written here, or the disk is full; nothing of it is left.
        """
        mine = sum(entry.bytes for entry in self.entries() if entry.path.name in self._mine)
        if self.root is None or size > self.limit_bytes - mine:
            return None
        path, aside = self.root / key, self.root / f".{key}.{socket.gethostname()}.{os.getpid()}.part"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            aside.mkdir(mode=0o700, exist_ok=True)
            write(aside)
            self._make_room(size)
            os.rename(aside, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not path.is_dir():
                raise CacheError(f"{self.root} cannot be written: {error.strerror}") from error
        except StriateError as error:
            if type(error) not in (StriateError, DiskFull):  # what the writer says of a file; all else is not its fault
                raise
            raise CacheError(error.message) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._mine.add(key)
        return path

    def drop(self, key: str) -> None:
        """Remove an entry, if there is one."""
        if self.root is not None:
            shutil.rmtree(self.root / key, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """All entries, the one used longest ago first."""
        return sorted(self._entries(), key=lambda entry: entry.used)

    def clear(self) -> int:
        """Remove all entries, and what was begun and never finished. Returns the bytes that they took."""
        freed = 0
        for entry in self.entries():
            shutil.rmtree(entry.path, ignore_errors=True)
            freed += entry.bytes
        self._sweep()
        return freed

    def _entries(self) -> Iterator[Entry]:
        if self.root is None:
            return
        with contextlib.suppress(OSError):  # there is no such folder yet
            for path in self.root.iterdir():
                if path.name.startswith(".") or not path.is_dir():
                    continue
                with contextlib.suppress(OSError):  # another process may remove it at this moment
                    size = sum(file.stat().st_size for file in path.iterdir())
                    yield Entry(path, size, path.stat().st_mtime)

    def _make_room(self, size: int) -> None:
        entries = self.entries()
        taken = sum(entry.bytes for entry in entries)
        for entry in entries:
            if taken + size <= self.limit_bytes:
                return
            if entry.path.name not in self._mine:
                shutil.rmtree(entry.path, ignore_errors=True)
                taken -= entry.bytes

    def _sweep(self) -> None:
        """Remove what a process that is gone left half-written."""
        for path in self.root.glob(".*.part") if self.root is not None else ():
            with contextlib.suppress(OSError, ValueError):  # gone at this moment, or no name of ours
                pid = path.name.rsplit(".", 2)[1]
                here = path.name.endswith(f".{socket.gethostname()}.{pid}.part")
                written = max(file.stat().st_mtime for file in (path, *path.iterdir()))
                if time.time() - written > STALE_SECONDS or (here and not _alive(int(pid))):
                    shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
