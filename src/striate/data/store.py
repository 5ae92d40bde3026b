"""The bytes behind a Source: files, members of archives, rows of arrays. Opens only to read, and per process.

A file handle shared by forked workers reads at the wrong places (measured: 134 of 2,000 reads of a zip failed), so
handles belong to a process and are never inherited. A member whose place is known needs none: its archive is opened,
read there and closed, which costs the same in one archive as among a thousand. Nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.records import Source

MAX_FILE_BYTES = 2 * 1024**3
"""One picture's file or member may not be larger, packed or unpacked."""

OPEN_ARCHIVES = 8
"""Archives whose index is kept at once in a process; the one used longest ago is let go first."""

SPANNED_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How a zip's member may be packed to be read by its span."""

_ZIP_HEADER = struct.Struct("<4s5H3I2H")

T = TypeVar("T")


class Store:
    """Reads what a Source points at.

    May be pickled and sent to other processes, and used by several threads at once.

    Args:
        arrays: the arrays of the Dataset, for sources of kind "array".

    >>> import numpy as np
    >>> Store({"x": np.arange(8).reshape(2, 2, 2)}).read(Source("array", "x", row=1)).tolist()
    [[4, 5], [6, 7]]
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.arrays: Mapping[str, NDArray[Any]] = {} if arrays is None else arrays

    def read(self, source: Source) -> bytes | NDArray[Any]:
        """The bytes of a file or member, or the row of an array.

        Raises:
            DataError: it is missing, may not be read, is no regular file, is too large, or is damaged in its archive.
        """
        if source.kind == "array":
            return self._row(source)
        if source.kind == "zip":
            return _guarded(source, lambda: _read_zip(source))
        if source.kind == "tar":
            return _guarded(source, lambda: _read_tar(source))
        return _guarded(source, lambda: _read_file(source.path))

    def _row(self, source: Source) -> NDArray[Any]:
        if source.path not in self.arrays:
            raise DataError(f"there is no array {source.path!r} in this data", fix="open the data anew")
        rows = self.arrays[source.path]
        if not 0 <= source.row < len(rows):
            raise DataError(f"the array {source.path!r} has no row {source.row}: it has {len(rows)}")
        row: NDArray[Any] = rows[source.row]
        return row


def _guarded(source: Source, read: Callable[[], bytes]) -> bytes:
    """Any way in which reading can fail, as a DataError that says so in a few words."""
    try:
        return read()
    except FileNotFoundError:
        raise DataError("the file does not exist") from None
    except PermissionError:
        raise DataError("there is no permission to read it") from None
    except KeyError:
        raise DataError(f"the archive has no member {printable(source.member)!r}") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"it is damaged in its archive: {printable(str(error))}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"it cannot be read: {printable(str(error))}") from error


def _read_file(path: str) -> bytes:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise DataError("it is no regular file")
    _check_size(status.st_size)
    with open(path, "rb") as file:
        return file.read()


def _read_zip(source: Source) -> bytes:
    if source.span is not None:
        content = _read_zip_span(source.path, *source.span)
        if content is not None:
            return content
    archive = _opened(source.path, open_zip)
    member = archive.getinfo(source.member)
    _check_size(member.file_size)
    return archive.read(member)  # reads file_size bytes at most, then compares the checksum


def _read_zip_span(path: str, start: int, size: int) -> bytes | None:
    """A member by the header that stands before its bytes: how it is packed, its size and its checksum.

    None where that leaves them to the archive's index: packed from a stream, or with room for 64 bits.
    """
    with open(path, "rb", buffering=0) as file:
        header = _piece(file.fileno(), start, _ZIP_HEADER.size)
        mark, _, flags, method, _, _, checksum, packed, whole, name, extra = _ZIP_HEADER.unpack(header)
        if mark != b"PK\x03\x04" or method not in SPANNED_ZIP:
            raise zipfile.BadZipFile("there is no header where the archive's index names one")
        if flags & 8 or max(packed, whole) == 0xFFFFFFFF:
            return None
        _check_size(max(size, whole))
        content = _piece(file.fileno(), start + len(header) + name + extra, size)
    if method == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, whole or 1)
    if len(content) != whole or zlib.crc32(content) != checksum:
        raise zipfile.BadZipFile("its bytes are not those that were packed")
    return content


def _read_tar(source: Source) -> bytes:
    start, size = source.span or _opened(source.path, _tar_index)[source.member]
    _check_size(size)
    with open(source.path, "rb", buffering=0) as file:
        return _piece(file.fileno(), start, size)


def _piece(file: int, start: int, size: int) -> bytes:
    content = os.pread(file, size, start)
    if len(content) != size:
        raise DataError("it is cut short: its archive ends before it does")
    return content


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DataError(f"it has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read for one picture")


def open_zip(path: str) -> zipfile.ZipFile:
    """A zip to read. Names not marked as UTF-8 are read as UTF-8 where all of them are, else as code page 437.

    Many tools write UTF-8 without the mark. One rule everywhere keeps a member's name the same in every process.
    """
    try:
        return zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def open_tar(path: str) -> tarfile.TarFile:
    """A tar to read, uncompressed: a compressed one has no random access."""
    return tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape")


def _tar_index(path: str) -> dict[str, tuple[int, int]]:
    """Where each regular member of a tar begins, and how long it is."""
    with open_tar(path) as archive:
        return {member.name: (member.offset_data, member.size) for member in archive if tar_member_is_plain(member)}


def tar_member_is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is a regular file whose bytes lie in one piece."""
    return member.isreg() and not member.issparse()


_lock = threading.Lock()
_handles: OrderedDict[tuple[int, str], Any] = OrderedDict()


def _forget() -> None:
    """In a forked child: its parent's handles are not its own, and its lock may have been held."""
    global _lock
    _lock = threading.Lock()
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _opened(path: str, opener: Callable[[str], T]) -> T:
    """This process's index or handle of an archive. One that is let go closes when its last reader is done with it."""
    key = (os.getpid(), path)
    with _lock:
        if key not in _handles:
            _handles[key] = opener(path)
            while len(_handles) > OPEN_ARCHIVES:
                _handles.popitem(last=False)
        _handles.move_to_end(key)
        handle: T = _handles[key]
        return handle


def printable(name: str) -> str:
    r"""A file name that any encoding can print: bytes that are not UTF-8 become `\xNN`.

    >>> printable("caf\udce9.jpg")
    'caf\\xe9.jpg'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") if _odd(name) else name


def _odd(name: str) -> bool:
    return not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)
