"""The one writer: every file that striate leaves behind goes through `write_parts` or `write_folder`, whole or not."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from striate.core.errors import DiskFull, StriateError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, see `write_parts`."""
    write_parts(path, [content])


def write_parts(path: Path, parts: Iterable[bytes | memoryview], size: int = 0) -> None:
    """Write a file aside, flush it to the disk, rename it into place: a reader sees the old or the new, whole.

    Args:
        parts: its bytes, one part after another.
        size: of them all, if known, so that a lack of room is found before they are made.

    Raises:
        DiskFull: no room (ENOSPC or a quota); what stood there before still stands.
        Exception: what making a part raises; then, too, what stood there still stands.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _explained(path):
        try:
            with open(aside, "wb") as file:
                if size:
                    _reserve(file.fileno(), size)
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        sync_folder(path.parent)


def write_folder(path: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write a folder of files whole or not at all: aside, flushed to the disk, and renamed into place.

    Args:
        path: of a folder that is not there yet, or empty.
        files: (name below the folder with forward slashes, content); taken one after another.

    Returns:
        how many were written.

    Raises:
        DiskFull, StriateError: as for `write_parts`; then nothing is left behind.
        Exception: what making a file raises; likewise.
    """
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    with _explained(path):
        try:
            aside.mkdir()
            for name, content in files:
                file = aside / name
                file.parent.mkdir(parents=True, exist_ok=True)
                with open(file, "xb") as handle:
                    handle.write(content)
                    handle.flush()
                    os.fsync(handle.fileno())
                count += 1
            for folder, _, _ in os.walk(aside):
                sync_folder(Path(folder))
            os.replace(aside, path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(path.parent)
    return count


def _reserve(handle: int, size: int) -> None:
    """Take the room for a file at once, where the system can."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"the disk is full: {path} could not be written; what was saved before is whole",
                fix="make room, then go on with `striate train --resume RUN`",
            ) from error
        raise StriateError(
            f"{path} cannot be written: {error.strerror}", fix="choose a folder that you may write to, with --out"
        ) from error


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, content.encode("utf-8", "surrogateescape"))


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON (a number that is not finite becomes null), whole or not at all."""
    write_text(path, json.dumps(finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON. Raises `StriateError` naming the file where it is missing or not JSON."""
    try:
        return json.loads(path.read_text("utf-8", "surrogateescape"))
    except FileNotFoundError:
        raise StriateError(f"{path} does not exist") from None
    except (ValueError, OSError) as error:
        raise StriateError(f"{path} cannot be read: {error}") from error


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML in the order given, whole or not at all."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110))


class _Unique(yaml.SafeLoader):
    """YAML of plain values in which a key stands once: of two, the first would go unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Plain values from YAML. Raises `yaml.YAMLError`, for a key that stands twice in one mapping, too.

    >>> parse_yaml("{width: 3}")
    {'width': 3}
    """
    loader = _Unique(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_json(text: str) -> Any:
    """Plain values from JSON. Raises `ValueError`, for a key that stands twice in one object, too."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key!r} stands twice")
            found[key] = value
        return found

    return json.loads(text, object_pairs_hook=unique)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV, whole or not at all."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def append_line(path: Path, line: str) -> None:
    """Append one line and flush it to the disk."""
    with _explained(path), open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def append_bytes(path: Path, content: bytes) -> None:
    """Append to a file what a power cut may take: it is left to the system when it reaches the disk."""
    with _explained(path), open(path, "ab") as file:
        file.write(content)


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, with a clear error where that is not allowed."""
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def finite(content: Any) -> Any:
    """The same structure with every number that is not finite replaced by None, and tuples by lists.

    >>> finite({"loss": float("nan"), "shape": (1, 2)})
    {'loss': None, 'shape': [1, 2]}
    """
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content
