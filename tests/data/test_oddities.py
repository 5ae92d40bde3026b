"""What the audit finds odd: each kind planted among ordinary pictures, and silence where nothing is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_data import arrays, dataset, plain
from PIL import Image
from scipy import ndimage

from striate.core.events import Silent
from striate.core.records import Dataset, Label, Sample, Source, Value
from striate.data.audit import Audit, run_audit
from striate.data.dataset import open_dataset
from striate.data.decode import decode
from striate.data.oddities import ODDITIES, SEVERITIES, SHOWN, Oddity, outliers
from striate.data.oddities.marks import COPIES, MOST_CLASSES, _medians_of_others, copied

SIDE = 72
COUNT = 30


def scene(seed: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A picture with the power of natural scenes, falling with the square of the frequency, in three channels."""
    random = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    radius[0, 0] = 1
    layers = []
    for _ in range(3):
        field = np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) / radius, (height, width))
        layers.append((field - field.mean()) / field.std())
    mixed = 0.8 * layers[0][:, :, None] + 0.2 * np.stack(layers, 2)
    return np.clip(118 + 45 * mixed, 0, 255).astype(np.uint8)


def scenes(changed: dict[int, Callable[[np.ndarray], np.ndarray]] | None = None, count: int = COUNT) -> Dataset:
    """Two classes of scenes in files' stead; samples 0 to count - 1 are of class a, as many others of b."""
    found = {}
    for number in range(2 * count):
        pixels = scene(number)
        found[f"{'ab'[number // count]}/{number:03}"] = (changed or {}).get(number, lambda same: same)(pixels)
    return held(found)


def held(pictures: dict[str, np.ndarray]) -> Dataset:
    """Pictures of any sizes in memory; the class is the first part of the key."""
    rows = tuple(Sample(key, (Source("array", key, row=0),), Label(key.split("/")[0])) for key in sorted(pictures))
    names = tuple(sorted({key.split("/")[0] for key in pictures}))
    return Dataset("made", "arrays", "classify", rows, names, {key: one[None] for key, one in pictures.items()})


def audited(data: Dataset, workers: int = 0) -> Audit:
    return run_audit(data, workers=workers, reporter=Silent(), near=False)


def findings(data: Dataset) -> dict[str, Oddity]:
    return {one.name: one for one in audited(data).findings}


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(pixels[:, :, place], 3.0) for place in range(3)], axis=2)


def letterboxed(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[:9] = changed[-9:] = 0
    return changed


def stamped(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[-14:-4, 4:24] = 255
    changed[-11:-7, 7:21:3] = 0
    return changed


def small_then_large(pixels: np.ndarray) -> np.ndarray:
    small = Image.fromarray(pixels).resize((SIDE // 4, SIDE // 4), Image.Resampling.LANCZOS)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def of(change: Callable[[np.ndarray], np.ndarray], numbers: Iterable[int]) -> dict[int, Callable[..., np.ndarray]]:
    return dict.fromkeys(numbers, change)


def test_ordinary_pictures_hear_nothing() -> None:
    assert audited(scenes()).findings == ()


@pytest.mark.parametrize(
    ("name", "change", "severity"),
    [
        ("constant pictures", lambda same: np.full_like(same, 90), "high"),
        ("very dark or bright", lambda same: same // 12, "low"),
        ("very dark or bright", lambda same: 255 - (255 - same) // 12, "low"),
        ("blurred", blurred, "low"),
        ("bars at the edges", letterboxed, "low"),
        ("odd size", lambda same: scene(900, 20, 20), "low"),
        ("odd size", lambda same: scene(900, 200, 200), "low"),
        ("odd aspect", lambda same: scene(900, 40, 130), "low"),
        ("odd aspect", lambda same: scene(900, 130, 40), "low"),
        ("odd channels", lambda same: same[:, :, :1], "low"),
        ("odd channels", lambda same: np.repeat(same[:, :, :1], 3, axis=2), "low"),
    ],
)
def test_a_planted_picture_is_found_alone(name: str, change: Callable[[np.ndarray], np.ndarray], severity: str) -> None:
    found = findings(scenes(of(change, [7, 41])))
    assert set(found) == {name}
    assert set(found[name].samples) == {"a/007", "b/041"}
    assert (found[name].count, found[name].severity) == (2, severity)


def test_the_worst_come_first() -> None:
    changed = {3: lambda same: same // 10, 9: lambda same: same // 30, 50: lambda same: same // 14}
    assert findings(scenes(changed))["very dark or bright"].samples == ("a/009", "b/050", "a/003")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bars at the edges", letterboxed),
        ("odd channels", lambda same: np.repeat(same[:, :, :1], 3, axis=2)),
        ("enlarged pictures", small_then_large),
        ("a mark shared by a class", stamped),
    ],
)
def test_what_one_class_has_is_a_shortcut(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    one = findings(scenes(of(change, range(25))))[name]
    assert one.severity == "high"
    assert "class a" in one.text or "pictures of a" in one.text
    assert one.count == 25
    assert len(one.samples) == SHOWN
    assert all(key.startswith("a/") and int(key[2:]) < 25 for key in one.samples)


def test_what_all_classes_have_is_none() -> None:
    both = [*range(25), *range(COUNT, COUNT + 25)]
    assert findings(scenes(of(letterboxed, both)))["bars at the edges"].severity == "medium"
    assert "a mark shared by a class" not in findings(scenes(of(stamped, both)))
    enlarged = findings(scenes(of(small_then_large, range(2 * COUNT))))["enlarged pictures"]
    assert enlarged.severity == "medium"
    assert enlarged.text.startswith("100% of the pictures")


def test_the_true_side_of_enlarged_pictures_is_told() -> None:
    text = findings(scenes(of(small_then_large, range(2 * COUNT))))["enlarged pictures"].text
    true = int(text.split("fill about ")[1].split()[0])
    assert SIDE / 4 * 0.8 <= true <= SIDE / 4 * 1.3


def test_objects_on_plain_ground_have_no_bars() -> None:
    def on_white(pixels: np.ndarray) -> np.ndarray:
        rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
        return np.where((np.hypot(rows, columns) < 25)[:, :, None], pixels, np.uint8(255)).astype(np.uint8)

    assert "bars at the edges" not in findings(scenes(of(on_white, range(20))))


def test_things_in_one_place_in_the_middle_are_no_marks() -> None:
    def centred(pixels: np.ndarray) -> np.ndarray:
        changed = pixels.copy()
        changed[30:42, 30:42] = 255
        return changed

    assert "a mark shared by a class" not in findings(scenes(of(centred, range(COUNT))))


def test_a_mark_is_looked_for_in_some_of_many() -> None:
    keys = [f"{number:05}" for number in range(1000)]
    found = copied({"a": keys, "b": keys[:3]})
    assert len(found) == COPIES + 2  # the first of b is among those of a
    assert copied({"a": keys}) == frozenset()
    assert len(copied({str(name): [f"{name} {key}" for key in keys] for name in range(500)})) == 20_000


def test_that_marks_are_not_looked_for_is_said() -> None:
    for count in (MOST_CLASSES, MOST_CLASSES + 1):
        data = held({f"{name:04}/0": np.full((1, 1, 1), name % 256, np.uint8) for name in range(count)})
        told = any("Marks that a class shares were not looked for" in text for text in audited(data).remarks)
        assert told == (count > MOST_CLASSES) == (not copied({one.key: [one.key] for one in data.samples}))


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 9])
def test_medians_of_others_equal_those_of_each_stack(count: int) -> None:
    random = np.random.default_rng(count)
    for rows in (random.random((count, 300)), random.integers(0, 3, (count, 300))):  # also with ties
        stable = rows.astype(np.float32)
        found = list(_medians_of_others(stable))
        expected = [np.median(np.delete(stable, place, axis=0), axis=0) for place in range(count)]
        np.testing.assert_array_equal(np.stack(found), np.stack(expected))


def test_few_and_missing_samples() -> None:
    data = scenes(count=25)
    few = replace(data, samples=data.samples[:40])
    assert findings(few)["few samples of a class"].text == "1 class has fewer than 20 samples: b (15)"
    split = replace(
        data, samples=tuple(replace(one, split="test" if n < 6 else "train") for n, one in enumerate(data.samples))
    )
    found = findings(split)["few samples of a class"]
    assert (found.severity, found.text) == ("high", "missing from a given split: b in test")


def test_samples_that_the_user_leaves_out_are_in_no_leak_and_no_finding() -> None:
    data = scenes(count=25)
    tests = {data.samples[0].key, data.samples[30].key}
    data.arrays[data.samples[0].key][:] = data.arrays[data.samples[1].key]
    split = replace(
        data, samples=tuple(replace(one, split="test" if one.key in tests else "train") for one in data.samples)
    )
    assert len(audited(split).leaks) == 1
    assert "few samples of a class" not in findings(split)
    without = audited(replace(split, left_out={data.samples[0].key: "the list leaves it out"}))
    assert without.leaks == ()
    assert next(one for one in without.findings if one.name == "few samples of a class").text == (
        "missing from a given split: a in test"
    )


def test_imbalance_names_both_ends() -> None:
    data = scenes(count=30)
    found = findings(replace(data, samples=data.samples[:36]))["unbalanced classes"]
    assert "a, has 30 samples, the smallest, b, 6" in found.text
    assert found.flag == "--set imbalance.remedy=class_weights"
    assert "unbalanced classes" not in findings(replace(data, samples=data.samples[:37]))


def test_values_have_findings_too() -> None:
    data = scenes(of(lambda same: np.zeros_like(same), [4]))
    rows = tuple(replace(one, target=Value((float(n),))) for n, one in enumerate(data.samples))
    assert set(findings(replace(data, task="regress", samples=rows, target_names=("y",)))) == {"constant pictures"}


def test_deep_pictures_are_looked_at_by_their_own_white() -> None:
    changed = {n: (lambda same: same.astype(np.uint16) * 16) for n in range(2 * COUNT)}
    changed[5] = lambda same: same.astype(np.uint16)
    changed[6] = lambda same: letterboxed(same).astype(np.uint16) * 16
    found = findings(scenes(changed))
    assert {name: one.samples for name, one in found.items()} == {
        "very dark or bright": ("a/005",),
        "bars at the edges": ("a/006",),
    }


def test_16_bits_beside_real_numbers_have_a_white_of_their_own() -> None:
    changed = {n: (lambda same: same.astype(np.uint16) * 256) for n in range(2 * COUNT)}
    changed[5] = lambda same: same.astype(np.float32) / 255
    changed[6] = lambda same: letterboxed(same).astype(np.uint16) * 256
    found = findings(scenes(changed))
    assert {name: one.samples for name, one in found.items()} == {
        "odd channels": ("a/005",),  # real numbers among whole ones
        "bars at the edges": ("a/006",),
    }


def shot(when: str, camera: str = "X1", seed: int = 0) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", camera
    exif.get_ifd(0x8769)[0x9003] = when
    buffer = io.BytesIO()
    Image.fromarray(scene(seed, 24, 24)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_camera_and_time_are_read() -> None:
    picture = decode(shot("2024:05:01 12:30:59"))
    assert (picture.camera, picture.taken) == ("Maker X1", "2024:05:01 12:30:59")
    buffer = io.BytesIO()
    Image.fromarray(scene(0, 24, 24)).save(buffer, "JPEG")
    plain_one = decode(buffer.getvalue())
    assert (plain_one.camera, plain_one.taken) == ("", "")


def test_bursts_are_groups(tmp_path: Path) -> None:
    def made(seconds: int) -> Path:
        folder = tmp_path / str(seconds)
        for number in range(24):
            path = folder / "ab"[number % 2] / f"{number}x.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            when = (number // 2 % 3) * seconds + number // 6 * 3600
            path.write_bytes(shot(f"2024:05:01 {when // 3600:02}:{when // 60 % 60:02}:{when % 60:02}", seed=number))
        (folder / "a" / "zeros.jpg").write_bytes(shot("0000:00:00 00:00:00", seed=99))
        return folder

    found = {one.name: one for one in audited(open_dataset(made(4))).findings}["bursts of pictures"]
    assert found.text.startswith("likely groups: 8 bursts, in which 24 of 24 pictures with a time")
    assert found.samples == ("a/0x.jpg", "a/2x.jpg", "a/4x.jpg")
    assert all(one.name != "bursts of pictures" for one in audited(open_dataset(made(60))).findings)


def test_workers_and_order_change_nothing(tmp_path: Path) -> None:
    for key, pixels in ((f"{'ab'[n % 2]}/{n:02}.png", scene(n)) for n in range(60)):
        (tmp_path / key).parent.mkdir(exist_ok=True)
        Image.fromarray(stamped(pixels) if key[0] == "a" else letterboxed(pixels)).save(tmp_path / key)
    data = open_dataset(tmp_path)
    alone = audited(data).findings
    assert {one.name for one in alone} == {"a mark shared by a class", "bars at the edges"}
    assert alone == audited(data, 2).findings == audited(replace(data, samples=data.samples[::-1])).findings


def test_they_survive_a_file_and_audits_of_before_are_read() -> None:
    audit = audited(scenes(of(letterboxed, [1])))
    content = audit.to_dict()
    assert content["findings"][0]["samples"] == ["a/001"]
    assert Audit.from_dict(content).findings == audit.findings
    del content["findings"]
    assert Audit.from_dict(content).findings == ()


def test_every_kind_is_one_of_the_known_severities_and_order() -> None:
    orders = [look.order for _, look in ODDITIES.items()]
    assert len(orders) == len(ODDITIES.names()) >= 12
    data = scenes({**of(letterboxed, [1]), **of(lambda same: np.zeros_like(same), [2]), **of(stamped, range(3, 30))})
    told = [SEVERITIES.index(one.severity) for one in audited(data).findings]
    assert told == sorted(told)
    assert len(told) == 3


def test_outliers_equal_the_modified_score() -> None:
    values = np.random.default_rng(0).standard_t(2, 500)
    middle = np.median(values)
    score = 0.6745 * np.abs(values - middle) / np.median(np.abs(values - middle))
    found = {one.number for one in outliers(values, 1e-9)}
    assert found == set(np.flatnonzero(score > 3.5 * 0.6745 * 1.4826))
    assert outliers(np.array([]), 1.0) == outliers(np.full(5, np.nan), 1.0) == outliers(np.ones(9), 0.1) == []


def test_nothing_at_all_has_no_findings() -> None:
    assert audited(dataset([])).findings == ()
    assert plain({}).samples == ()
    assert audited(arrays(np.zeros((2, 1, 1), np.uint8), ["a", "b"])).samples == 2  # tiny ones do no harm


def test_digits_have_none_small_or_large() -> None:
    small = open_dataset(None)
    assert audited(small).findings == ()
    rows = small.samples[::5]
    large = {
        f"{row.target.name}/{row.key[-4:]}": np.kron(small.arrays["digits"][row.sources[0].row], np.ones((5, 5)))
        for row in rows
        if isinstance(row.target, Label)
    }
    assert "a mark shared by a class" not in findings(held({key: one.astype(np.uint8) for key, one in large.items()}))
