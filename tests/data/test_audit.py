"""The audit: what it finds, that it never alters, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_data import Listener, arrays, dataset, many_files, noise, picture_files, plain, zipped
from PIL import Image

from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Damaged, Dataset, Label, Labels, Sample, Source, Value
from striate.data import store
from striate.data.audit import Audit, full_scale, run_audit
from striate.data.checks import check_audit
from striate.data.dataset import open_dataset


def audited(data: Dataset, workers: int = 0) -> Audit:
    return run_audit(data, workers=workers, reporter=Silent())


@pytest.fixture
def dirty(tmp_path: Path) -> Dataset:
    """12 pictures of two classes: one truncated, one no picture, one gone, a pair of equals, an equal pair at odds."""
    pictures = {f"a/{number}.png": noise(number, 9, 7) for number in range(7)}
    pictures |= {f"b/{number}.png": noise(100 + number, 9, 7) for number in range(5)}
    pictures["a/6.png"] = pictures["a/5.png"]
    pictures["b/4.png"] = pictures["a/4.png"]
    data = picture_files(tmp_path, pictures)
    whole = (tmp_path / "a/0.png").read_bytes()
    (tmp_path / "a/0.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a/1.png").write_bytes(b"hello")
    (tmp_path / "b/0.png").unlink()
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_duplicates_and_conflicts_are_found(dirty: Dataset, workers: int) -> None:
    audit = audited(dirty, workers)
    assert audit.samples == 12
    assert [one.key for one in audit.quarantined] == ["a/0.png", "a/1.png", "b/0.png"]
    reasons = {one.key: one.reason for one in audit.quarantined}
    assert "truncated" in reasons["a/0.png"]
    assert "not a picture" in reasons["a/1.png"]
    assert "does not exist" in reasons["b/0.png"]
    assert audit.duplicates == (("a/4.png", "b/4.png"), ("a/5.png", "a/6.png"))
    assert audit.conflicts == (("a/4.png", "b/4.png"),)
    assert audit.classes == {"a": 5, "b": 4}
    assert len(audit.hashes) == 9


def test_workers_change_nothing_and_files_stay_as_they_are(dirty: Dataset, tmp_path: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.png")}
    alone, together = audited(dirty), audited(dirty, 2)
    assert alone == together
    assert alone.hashes == together.hashes
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.png")}


def test_the_order_of_samples_changes_nothing(dirty: Dataset) -> None:
    assert audited(replace(dirty, samples=dirty.samples[::-1])) == audited(dirty)


def test_a_zip_gives_the_same_pixels(tmp_path: Path) -> None:
    files = many_files(tmp_path / "files", 70)
    packed = zipped(files, tmp_path / "files.zip")
    assert audited(packed, 2).fingerprint == audited(files).fingerprint


def test_statistics_equal_numpy(tmp_path: Path) -> None:
    pictures = {f"{'ab'[n % 2]}/{n}.png": noise(n, 5 + n, 12 - n) // (1 + n) for n in range(6)}
    audit = audited(picture_files(tmp_path, pictures))
    scaled = [pixels.reshape(-1, 3) / 255.0 for pixels in pictures.values()]
    mean = np.mean([one.mean(0) for one in scaled], axis=0)
    square = np.mean([(one**2).mean(0) for one in scaled], axis=0)
    np.testing.assert_allclose(audit.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(audit.std, np.sqrt(square - mean**2), rtol=1e-10)
    assert audit.value_range == (0.0, float(max(one.max() for one in pictures.values())))
    heights = [5 + n for n in range(6)]
    assert audit.sizes["height"] == {"min": 5.0, "median": float(np.median(heights)), "max": 10.0}
    assert audit.sizes["aspect"]["max"] == 12 / 5
    assert audit.channels == {"3": 6}
    assert audit.modes == {"RGB": 6}
    assert audit.depth == 8
    assert audit.full_scale == 255


def test_statistics_come_from_the_training_part_where_it_is_given(tmp_path: Path) -> None:
    data = picture_files(
        tmp_path, {"a/0.png": np.full((4, 4, 1), 51, np.uint8), "b/0.png": np.zeros((4, 4, 1), np.uint8)}
    )
    data = replace(data, samples=tuple(replace(s, split="test" if s.key[0] == "b" else None) for s in data.samples))
    assert audited(data).mean == (0.2,)
    assert audited(data).std == (0.0,)


def test_the_way_up_comes_from_independent_training_pictures() -> None:
    random = np.random.default_rng(0)
    skies = (random.integers(0, 60, (900, 16, 16, 3)) + np.linspace(150, 0, 16)[:, None, None]).astype(np.uint8)

    def judged(count: int, **changes: Any) -> dict[str, float]:
        rows = tuple(
            Sample(f"{row:04d}", (Source("array", "x", row=row),), Label("ab"[row % 2])) for row in range(count)
        )
        rows = tuple(
            replace(one, **{name: make(row) for name, make in changes.items()}) for row, one in enumerate(rows)
        )
        return audited(Dataset("made", "arrays", "classify", rows, ("a", "b"), {"x": skies})).orientation

    assert judged(900)["upside_down"] > 0.95
    assert judged(900)["upside_down_in_a_class"] > 0.95
    assert judged(700) == {}
    assert judged(900, split=lambda row: "test" if row > 700 else "train") == {}
    assert judged(900, group=lambda row: str(row // 2)) == {}
    skies[1::2] = skies[::2]
    assert judged(900) == {}  # of duplicates one counts
    assert judged(900, group=str) == {}  # in whatever groups they are


def test_grey_counts_in_each_channel_beside_colour(tmp_path: Path) -> None:
    data = picture_files(
        tmp_path, {"a/0.png": np.full((2, 2, 1), 255, np.uint8), "b/0.png": np.zeros((2, 2, 3), np.uint8)}
    )
    audit = audited(data)
    assert audit.mean == (0.5, 0.5, 0.5)
    assert audit.channels == {"1": 1, "3": 1}
    assert any("differ in channels" in remark for remark in audit.remarks)


@pytest.mark.parametrize(("highest", "scale"), [(3900, 4095), (65000, 65535), (200, 255)])
def test_sixteen_bits_find_their_own_white(tmp_path: Path, highest: int, scale: int) -> None:
    for number in range(3):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        pixels = np.full((4, 4), highest, np.uint16)
        pixels[0, 0] = number
        Image.fromarray(pixels).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    samples = [
        Sample(f"{n}.png", (Source("file", str(tmp_path / "ab"[n % 2] / f"{n}.png")),), Label("ab"[n % 2]))
        for n in range(3)
    ]
    audit = audited(dataset(samples))
    assert audit.depth == 16
    assert audit.full_scale == scale
    assert audit.value_range == (0.0, float(highest))
    expected = np.mean([(15 * highest + n) / 16 / scale for n in range(3)])
    assert math.isclose(audit.mean[0], expected, rel_tol=1e-12)
    assert any(re.search(f"{scale},? is taken for white", remark) for remark in audit.remarks)


def test_full_scale_of_real_numbers() -> None:
    assert [full_scale(32, low, high) for low, high in ((0, 1), (-1, 1), (0, 255), (0, 70000), (-9e4, 3))] == [
        1,
        1,
        255,
        70000,
        9e4,
    ]


def test_real_numbers_that_are_not_finite_are_quarantined() -> None:
    pixels = np.random.default_rng(0).random((6, 4, 4)).astype(np.float32)
    pixels[2, 1, 1] = np.nan
    audit = audited(arrays(pixels, [Label("ab"[n % 2]) for n in range(6)]))
    assert [one.key for one in audit.quarantined] == ["x/0002"]
    assert "finite" in audit.quarantined[0].reason
    assert audit.depth == 32
    assert audit.full_scale == 1.0


def bomb(side: int) -> bytes:
    """A tiny PNG that says it is side × side."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_one_pixel_passes_and_nine_hundred_megapixels_do_not(tmp_path: Path) -> None:
    data = picture_files(tmp_path, {f"{'ab'[n % 2]}/{n}.png": noise(n, 1, 1) for n in range(4)})
    (tmp_path / "a/0.png").write_bytes(bomb(30_000))
    audit = audited(data)
    assert [one.key for one in audit.quarantined] == ["a/0.png"]
    assert "900,000,000" in audit.quarantined[0].reason or "30,000" in audit.quarantined[0].reason
    assert audit.sizes["height"] == {"min": 1.0, "median": 1.0, "max": 1.0}


def test_a_file_without_permission_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = many_files(tmp_path, 4)
    read = store._read_file

    def refusing(path: str) -> bytes:
        if path.endswith("a/000.png"):
            raise PermissionError(13, "Permission denied")  # injected, since root may read everything
        return read(path)

    monkeypatch.setattr(store, "_read_file", refusing)
    (damaged,) = audited(data).quarantined
    assert damaged.key == "a/000.png"
    assert "permission" in damaged.reason


def test_a_read_only_folder_and_odd_names_work(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    odd = os.fsdecode(b"a/caf\xe9.png")
    Image.fromarray(noise(0, 3, 3)).save(tmp_path / "a" / "x.png")
    shutil.move(tmp_path / "a" / "x.png", tmp_path / odd)
    tmp_path.chmod(0o555)
    (tmp_path / "a").chmod(0o555)
    try:
        data = dataset([Sample(odd, (Source("file", str(tmp_path / odd)),), Label("a"))])
        for workers in (0, 2):
            audit = audited(data, workers)
            assert not audit.quarantined
            assert len(audit.fingerprint) == 64
    finally:
        (tmp_path / "a").chmod(0o755)
        tmp_path.chmod(0o755)


def test_the_fingerprint_sees_keys_pixels_and_targets() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 3), dtype=np.uint8)
    data = arrays(pixels, [Label("ab"[n % 2]) for n in range(4)])
    base = audited(data).fingerprint
    assert audited(data).fingerprint == base
    other = pixels.copy()
    other[0, 0, 0] ^= 1
    assert audited(replace(data, arrays={"x": other})).fingerprint != base
    first, *rest = data.samples
    assert audited(replace(data, samples=(replace(first, target=Label("b")), *rest))).fingerprint != base
    assert audited(replace(data, samples=(replace(first, key="x/9"), *rest))).fingerprint != base
    assert audited(replace(data, samples=tuple(rest))).fingerprint != base


def test_equal_bytes_of_another_shape_or_type_are_no_duplicates(tmp_path: Path) -> None:
    flat = np.arange(12, dtype=np.uint8)
    data = picture_files(tmp_path, {"a/0.png": flat.reshape(2, 6, 1), "a/1.png": flat.reshape(6, 2, 1)})
    data = dataset([*data.samples, *picture_files(tmp_path, {"b/0.png": flat.reshape(2, 2, 3)}).samples])
    assert audited(data).duplicates == ()


def test_leaks_between_given_splits_are_listed() -> None:
    pixels = np.stack([np.full((2, 2), n, np.uint8) for n in (0, 1, 2, 0, 4, 1)])
    data = arrays(pixels, [Label("ab"[n % 2]) for n in range(6)])
    splits = ["train", None, "train", "test", "val", "val"]
    groups = [None, None, "g", None, "g", None]
    data = replace(
        data,
        samples=tuple(
            replace(sample, split=split, group=group)
            for sample, split, group in zip(data.samples, splits, groups, strict=True)
        ),
    )
    audit = audited(data)
    assert audit.leaks == (
        {"test": "x/0003", "train": "x/0000", "kind": "exact duplicate"},
        {"test": "x/0005", "train": "x/0001", "kind": "exact duplicate"},
        {"test": "x/0004", "train": "x/0002", "kind": "same group"},
    )


def test_targets_are_summed_up() -> None:
    values = [(1.0, 5.0), (2.0, 5.0), (4.0, 5.0), (4.0, 5.0)]
    audit = audited(arrays(noise(0, 8, 8, 4).transpose(2, 0, 1).copy(), [Value(one) for one in values]))
    column = np.array([1.0, 2.0, 4.0, 4.0])
    assert audit.target_summary["y0"] == {
        "mean": column.mean(),
        "std": column.std(),
        "min": 1.0,
        "max": 4.0,
        "distinct": 3,
    }
    assert audit.classes == {}
    check_audit(audit, arrays(np.zeros((4, 2, 2), np.uint8), [Value(one) for one in values]))


def test_every_label_of_several_is_counted() -> None:
    data = arrays(noise(0, 4, 4).transpose(2, 0, 1).copy(), [Labels(("a", "b")), Labels(("b",)), Labels(())])
    assert audited(data).classes == {"a": 1, "b": 2}


def test_it_survives_a_file_and_back(dirty: Dataset) -> None:
    audit = audited(dirty)
    content = json.loads(json.dumps(audit.to_dict()))
    assert Audit.from_dict(content) == audit
    assert content["quarantined"][0] == {"path": "a/0.png", "reason": audit.quarantined[0].reason}
    assert content["near_duplicates"] == []
    assert content["near_duplicates_checked"] is False  # they are below 16 px
    assert {"samples", "duplicates", "leaks", "classes"} <= set(content)
    with pytest.raises(DataError, match="colour"):
        Audit.from_dict({**content, "colour": 1})


def test_what_could_not_be_checked_is_said(dirty: Dataset) -> None:
    remarks = " ".join(audited(dirty).remarks)
    assert "Near-duplicates" in remarks
    assert "were not searched for, since the pictures are below 16 px" in remarks
    assert "No groups are given" in remarks


def test_html_escapes_what_it_shows(tmp_path: Path) -> None:
    data = picture_files(tmp_path, {"<b>/0.png": noise(0, 2, 2), "c/0.png": noise(1, 2, 2)})
    html = audited(data)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_progress_tells_of_damage_and_time_left(dirty: Dataset) -> None:
    listener = Listener()
    run_audit(dirty, workers=0, reporter=listener)
    assert listener.stages == ["audit"]
    done, total, text = listener.steps[-1]
    assert done == total == 12
    assert "3 damaged" in text
    assert "left" in text


def test_nothing_at_all_is_audited_and_then_refused() -> None:
    data = dataset([])
    audit = audited(data, 2)
    assert audit.samples == 0
    with pytest.raises(DataError, match="holds no pictures"):
        check_audit(audit, data)


def judged(data: Dataset, **more: object) -> Audit:
    """An audit of pictures that need not exist."""
    out = {one.key for one in more.get("quarantined", ())}  # type: ignore[attr-defined]
    counts = dict.fromkeys(data.target_names, 0)
    for sample in data.samples:
        if isinstance(sample.target, Label) and sample.key not in out:
            counts[sample.target.name] += 1
    return Audit(len(data), classes=counts, channels={"3": len(data)}, **more)  # type: ignore[arg-type]


def refused(data: Dataset, audit: Audit, words: str, limit: float = 0.05) -> None:
    with pytest.raises(DataError, match=words) as caught:
        check_audit(audit, data, limit)
    assert caught.value.fix


def test_good_data_pass() -> None:
    data = plain({f"{n}": "ab"[n % 2] for n in range(8)})
    check_audit(judged(data), data)


def test_damage_beyond_the_limit_is_refused_and_names_the_first() -> None:
    data = plain({f"{n:03}": "ab"[n % 2] for n in range(100)})
    five = tuple(Damaged(f"{n:03}", "it is truncated") for n in range(5))
    check_audit(judged(data, quarantined=five), data)
    six = (*five, Damaged("005", "it is truncated"))
    refused(data, judged(data, quarantined=six), r"6 of 100 samples are damaged \(6.0%.*000: it is truncated; .*3 more")
    check_audit(judged(data, quarantined=six), data, limit=0.06)
    assert any("training will be refused" in remark for remark in _remarks_of(six, data))


def _remarks_of(damaged: tuple[Damaged, ...], data: Dataset) -> tuple[str, ...]:
    return audited(data).remarks if damaged else ()  # none of these files exists


def test_all_damaged_is_refused_whatever_the_limit(tmp_path: Path) -> None:
    data = many_files(tmp_path, 4)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    refused(data, audited(data), "none of the 4 samples can be decoded: a/000.png: the file is empty", limit=1.0)


def test_one_class_a_single_sample_and_a_lost_class_are_refused() -> None:
    one = plain({"0": "a", "1": "a"})
    refused(one, judged(one), "one class only, 'a'")
    single = plain({"0": "a", "1": "a", "2": "b"})
    refused(single, judged(single), "1 class has one sample only: b")
    lost = plain({**{f"{n:02}": "a" for n in range(40)}, "x": "b"})
    refused(lost, judged(lost, quarantined=(Damaged("x", "?"),)), "no undamaged sample is left of b")


def test_missing_and_odd_targets_are_refused() -> None:
    missing = plain({"0": "a", "1": None, "2": "b", "3": "a", "4": "b"})
    refused(missing, judged(missing), "1 of 5 samples have no target, such as 1")
    unlabelled = replace(plain({"0": None, "1": None}), task=None)
    refused(unlabelled, judged(unlabelled), "2 of 2 samples have no target")
    nan = plain({"0": Value((1.0,)), "1": Value((math.nan,)), "2": Value((2.0,))})
    refused(nan, judged(nan), "not a finite number: 1")
    same = arrays(noise(0, 2, 2).transpose(2, 0, 1).copy(), [Value((3.0,))] * 3)
    refused(same, audited(same), "same target, 3")


def test_channels_that_do_not_fit_are_refused() -> None:
    data = plain({f"{n}": "ab"[n % 2] for n in range(8)})
    audit = judged(data)
    check_audit(replace(audit, channels={"1": 4, "3": 4}), data)
    refused(data, replace(audit, channels={"3": 4, "4": 4}), "4 with 3, 4 with 4")


def test_trashnet_has_three_pictures_in_two_classes(real_data: Path) -> None:
    audit = audited(open_dataset(real_data / "trashnet"), 2)
    assert audit.samples == 2527
    assert not audit.quarantined
    assert len(audit.conflicts) == 3
    assert (min(audit.classes.values()), max(audit.classes.values())) == (137, 594)


def test_flowers_has_six_pairs_some_across_classes(real_data: Path) -> None:
    audit = audited(open_dataset(real_data / "flowers"), 2)
    assert len(audit.duplicates) == 6
    assert all(len(group) == 2 for group in audit.duplicates)
    assert audit.conflicts
    classes = {key.split("/")[0] for group in audit.conflicts for key in group}
    assert any(re.match("rose", name) for name in classes)
    assert any(re.match("tulip", name) for name in classes)


def test_hymenoptera_has_a_stray_gif(real_data: Path) -> None:
    audit = audited(open_dataset(real_data / "hymenoptera"), 2)
    assert audit.samples in (397, 398)
    odd = [one.key for one in audit.quarantined] + [key for key in audit.hashes if key.endswith(".gif")]
    assert any("imageNotFound" in key for key in odd)
