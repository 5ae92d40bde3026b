"""The store: files, members and rows; handles per process; every way in which reading fails."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError
from striate.core.records import Source
from striate.data import store as module
from striate.data.store import Store, printable


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


MEMBERS = {f"a/{n}.jpg": bytes([n]) * (1000 + n) for n in range(50)}


def test_files_members_and_rows_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    packed, tarred = make_zip(tmp_path / "x.zip", MEMBERS), make_tar(tmp_path / "x.tar", MEMBERS)
    store = Store({"x": np.arange(12).reshape(3, 2, 2)})
    assert store.read(Source("file", str(tmp_path / "x"))) == b"content"
    for name, content in MEMBERS.items():
        assert store.read(Source("zip", str(packed), name)) == content
        assert store.read(Source("tar", str(tarred), name)) == content
    row = store.read(Source("array", "x", row=2))
    assert isinstance(row, np.ndarray)
    assert row.tolist() == [[8, 9], [10, 11]]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source("file", "/nowhere/x.jpg"), "does not exist"),
        (Source("file", "/"), "no regular file"),
        (Source("zip", "/nowhere/x.zip", "a"), "does not exist"),
        (Source("array", "y"), "no array 'y'"),
        (Source("array", "x", row=3), "no row 3"),
        (Source("array", "x", row=-1), "no row -1"),
    ],
)
def test_what_is_not_there_is_a_data_error(source: Source, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Store({"x": np.zeros((3, 2, 2), np.uint8)}).read(source)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_missing_member_is_named(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / f"x.{kind}", MEMBERS)
    with pytest.raises(DataError, match=r"no member 'b\.jpg'"):
        Store().read(Source(kind, str(path), "b.jpg"))  # type: ignore[arg-type]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match="no regular file"):
        Store().read(Source("file", str(tmp_path / "pipe.jpg")))


def test_sizes_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, tarred = make_zip(tmp_path / "x.zip", {"a": b"x" * 101}), make_tar(tmp_path / "x.tar", {"a": b"x" * 101})
    (tmp_path / "a").write_bytes(b"x" * 101)
    sources = [Source("file", str(tmp_path / "a")), Source("zip", str(packed), "a"), Source("tar", str(tarred), "a")]
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 100)
    for source in sources:
        with pytest.raises(DataError, match="101 bytes; at most 100"):
            Store().read(source)
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 101)
    assert [Store().read(source) for source in sources] == [b"x" * 101] * 3


def test_a_flipped_bit_in_a_zip_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"0123456789")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0123456789", b"0123456689"))
    with pytest.raises(DataError, match="damaged in its archive"):
        Store().read(Source("zip", str(path), "a.jpg"))


def test_a_tar_cut_short_is_found(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tar", {"a.jpg": b"x" * 4000})
    store = Store()
    assert store.read(Source("tar", str(path), "a.jpg")) == b"x" * 4000
    os.truncate(path, 2000)
    with pytest.raises(DataError, match="cut short"):
        store.read(Source("tar", str(path), "a.jpg"))


def test_no_permission_is_said(open_folder: Path, unprivileged: None) -> None:
    with pytest.raises(DataError, match="no permission"):
        Store().read(Source("file", str(open_folder / "locked.jpg")))


def test_few_archives_stay_open(tmp_path: Path) -> None:
    paths = [make_zip(tmp_path / f"{n}.zip", {"a": bytes([n])}) for n in range(module.OPEN_ARCHIVES + 4)]
    for _ in range(2):
        for n, path in enumerate(paths):
            assert Store().read(Source("zip", str(path), "a")) == bytes([n])
            assert len(module._handles) <= module.OPEN_ARCHIVES


def _read_all(path: str, kind: str, times: int, answers: multiprocessing.Queue[list[str]]) -> None:
    store, wrong = Store(), []
    for _ in range(times):
        for name, content in MEMBERS.items():
            if store.read(Source(kind, path, name)) != content:  # type: ignore[arg-type]
                wrong.append(name)
    answers.put(wrong)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_forked_processes_do_not_share_a_handle(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / f"x.{kind}", MEMBERS)
    Store().read(Source(kind, str(path), "a/0.jpg"))  # type: ignore[arg-type]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=_read_all, args=(str(path), kind, 10, answers)) for _ in range(3)]
    for child in children:
        child.start()
    assert [answers.get(timeout=60) for _ in children] == [[]] * 3
    for child in children:
        child.join()


def test_a_fork_while_another_thread_reads_does_not_hang(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", MEMBERS)
    with module._lock:  # as if a thread were opening an archive at this moment
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that hangs is ended, and the test fails
            content = Store().read(Source("zip", str(path), "a/3.jpg"))
            os._exit(0 if content == MEMBERS["a/3.jpg"] else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_threads_may_read_at_once(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / f"x.{kind}", MEMBERS)
    wrong: list[str] = []

    def work() -> None:
        store = Store()
        for name, content in list(MEMBERS.items()) * 5:
            if store.read(Source(kind, str(path), name)) != content:  # type: ignore[arg-type]
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_store_can_be_sent_to_another_process() -> None:
    store = pickle.loads(pickle.dumps(Store({"x": np.arange(4).reshape(1, 2, 2)})))
    assert store.read(Source("array", "x")).tolist() == [[0, 1], [2, 3]]


def test_names_without_the_utf8_mark_are_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("caf\u00e9.jpg", b"1")
    content = path.read_bytes()
    path.write_bytes(_without_utf8_mark(content))
    assert Store().read(Source("zip", str(path), "caf\u00e9.jpg")) == b"1"


def _without_utf8_mark(content: bytes) -> bytes:
    """The same zip with bit 11 cleared in its local and central headers."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark) + offset
        assert changed[start + 1] & 8
        changed[start + 1] &= ~8 & 0xFF
    return bytes(changed)


def test_names_that_are_no_utf8_are_shown() -> None:
    assert printable("caf\udce9") == "caf\\xe9"
    assert printable("café") == "café"
    assert printable("plain") == "plain"
