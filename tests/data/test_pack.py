"""Packed and streamed pictures: the same pixels whatever memory, workers and order; and what happens to damage."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_data import Listener, arrays, dataset, many_files, noise, picture_files, zipped
from PIL import Image

from striate.core.cache import Cache
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Dataset, Label, Sample, Source
from striate.data.audit import run_audit
from striate.data.decode import decode
from striate.data.pack import PackedPictures, Pictures, StreamingPictures, pack
from striate.data.prepare import Preprocessing

PREPROCESSING = Preprocessing(8, 8, 3, "crop", 1.25, mean=(0.5,) * 3, std=(0.2,) * 3, fill=(0.0,) * 3)


def packed(data: Dataset, *, workers: int = 0, memory: int = 10**9, margin: bool = False, **more: object) -> Pictures:
    keys = [sample.key for sample in data.samples]
    preprocessing = replace(PREPROCESSING, **more)  # type: ignore[arg-type]
    return pack(data, keys, preprocessing, keep_margin=margin, workers=workers, memory_bytes=memory, reporter=Silent())


def everything(pictures: Pictures) -> torch.Tensor:
    return pictures.batch(np.arange(len(pictures)))


@pytest.mark.parametrize("margin", [False, True])
def test_memory_workers_and_containers_change_no_pixel(tmp_path: Path, margin: bool) -> None:
    files = many_files(tmp_path / "files", 40)
    archive = zipped(files, tmp_path / "files.zip")
    expected = torch.stack(
        [
            torch.from_numpy(PREPROCESSING.prepare(decode(Path(s.sources[0].path).read_bytes()), keep_margin=margin))
            for s in files.samples
        ]
    )
    indices = np.random.default_rng(0).permutation(40)[:17]
    for data in (files, archive):
        for workers in (0, 2):
            for memory in (10**9, 0):
                pictures = packed(data, workers=workers, memory=memory, margin=margin)
                assert isinstance(pictures, PackedPictures if memory else StreamingPictures)
                assert len(pictures) == 40
                assert pictures.shape == (3, 10, 10) if margin else (3, 8, 8)
                assert pictures.dtype == np.uint8
                assert torch.equal(everything(pictures), expected)
                assert torch.equal(pictures.batch(indices), expected[torch.from_numpy(indices)])
                pictures.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_come_in_order_and_may_be_left(tmp_path: Path, workers: int) -> None:
    data = many_files(tmp_path, 30)
    whole = everything(packed(data))
    pictures = packed(data, workers=workers, memory=0)
    order = [np.array([3, 1, 2]), np.array([29]), np.array([0, 0, 7, 8, 9, 10, 11])] * 5
    for indices, images in zip(order, pictures.stream(order), strict=True):
        assert torch.equal(images, whole[torch.from_numpy(indices)])
    left = pictures.stream(order)
    next(left)
    assert torch.equal(pictures.batch(np.array([5])), whole[5:6])
    pictures.close()
    assert torch.equal(pictures.batch(np.array([6])), whole[6:7]), "a closed one starts again"
    pictures.close()


def test_positions_follow_the_keys(tmp_path: Path) -> None:
    data = many_files(tmp_path, 6)
    keys = [sample.key for sample in data.samples][::-1]
    found = pack(data, keys, PREPROCESSING, keep_margin=False, workers=0, memory_bytes=10**6, reporter=Silent())
    assert torch.equal(everything(found), everything(packed(data)).flip(0))
    assert found.keys == tuple(keys)


def test_a_batch_is_its_own_memory(tmp_path: Path) -> None:
    pictures = packed(many_files(tmp_path, 4))
    before = everything(pictures)
    pictures.batch(np.array([0, 1])).zero_()
    assert torch.equal(everything(pictures), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_deep_pictures_among_others_make_all_float(tmp_path: Path, workers: int) -> None:
    data = many_files(tmp_path, 70)
    deep = noise(0, 12, 10, 1)[:, :, 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "z.png")
    last = Sample("z.png", (Source("file", str(tmp_path / "z.png")),), Label("a"))
    mixed = dataset([*data.samples, last])
    found = packed(mixed, workers=workers, full_scale=65535.0)
    assert found.dtype == np.float32
    bytes_ = everything(packed(data))
    assert torch.equal(everything(found)[:-1], bytes_.float())
    streamed = packed(mixed, workers=workers, memory=0, full_scale=65535.0)
    assert torch.equal(everything(streamed), everything(found))
    streamed.close()
    nearly = packed(mixed, workers=workers, full_scale=65535.0, memory=bytes_.numel() * 2)
    assert isinstance(nearly, StreamingPictures), "as bytes they fit, as float they do not"
    nearly.close()


def test_arrays_are_packed_in_this_process() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8), dtype=np.uint8)
    data = arrays(pixels, [Label("ab"[n % 2]) for n in range(9)])
    found = packed(data, workers=2, channels=1, mean=(0.5,), std=(0.5,), fill=(0.0,), margin=False, policy="squash")
    assert found.shape == (1, 8, 8)
    reals = arrays(pixels.astype(np.float32) / 255, [Label("a")] * 9)
    deep = packed(reals, channels=1, mean=(0.5,), std=(0.5,), fill=(0.0,), full_scale=1.0, policy="squash")
    np.testing.assert_allclose(everything(deep).numpy(), everything(found).numpy(), atol=1.01)


def test_it_says_when_pictures_do_not_fit_and_how_far_it_is(tmp_path: Path) -> None:
    data = many_files(tmp_path, 4)
    listener = Listener()
    keys = [sample.key for sample in data.samples]
    pack(data, keys, PREPROCESSING, keep_margin=False, workers=0, memory_bytes=100, reporter=listener)
    assert any("decoded anew in each epoch" in line for line in listener.said)
    pack(data, keys, PREPROCESSING, keep_margin=False, workers=0, memory_bytes=10**6, reporter=listener)
    assert listener.steps[-1][:2] == (4, 4)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory", [0, 10**9])
def test_damage_since_the_audit_names_the_sample(tmp_path: Path, workers: int, memory: int) -> None:
    data = many_files(tmp_path, 8)
    Path(data.samples[5].sources[0].path).write_bytes(b"")

    def use() -> None:
        pictures = packed(data, workers=workers, memory=memory)
        try:
            everything(pictures)
        finally:
            pictures.close()

    with pytest.raises(DataError, match=f"{data.samples[5].key} cannot be used any more: .*empty") as caught:
        use()
    assert caught.value.fix


def test_other_channels_than_the_networks_name_the_sample(tmp_path: Path) -> None:
    data = picture_files(tmp_path, {"a/0.png": noise(0, 8, 8), "a/1.png": noise(1, 8, 8)})
    with pytest.raises(DataError, match=r"a/0\.png .*3 channels and the network takes 4"):
        packed(data, channels=4, mean=(0.5,) * 4, std=(0.5,) * 4, fill=(0.0,) * 4)


def test_a_killed_worker_is_an_error_and_the_next_stream_works(tmp_path: Path) -> None:
    data = many_files(tmp_path, 8)
    pictures = packed(data, workers=2, memory=0)
    assert isinstance(pictures, StreamingPictures)
    everything(pictures)
    os.kill(pictures._pool._processes[0].pid, signal.SIGKILL)
    with pytest.raises(DataError, match="SIGKILL"):
        everything(pictures)
    assert torch.equal(everything(pictures), everything(packed(data)))
    pictures.close()


# -- kept on disk between runs


def kept(
    data: Dataset,
    folder: Path,
    *,
    limit: int = 10**9,
    margin: bool = False,
    listener: Listener | None = None,
    **more: Any,
) -> Pictures:
    keys = [sample.key for sample in data.samples]
    return pack(
        data,
        keys,
        replace(PREPROCESSING, **more),
        keep_margin=margin,
        workers=0,
        memory_bytes=0,
        reporter=listener or Silent(),
        cache=Cache(folder, limit),
        digests=run_audit(data, workers=0, reporter=Silent()).hashes,
    )


def test_the_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = many_files(tmp_path / "files", 40)
    expected = everything(packed(data))
    first = kept(data, tmp_path / "cache")
    assert isinstance(first, PackedPictures)
    assert torch.equal(everything(first), expected)
    listener = Listener()
    monkeypatch.setattr("striate.data.rendering.decode_sample", lambda *_: pytest.fail("decoded again"))
    second = kept(data, tmp_path / "cache", listener=listener)
    assert torch.equal(everything(second), expected)
    assert not listener.steps
    assert any("40 pictures found on disk" in line for line in listener.said)
    batch = second.batch(np.array([3, 1]))
    batch.zero_()  # a batch is its own memory, here too
    assert torch.equal(everything(second), expected)


def test_a_large_one_shows_how_far_its_check_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = many_files(tmp_path / "files", 40)
    kept(data, tmp_path / "cache")
    monkeypatch.setattr("striate.data.pack._LARGE", 1000)
    monkeypatch.setattr("striate.data.pack._CHECKED", 1000)
    listener = Listener()
    kept(data, tmp_path / "cache", listener=listener)
    assert len(listener.steps) == 8
    assert listener.steps[-1][:2] == (40, 40)


def test_what_decides_the_pixels_decides_the_entry(tmp_path: Path) -> None:
    data, folder = many_files(tmp_path / "files", 6), tmp_path / "cache"

    def entries(data: Dataset = data, **more: Any) -> int:
        kept(data, folder, **more)
        return len(Cache(folder, 0).entries())

    assert entries() == entries() == 1
    assert entries(mean=(0.1,) * 3) == 1, "the network's first operation"
    assert entries(fill=(9.0,) * 3) == 1, "nothing is padded"
    changes: list[dict[str, Any]] = [
        {"height": 4},
        {"policy": "squash"},
        {"interpolation": "nearest"},
        {"full_scale": 9.0},
        {"margin": True},
        {"policy": "pad"},
        {"policy": "pad", "fill": (9.0,) * 3},
    ]
    for number, more in enumerate(changes, 2):
        assert entries(**more) == number, more
    assert entries(replace(data, samples=data.samples[:3])) == 9
    assert entries(replace(data, samples=data.samples[::-1])) == 10
    labels = [replace(sample, target=Label("other")) for sample in data.samples]
    assert entries(replace(data, samples=tuple(labels))) == 10, "targets decide no pixel"
    Image.fromarray(noise(99, 12, 10)).save(data.samples[2].sources[0].path)
    assert entries() == 11, "a changed file"
    assert torch.equal(everything(kept(data, folder)), everything(packed(data)))


@pytest.mark.parametrize("damage", ["cut", "flip", "index", "gone"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    data, folder = many_files(tmp_path / "files", 6), tmp_path / "cache"
    expected = everything(kept(data, folder))
    (entry,) = Cache(folder, 0).entries()
    pixels, index = entry.path / "pixels", entry.path / "index.json"
    content = bytearray(pixels.read_bytes())
    if damage == "cut":
        pixels.write_bytes(content[:-5])
    elif damage == "flip":
        content[100] ^= 1
        pixels.write_bytes(content)
    elif damage == "index":
        index.write_text("{")
    else:
        index.unlink()
    assert torch.equal(everything(kept(data, folder)), expected)
    assert torch.equal(everything(kept(data, folder)), expected)


def test_without_room_on_disk_it_is_as_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = many_files(tmp_path / "files", 6)
    assert isinstance(kept(data, tmp_path / "cache", limit=100), StreamingPictures)
    keys = [sample.key for sample in data.samples]
    cache = Cache(tmp_path / "cache", 10**9)
    options: dict[str, Any] = {"keep_margin": False, "workers": 0, "memory_bytes": 0, "reporter": Silent()}
    for digests in (None, {}):  # an audit that was read from a file
        found = pack(data, keys, PREPROCESSING, **options, cache=cache, digests=digests)
        assert isinstance(found, StreamingPictures)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    listener = Listener()
    pictures = kept(data, tmp_path / "cache", listener=listener)
    assert isinstance(pictures, StreamingPictures)
    assert any("not kept for another run: the disk is full" in line for line in listener.said)
    assert not list((tmp_path / "cache").iterdir())
    assert torch.equal(everything(pictures), everything(packed(data)))


def test_deep_pictures_among_others_are_kept_as_float(tmp_path: Path) -> None:
    data = many_files(tmp_path / "files", 40)
    Image.fromarray(noise(0, 12, 10, 1)[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "z.png")
    last = Sample("z.png", (Source("file", str(tmp_path / "z.png")),), Label("a"))
    mixed = dataset([*data.samples, last])
    for _ in range(2):
        found = kept(mixed, tmp_path / "cache", full_scale=65535.0)
        assert found.dtype == np.float32
        assert torch.equal(everything(found), everything(packed(mixed, full_scale=65535.0)))
    small = kept(mixed, tmp_path / "other", limit=41 * 3 * 64 * 2 + 4096, full_scale=65535.0)
    assert isinstance(small, StreamingPictures), "as bytes they fit, as float they do not"


def test_damage_since_the_audit_is_no_fault_of_the_cache(tmp_path: Path) -> None:
    data = many_files(tmp_path / "files", 8)
    keys = [sample.key for sample in data.samples]
    options: dict[str, Any] = {"keep_margin": False, "workers": 0, "memory_bytes": 0, "reporter": Silent()}
    digests = run_audit(data, workers=0, reporter=Silent()).hashes
    Path(data.samples[5].sources[0].path).write_bytes(b"")
    with pytest.raises(DataError, match="cannot be used any more"):
        pack(data, keys, PREPROCESSING, **options, cache=Cache(tmp_path / "cache", 10**9), digests=digests)
    assert not list((tmp_path / "cache").iterdir())


def test_a_disk_that_fails_while_it_is_checked_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = many_files(tmp_path / "files", 6), tmp_path / "cache"
    expected = everything(kept(data, folder))

    def failing(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("striate.data.pack._checksum", failing)
    listener = Listener()
    found = kept(data, folder, listener=listener)
    assert torch.equal(everything(found), expected)
    assert any("cannot be read" in line for line in listener.said)


def test_what_one_run_removes_another_goes_on_reading(tmp_path: Path) -> None:
    data, folder = many_files(tmp_path / "files", 6), tmp_path / "cache"
    pictures = kept(data, folder)
    before = everything(pictures)
    assert Cache(folder, 0).clear() > 0
    assert torch.equal(everything(pictures), before)


def test_an_entry_removed_as_soon_as_it_is_kept_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, keep = many_files(tmp_path / "files", 6), Cache.keep

    def kept_and_gone(cache: Cache, key: str, *rest: Any) -> Path | None:
        path = keep(cache, key, *rest)
        cache.drop(key)
        return path

    monkeypatch.setattr(Cache, "keep", kept_and_gone)
    assert torch.equal(everything(kept(data, tmp_path / "cache")), everything(packed(data)))


def test_an_empty_split_is_no_error(tmp_path: Path) -> None:
    data = many_files(tmp_path, 2)
    found = pack(data, [], PREPROCESSING, keep_margin=False, workers=2, memory_bytes=0, reporter=Silent())
    assert len(found) == 0


def test_real_photos_pack_alike(real_data: Path) -> None:
    paths = sorted((real_data / "hymenoptera" / "val" / "ants").glob("*.jpg"))[:20]
    data = dataset([Sample(path.name, (Source("file", str(path)),), Label("ants")) for path in paths])
    alone, streamed = (
        packed(data, height=64, width=64, margin=True),
        packed(data, height=64, width=64, margin=True, memory=0, workers=2),
    )
    assert torch.equal(everything(alone), everything(streamed))
    streamed.close()
