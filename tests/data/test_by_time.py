"""A division by time: the latest test, those before them validate; ties and units stay whole; bad times are named."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import noise, plain
from PIL import Image

from striate.core.errors import DataError, UnknownName
from striate.core.records import Dataset
from striate.data.audit import Audit
from striate.data.by_time import deal_by_time, periods, read_time, written
from striate.data.dataset import open_dataset
from striate.data.readers import ReadOptions
from striate.data.split import SplitTable, make_split

DAY = 86400.0


def timed(times: list[float | None], groups: list[str | None] | None = None, classes: str = "ab") -> Dataset:
    data = plain({f"{n:03}": classes[n % len(classes)] for n in range(len(times))})
    groups = groups or [None] * len(times)
    zipped = zip(data.samples, times, groups, strict=True)
    return replace(data, samples=tuple(replace(one, time=time, group=group) for one, time, group in zipped))


def split(data: Dataset, **more: object) -> SplitTable:
    return make_split(data, Audit(len(data)), seed=0, **more)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_is_learnt_from_that_came_after_what_is_tested(draw: st.DataObject) -> None:
    count = draw.draw(st.integers(4, 50))
    times = draw.draw(st.lists(st.integers(0, 12).map(float), min_size=count, max_size=count))
    groups = draw.draw(st.lists(st.sampled_from([None, None, "g", "h", "i"]), min_size=count, max_size=count))
    data = timed([float(time) for time in times], groups, classes="a")
    units = {one.group or one.key for one in data.samples}
    latest = {unit: max(one.time or 0.0 for one in data.samples if (one.group or one.key) == unit) for unit in units}
    if len(set(latest.values())) < 2:
        with pytest.raises(DataError, match="it divides nothing"):
            split(data)
        return
    table = split(data)
    home = {one.key: latest[one.group or one.key] for one in data.samples}
    parts = [[home[key] for key in table.keys(part)] for part in ("train", "val", "test")]
    assert parts[0]
    assert parts[2]
    assert parts[1] or len(set(latest.values())) == 2
    for earlier, later in ((parts[0], parts[1]), (parts[1], parts[2]), (parts[0], parts[2])):
        assert not earlier or not later or max(earlier) < min(later), "ties and units stay whole"
    time = {one.key: one.time for one in data.samples}
    parts = [[time[key] for key in table.keys(part)] for part in ("train", "val", "test")]
    for earlier, later in ((parts[0], parts[1]), (parts[1], parts[2]), (parts[0], parts[2])):
        assert not earlier or not later or max(earlier) < min(later), "nothing learnt from came later"
    assert len(table.keys("excluded")) + sum(map(len, parts)) == count
    assert all(table.reasons[key].startswith("what is learnt from is as late") for key in table.keys("excluded"))


def test_the_shares_are_as_near_as_ties_allow() -> None:
    table = split(timed([DAY * n for n in range(100)]))
    assert [len(table.keys(part)) for part in ("train", "val", "test")] == [64, 16, 20]
    assert table.notes[:2] == (
        "Split: the data gives no split; by time as 64/16/20, the latest are test: 64 train, 16 val, 20 test.",
        "By time: train 0 to 5443200, val 5529600 to 6825600, test 6912000 to 8553600.",
    )


def test_a_given_test_leaves_the_latest_of_the_rest_to_validate() -> None:
    data = timed([float(n) for n in range(50)])
    samples = [replace(one, split="test" if n < 10 else "train") for n, one in enumerate(data.samples)]
    table = split(replace(data, samples=tuple(samples)))
    assert table.keys("test") == [f"{n:03}" for n in range(10)]
    assert table.keys("val") == [f"{n:03}" for n in range(42, 50)]
    assert table.notes[0].startswith("Split: test is given by the data; the latest 20% of train is val: 32 train, 8")


def test_what_is_held_out_and_came_before_what_is_learnt_from_is_left_out_with_its_reason() -> None:
    table = split(timed([1.0, 10.0, *map(float, range(2, 10))], ["g", "g", *[None] * 8]))
    assert table.keys("excluded") == ["000"]
    assert table.reasons["000"] == "what is learnt from is as late as it or later; it stays with 001, which is held out"
    assert table.notes[1] == "By time: train 2 to 7, val 8 to 9, test 10."
    assert table.notes[2].startswith("1 held-out sample is left out: of groups or equal pictures that go on later")


def given_for(data: Dataset, **splits: range) -> Dataset:
    """The same with the splits of samples by their number; the others are given for training."""
    home = {number: split for split, numbers in splits.items() for number in numbers}
    samples = [replace(one, split=home.get(n, "train")) for n, one in enumerate(data.samples)]
    return replace(data, samples=tuple(samples))


def test_times_that_only_a_given_test_has_divide_nothing() -> None:
    data = given_for(timed([float(n) if n < 10 else None for n in range(50)]), test=range(10))
    with pytest.raises(DataError) as caught:
        split(data)
    assert caught.value.message == (
        "none of the 40 samples of /data that are to be divided has a time; those of a given split have"
    )
    assert caught.value.fix is not None
    assert "leave them out, or --time" in caught.value.fix


def test_nothing_is_said_of_times_where_all_splits_are_given() -> None:
    data = given_for(timed([float(n) for n in range(50)]), test=range(10), val=range(10, 20))
    assert not any("time" in note.lower() for note in split(data).notes)


def test_one_sample_or_unit_is_not_blamed_on_its_time() -> None:
    with pytest.raises(DataError, match="of 1 sample none is left to test with") as caught:
        split(timed([5.0]))
    assert caught.value.fix is not None
    assert caught.value.fix.startswith("give two samples at least")
    with pytest.raises(DataError, match="of 4 samples none is left to test with") as caught:
        split(timed([1.0, 2.0, 3.0, 4.0], ["g"] * 4))
    assert caught.value.fix is not None
    assert "of one group stay together" in caught.value.fix


def test_the_order_of_the_files_and_the_seed_change_nothing() -> None:
    data = timed([float(n % 17) for n in range(60)])
    shuffled = list(data.samples)
    random.Random(0).shuffle(shuffled)
    first = split(data)
    assert split(replace(data, samples=tuple(shuffled))) == first
    assert make_split(data, Audit(60), seed=5).fates == first.fates


def test_a_class_that_only_came_later_is_named_with_a_fix_for_it() -> None:
    data = timed([float(n) for n in range(40)], classes="a")
    samples = [replace(one, target=plain({"x": "late"}).samples[0].target) if n > 35 else one
               for n, one in enumerate(data.samples)]  # fmt: skip
    with pytest.raises(DataError) as caught:
        split(replace(data, samples=tuple(samples)))
    assert "classes that training does not know: late" in caught.value.message
    assert caught.value.fix == "what came later cannot be known: leave these classes out, or leave --time out"


def test_one_time_for_all_divides_nothing() -> None:
    with pytest.raises(DataError) as caught:
        split(timed([365.25 * 40 * DAY] * 9))
    assert caught.value.message == (
        "the 9 samples of /data that are to be divided all have the time 2010-01-01 (what stays together goes by its "
        "latest sample): it divides nothing"
    )
    assert caught.value.fix == "give another column with --time, or leave it out"


def test_samples_without_a_time_among_others_are_named() -> None:
    with pytest.raises(DataError) as caught:
        split(timed([1.0, None, 3.0, None, 5.0]))
    assert caught.value.message == "2 of 5 samples have no time, and others have: 001, 003"


def test_what_weights_have_met_cannot_go_by_time() -> None:
    with pytest.raises(DataError, match="neither take turns nor go by time"):
        split(timed([float(n) for n in range(20)]), known={"003": "train"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", DAY),
        (" 1970-01-02T00:00:00Z ", DAY),
        ("1970-01-02T02:00:00+02:00", DAY),
        ("1970-01-01 00:01", 60.0),
        ("1970:01:02 00:00:01", DAY + 1),
        ("02.01.1970", DAY),
        ("02.01.1970 00:01", DAY + 60),
        ("1970/01/02", DAY),
        ("20260301", 20260301.0),
        ("-1.5e3", -1500.0),
        ("01/02/1970", None),
        ("yesterday", None),
        ("2026-02-30", None),
        ("inf", None),
        ("nan", None),
        ("", None),
    ],
)
def test_times_are_read_as_people_and_cameras_write_them(text: str, seconds: float | None) -> None:
    assert read_time(text) == seconds


def test_times_are_told_as_dates_where_they_can_be_dates() -> None:
    moment = 365.25 * 40 * DAY + 3661
    assert written(moment, [moment]) == "2010-01-01 01:01:01"
    assert written(1.7e12, [1.7e12]) == "1700000000000"
    assert periods([], {}) == ""
    assert written(-1e11, [-1e11, 5e8]) == "-100000000000", "before the year 1"
    assert written(5e8, [-1e11, 5e8]) == "500000000"
    assert written(-6e10, [-6e10]) == "0068-09-03 13:20:00"


def test_two_times_for_three_parts_do_without_validation() -> None:
    units = [[one] for one in timed([1.0, 1.0, 2.0]).samples]
    assert deal_by_time(units, (0.64, 0.16, 0.2), "data") == ["train", "train", "test"]


def table(folder: Path, rows: list[tuple[str, str, str]], header: str = "path,label,taken") -> Path:
    for number, (name, _, _) in enumerate(rows):
        Image.fromarray(noise(number, 8, 8)).save(folder / name)
    path = folder / "list.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def rows(count: int) -> list[tuple[str, str, str]]:
    return [(f"{n:02}.png", "ab"[n % 2], f"2026-03-{n + 1:02}") for n in range(count)]


def test_a_column_of_a_table_is_the_time_and_nothing_else(tmp_path: Path) -> None:
    data = open_dataset(table(tmp_path, rows(10), "path,kind,taken"), ReadOptions(time="taken"))
    assert data.task == "classify"
    assert data.target_names == ("a", "b")
    times = [one.time for one in data.samples if one.time is not None]
    assert [time - times[0] for time in times] == [DAY * n for n in range(10)]


def test_a_date_column_that_is_not_asked_for_is_offered(tmp_path: Path) -> None:
    data = open_dataset(table(tmp_path, rows(4), "path,label,date"))
    assert all(one.time is None for one in data.samples)
    assert any(note.endswith("divide by time: --time date.") for note in data.notes)


def test_a_column_that_is_not_there_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no column 'takn'; did you mean 'taken'"):
        open_dataset(table(tmp_path, rows(4)), ReadOptions(time="takn"))


def test_a_time_that_cannot_be_read_is_named_with_its_row(tmp_path: Path) -> None:
    bad = rows(4)
    bad[2] = (*bad[2][:2], "03/03/2026")
    with pytest.raises(DataError) as caught:
        open_dataset(table(tmp_path, bad), ReadOptions(time="taken"))
    assert "line 4 has the time '03/03/2026'; expected a number, or a date such as 2026-03-01" in caught.value.message


def test_numbers_among_dates_are_named(tmp_path: Path) -> None:
    bad = rows(4)
    bad[3] = (*bad[3][:2], "2026")
    with pytest.raises(DataError, match=r"line 5 has the time '2026'; expected a date, as in .*line 2"):
        open_dataset(table(tmp_path, bad), ReadOptions(time="taken"))


def photo(path: Path, seed: int, taken: str | None) -> None:
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    Image.fromarray(noise(seed, 8, 8)).save(content, "JPEG", exif=exif)
    path.write_bytes(content.getvalue())


def test_pictures_say_when_they_were_taken_only_when_asked(tmp_path: Path) -> None:
    for n in range(6):
        photo(tmp_path / "ab"[n % 2] / f"{n}.jpg", n, f"2026:03:{6 - n:02} 10:00:00")
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert all(one.time is None for one in open_dataset(tmp_path).samples)
    found = {one.key: one.time for one in open_dataset(tmp_path, ReadOptions(time="exif")).samples}
    assert found["a/0.jpg"] == read_time("2026-03-06 10:00")
    assert found["b/5.jpg"] == read_time("2026-03-01 10:00")
    assert found["a/broken.jpg"] is None, "the audit quarantines it"


def test_pictures_without_a_date_are_told(tmp_path: Path) -> None:
    for n in range(4):
        photo(tmp_path / "ab"[n % 2] / f"{n}.jpg", n, None)
    with pytest.raises(DataError, match=r"none of the 4 pictures of .* says when it was taken"):
        open_dataset(tmp_path, ReadOptions(time="exif"))


def test_a_folder_has_no_columns(tmp_path: Path) -> None:
    for n in range(4):
        photo(tmp_path / "ab"[n % 2] / f"{n}.jpg", n, None)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, ReadOptions(time="date"))
    assert "--time date names a column, and there is no table" in caught.value.message
    assert caught.value.fix is not None
    assert "--time exif" in caught.value.fix


def test_further_data_for_the_test_needs_no_times(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for n in range(4):
        photo(tmp_path / "new" / "ab"[n % 2] / f"{n}.jpg", 50 + n, None)
    data = open_dataset(table(tmp_path / "all", rows(10)), ReadOptions(time="taken"), test=str(tmp_path / "new"))
    assert sum(one.split == "test" for one in data.samples) == 4
    assert split(data).keys("val") == ["08.png", "09.png"]
    assert any(note.startswith("--test: its times are not read: --time taken names a column") for note in data.notes)
