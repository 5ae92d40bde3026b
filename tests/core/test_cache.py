"""The cache: entries appear whole, make room by age, and are shared by several processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from striate.core import cache as module
from striate.core import machine
from striate.core.artifacts import write_bytes
from striate.core.cache import Cache, cache_folder
from striate.core.errors import CacheError, DataError, DiskFull


def filled(content: bytes):  # type: ignore[no-untyped-def]
    return lambda folder: write_bytes(folder / "a", content)


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 100)
    assert cache.find("k") is None
    kept = cache.keep("k", 3, filled(b"abc"))
    assert kept == cache.find("k") == tmp_path / "cache" / "k"
    assert kept is not None
    assert (kept / "a").read_bytes() == b"abc"
    (entry,) = cache.entries()
    assert (entry.path, entry.bytes) == (kept, 3)
    assert (tmp_path / "cache").stat().st_mode & 0o77 == 0  # pictures may be private
    cache.drop("k")
    assert cache.find("k") is None


def test_the_one_used_longest_ago_makes_room(tmp_path: Path) -> None:
    for place, key in enumerate("abc"):
        Cache(tmp_path, 100).keep(key, 30, filled(bytes(30)))
        os.utime(tmp_path / key, (place, place))
    cache = Cache(tmp_path, 100)
    cache.find("a")
    cache.keep("d", 35, filled(bytes(35)))
    assert {entry.path.name for entry in cache.entries()} == {"a", "c", "d"}
    assert cache.keep("e", 101, filled(bytes(101))) is None
    assert {entry.path.name for entry in cache.entries()} == {"a", "c", "d"}, "what can never fit removes nothing"
    assert Cache(tmp_path, 0).keep("f", 1, filled(b"x")) is None


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100)

    def fail(error: Exception):  # type: ignore[no-untyped-def]
        def write(folder: Path) -> None:
            write_bytes(folder / "a", b"half")
            raise error

        return write

    for raised, expected in (
        (OSError(errno.EIO, "input/output error"), CacheError),
        (DiskFull("the disk is full"), CacheError),
        (DataError("a.png cannot be used"), DataError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        with pytest.raises(expected):
            cache.keep("k", 4, fail(raised))  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="cannot be written"):
        Cache(tmp_path / "file" / "cache", 10).keep("k", 1, filled(b"x"))


def test_another_process_that_was_quicker_wins(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100)

    def write(folder: Path) -> None:
        write_bytes(folder / "a", b"mine")
        Cache(tmp_path / "other", 100).keep("k", 4, filled(b"first"))
        (tmp_path / "other" / "k").rename(tmp_path / "k")

    kept = cache.keep("k", 4, write)
    assert kept is not None
    assert (kept / "a").read_bytes() == b"first"
    assert {path.name for path in tmp_path.iterdir()} == {"k", "other"}


def test_what_a_killed_process_began_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from striate.core.cache import Cache\n"
        f"Cache(Path({str(tmp_path)!r}), 100).keep('k', 3, lambda folder: os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".part")
    elsewhere = tmp_path / ".k.another-host.1.part"
    elsewhere.mkdir()
    mine = tmp_path / f".q.{module.socket.gethostname()}.{os.getpid()}.part"
    mine.mkdir()
    Cache(tmp_path, 100).keep("k", 3, filled(b"abc"))
    assert {path.name for path in tmp_path.iterdir()} == {"k", elsewhere.name, mine.name}
    os.utime(elsewhere, (0, 0))
    assert Cache(tmp_path, 0).clear() == 3
    assert {path.name for path in tmp_path.iterdir()} == {mine.name}, "what is being written now stays"


def test_one_run_does_not_remove_its_own(tmp_path: Path) -> None:
    Cache(tmp_path, 100).keep("old", 30, filled(bytes(30)))
    run = Cache(tmp_path, 100)
    for key in ("train", "val"):
        assert run.keep(key, 40, filled(bytes(40))) is not None
    assert run.keep("test", 40, filled(bytes(40))) is None
    assert {entry.path.name for entry in run.entries()} == {"train", "val"}
    other = Cache(tmp_path, 100)
    assert other.find("train") is not None
    assert other.keep("x", 30, filled(bytes(30))) is not None
    assert {entry.path.name for entry in other.entries()} == {"train", "x"}


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "mine"))
    assert cache_folder("packs") == tmp_path / "mine" / "packs"
    monkeypatch.delenv("STRIATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("packs") == tmp_path / "striate" / "packs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("packs") == Path.home() / ".cache" / "striate" / "packs"


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError("could not determine home directory")

    monkeypatch.delenv("STRIATE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert cache_folder("packs") is None
    cache = Cache(None, 100)
    assert (cache.find("k"), cache.keep("k", 1, filled(b"x")), cache.entries(), cache.clear()) == (None, None, [], 0)
    cache.drop("k")
    assert machine.free_bytes(None) == 0
