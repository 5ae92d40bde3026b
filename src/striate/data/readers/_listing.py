"""What lies in a folder or an archive: pictures, other files, nothing unsafe."""

from __future__ import annotations

import os
import re
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from striate.core.errors import DataError
from striate.core.records import Source
from striate.data.store import SPANNED_ZIP, open_tar, open_zip, printable, tar_member_is_plain

_DECODED = "jpg jpeg jpe jfif mpo png apng gif bmp dib tif tiff webp ppm pgm pbm pnm pfm jp2 j2k jpx avif"
_NOT_DECODED = "heic heif psd tga dng cr2 nef arw"  # samples all the same: the audit then says why they are no use
_OTHER = """
    txt cls csv tsv tab md rst json jsonl xml yaml yml toml ini cfg html htm svg ico db mat npy npz h5 hdf5 pkl pt pth
    safetensors onnx zip tar gz tgz bz2 xz 7z rar py ipynb sh bat doc docx xls xlsx pdf log lst names data lnk
    wav mp3 flac ogg mp4 avi mov mkv webm ts dll exe license
"""
PICTURE_SUFFIXES = frozenset(f"{_DECODED} {_NOT_DECODED}".split())
OTHER_SUFFIXES = frozenset(_OTHER.split())
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
LITTER = frozenset({"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information"})
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar")
ARCHIVES = (".tar", ".zip", *COMPRESSED)
"""How the names of archives end; those compressed as a whole are known so as to be refused."""

_BEGINNINGS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
)

MAX_TOTAL_BYTES = 1024**4
"""An archive's members may not unpack to more than this together."""

MAX_RATIO = 200
"""Nor, above one gibibyte, to more than this many times the archive's own size: pictures hardly shrink, bombs do."""


@dataclass(frozen=True)
class Listing:
    """The files below a root.

    Args:
        path: the folder or archive.
        pictures: (name relative to the root with forward slashes, where it is), sorted by name.
        others: the same for what is no picture.
        hidden: how many hidden files and known litter were passed over.
    """

    path: str
    pictures: list[tuple[str, Source]]
    others: list[tuple[str, Source]]
    hidden: int = 0

    def notes(self, used: Iterable[str] = ()) -> list[str]:
        """What was left out, in a sentence; `used` names other files that were read."""
        used = set(used)
        left = [name for name, _ in self.others if name not in used]
        if not left and not self.hidden:
            return []
        kinds = Counter(_kind(name) for name in left)
        shown = [f"{count:,} {kind}" for kind, count in kinds.most_common(5)]
        shown += [f"{sum(kinds.values()) - sum(n for _, n in kinds.most_common(5)):,} more"] if len(kinds) > 5 else []
        shown += [f"{self.hidden:,} hidden"] if self.hidden else []
        total = len(left) + self.hidden
        return [f"Left out, as they are no pictures: {total:,} file{'s' * (total != 1)} ({', '.join(shown)})."]

    def require_pictures(self) -> None:
        """Raises `DataError` where there are none."""
        if not self.pictures:
            what = ", ".join(f"{count:,} {kind}" for kind, count in Counter(_kind(n) for n, _ in self.others).items())
            raise DataError(
                f"there are no pictures in {printable(self.path)}: " + (f"it holds {what}" if what else "it is empty"),
                fix="name a folder with a folder of pictures for each class, a table, or an archive of either",
            )


def _kind(name: str) -> str:
    base = printable(name.rsplit("/", 1)[-1])
    return f".{_suffix(base)}" if _suffix(base) else base


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rsplit("/", 1)[-1].rpartition(".")
    return suffix.lower() if dot and stem else ""


def has_picture_suffix(name: str) -> bool:
    """Whether a name ends like a picture's."""
    return _suffix(name) in PICTURE_SUFFIXES


def is_picture(name: str, head: Callable[[], bytes]) -> bool:
    """Whether a file is meant to be a picture: by its suffix, or where that says nothing, by its first 16 bytes."""
    suffix = _suffix(name)
    if suffix in PICTURE_SUFFIXES:
        return True
    if suffix in OTHER_SUFFIXES:
        return False
    start = head()
    return (
        start.startswith(_BEGINNINGS)
        or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
        or (start[:2] == b"BM" and start[6:10] == b"\0\0\0\0")
        or start[4:12] in (b"ftypavif", b"ftypheic")
    )


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def walk_folder(folder: str) -> Iterator[tuple[str, Source, bool]]:
    """Every file below a folder, sorted by name and lazily: (relative name, where it is, whether it is hidden).

    Links are followed, but not in circles.

    Raises:
        DataError: a folder may not be read.
    """
    status = _stat_folder(folder)
    yield from _walk(folder, "", frozenset({(status.st_dev, status.st_ino)}))


def _stat_folder(folder: str) -> os.stat_result:
    try:
        return os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: str, error: OSError) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(
            f"there is no permission to read {printable(path)}",
            fix=f"give yourself the right to read it, for instance with `chmod -R u+rX {printable(path)}`",
        )
    return DataError(f"{printable(path)} cannot be read: {error.strerror}", fix="check the path and the disk")


def _walk(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, Source, bool]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(((entry.name + "/" if entry.is_dir() else entry.name), entry) for entry in found)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for name, entry in entries:
        hidden = _is_litter(entry.name)
        if not name.endswith("/"):
            if entry.is_file():  # pipes, sockets and dangling links are no files
                yield prefix + entry.name, Source("file", entry.path), hidden
        elif not hidden:
            status = _stat_folder(entry.path)
            identity = (status.st_dev, status.st_ino)
            if identity not in above:
                yield from _walk(entry.path, prefix + name, above | {identity})


def list_folder(folder: Path) -> Listing:
    """Everything below a folder."""
    pictures, others, hidden = [], [], 0
    for name, source, is_hidden in walk_folder(str(folder)):
        if is_hidden:
            hidden += 1
        elif is_picture(name, partial(head_of_file, source.path)):
            pictures.append((name, source))
        else:
            others.append((name, source))
    return Listing(str(folder), pictures, others, hidden)


def head_of_file(path: str) -> bytes:
    """The first 16 bytes of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError:  # whether it is a picture cannot be told; without a picture's suffix it is not taken for one
        return b""


def archive_kind(path: Path) -> Literal["zip", "tar", "compressed"] | None:
    """What kind of archive a file is, by its first bytes and name."""
    name = path.name.lower()
    try:
        with open(path, "rb") as file:
            start = file.read(262)
    except OSError as error:
        raise _unreadable(str(path), error) from error
    if name.endswith(COMPRESSED):
        return "compressed"
    if name.endswith(".zip") or (start.startswith(b"PK\x03\x04") and not name.endswith(".npz")):
        return "zip"
    return "tar" if name.endswith(".tar") or start[257:262] == b"ustar" else None


def list_archive(path: Path) -> Listing:
    """Everything in a zip or tar, after checking that nothing in it is unsafe.

    Raises:
        DataError: a member with an absolute name or one that climbs out, a link, a password, more bytes than are
            credible; or no whole archive.
    """
    kind = archive_kind(path)
    if kind == "compressed":
        raise DataError(
            f"{printable(path.name)} is compressed as a whole, so that no picture can be read on its own",
            fix="unpack it and name the folder, or pack it again as .zip or .tar",
        )
    try:
        return _list_zip(path) if kind == "zip" else _list_tar(path)
    except PermissionError as error:
        raise _unreadable(str(path), error) from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{printable(path.name)} is not a whole {kind} archive: {printable(str(error))}", fix="fetch it again"
        ) from error


def _list_zip(path: Path) -> Listing:
    with open_zip(str(path)) as archive:
        spans: dict[str, tuple[int, int] | None] = {}
        total = 0
        for member in archive.infolist():
            _check_name(path, member.filename)
            if member.is_dir():
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _link(path, member.filename)
            if member.flag_bits & 1:
                raise DataError(
                    f"{printable(path.name)} is locked with a password", fix="unpack it and name the folder"
                )
            total += member.file_size
            spans[member.filename] = _zip_span(member)
        _check_total(path, total)

        def head(name: str) -> bytes:
            with archive.open(name) as file:
                return file.read(16)

        return _sorted_out(path, "zip", spans, head)


def _zip_span(member: zipfile.ZipInfo) -> tuple[int, int] | None:
    """Where a member lies; None where its own header does not say enough, as when it was packed from a stream."""
    streamed = member.flag_bits & 8 or max(member.file_size, member.compress_size) >= 0xFFFFFFFF
    known = not streamed and member.compress_type in SPANNED_ZIP
    return (member.header_offset, member.compress_size) if known else None


def _list_tar(path: Path) -> Listing:
    with open_tar(str(path)) as archive, open(path, "rb") as raw:
        spans: dict[str, tuple[int, int]] = {}
        total = 0
        for member in archive:
            _check_name(path, member.name)
            if member.isdir():
                continue
            if not tar_member_is_plain(member):
                raise _link(path, member.name)
            total += member.size
            spans[member.name] = member.offset_data, member.size
        if os.pread(raw.fileno(), 512, archive.offset).strip(b"\0"):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError(f"there is no header at byte {archive.offset:,}")
        _check_total(path, total)

        def head(name: str) -> bytes:
            start, size = spans[name]
            return os.pread(raw.fileno(), min(16, size), start)

        return _sorted_out(path, "tar", spans, head)


def _sorted_out(
    path: Path,
    kind: Literal["zip", "tar"],
    spans: Mapping[str, tuple[int, int] | None],
    head: Callable[[str], bytes],
) -> Listing:
    """Of members of one name the last counts, as when an archive is unpacked."""
    pictures, others, hidden = {}, {}, 0
    text = str(path)
    for member, span in spans.items():
        name = _plain(member)
        if any(_is_litter(part) for part in name.split("/")):
            hidden += 1
        elif is_picture(name, partial(head, member)):
            pictures[name] = Source(kind, text, member, span=span)
        else:
            others[name] = Source(kind, text, member, span=span)
    return Listing(text, sorted(pictures.items(), key=_by_name), sorted(others.items(), key=_by_name), hidden)


def _by_name(entry: tuple[str, Source]) -> str:
    return entry[0]


def _plain(member: str) -> str:
    """A member's name with forward slashes and without a leading "./"."""
    name = member.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _check_name(path: Path, member: str) -> None:
    name = member.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:/", name) or ".." in name.split("/"):
        raise DataError(
            f"{printable(path.name)} is not safe: its member {printable(member)!r} points outside of the archive",
            fix="do not trust it; pack the pictures again with relative names",
        )


def _link(path: Path, member: str) -> DataError:
    return DataError(
        f"{printable(path.name)} has a member that is no plain file: {printable(member)!r}; links are not followed",
        fix="pack the pictures themselves, for instance with `tar --dereference --hard-dereference`",
    )


def _check_total(path: Path, total: int) -> None:
    packed = os.stat(path).st_size
    if total > MAX_TOTAL_BYTES or (total > 1024**3 and total > MAX_RATIO * packed):
        raise DataError(
            f"{printable(path.name)} would unpack from {packed:,} to {total:,} bytes, which no pictures do",
            fix="do not trust it; where it is sound, unpack it and name the folder",
        )
