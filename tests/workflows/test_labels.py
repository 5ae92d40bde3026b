"""Likely wrong labels: planted ones come first, duplicates with two labels before them, and the list goes back in."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

import striate as st
from striate.core.artifacts import write_csv
from striate.core.errors import DataError, UsageError
from tests.e2e.made_photos import QUICK, folder, table

WRONG = ("dark/000.png", "dark/005.png", "light/003.png")


def files(path: Path) -> dict[str, bytes]:
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in sorted(path.rglob("*.png"))}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, three files in the folder of the other, and one picture in both."""
    path = folder(tmp_path_factory.mktemp("labels") / "photos", {"dark": 60, "light": 60})
    for number, key in enumerate(WRONG):
        other = {"dark": "light", "light": "dark"}[key.split("/")[0]]
        shutil.move(path / key, path / other / f"wrong{number}.png")
    shutil.copy(path / "dark" / "009.png", path / "light" / "copy.png")
    return path


@pytest.fixture(scope="module")
def found(photos: Path) -> st.LabelErrors:
    return st.label_errors(photos, out=photos.parent / "labels.csv", device="cpu")


def test_duplicates_with_two_labels_come_first_and_planted_ones_next(photos: Path, found: st.LabelErrors) -> None:
    paths = [one.path for one in found.suspects]
    assert paths[:2] == ["dark/009.png", "light/copy.png"]
    assert found.conflicting == 2
    assert set(paths[2:5]) == {"light/wrong0.png", "light/wrong1.png", "dark/wrong2.png"}
    assert {one.suggested for one in found.suspects[:2]} == {"dark"}
    assert "the same picture as light/copy.png, which is labelled 'light'" in found.suspects[0].reason
    assert all(one.suggested != one.label for one in found.suspects[2:])
    assert found.suspects[0].reason.startswith("its equal has another label")
    assert found.suspects[1].reason.startswith("the same picture as dark/009.png")
    assert found.accuracy > 0.9
    assert found.estimated * found.samples == pytest.approx(1 + sum(pair["share"] for pair in found.pairs) * 119)
    assert 0.01 < found.estimated < 0.1
    assert any("No weights were given" in note for note in found.notes)


def test_the_list_is_written_and_the_data_stays(photos: Path, found: st.LabelErrors) -> None:
    with open(photos.parent / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [one.path for one in found.suspects]
    assert list(rows[0]) == ["path", "label", "suggested", "confidence", "reason"]
    assert len(files(photos)) == 121
    json.dumps(found.to_dict())


def test_a_list_is_not_written_into_the_data_nor_over_another(photos: Path, found: st.LabelErrors) -> None:
    with pytest.raises(UsageError, match="inside of"):
        st.label_errors(photos, out=photos / "labels.csv")
    with pytest.raises(UsageError, match="may hold corrections"):
        st.label_errors(photos, out=photos.parent / "labels.csv")


def test_given_back_as_it_is_the_list_changes_nothing_and_corrected_it_does(
    photos: Path, found: st.LabelErrors, tmp_path: Path
) -> None:
    before = files(photos)
    assert st.audit(photos, relabel=photos.parent / "labels.csv").fingerprint == found.audit.fingerprint
    with open(photos.parent / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:5]:
        row["label"] = row["suggested"]
    write_csv(tmp_path / "corrected.csv", list(rows[0]), [list(row.values()) for row in rows])
    again = st.label_errors(photos, relabel=tmp_path / "corrected.csv")
    assert again.conflicting == 0
    assert not {row["path"] for row in rows[:5]} & {one.path for one in again.suspects}
    run = st.train(photos, relabel=tmp_path / "corrected.csv", out=tmp_path / "run", epochs=1, set=QUICK)
    assert files(photos) == before
    assert (run.path / "relabel.csv").read_bytes() == (tmp_path / "corrected.csv").read_bytes()
    assert run.metrics["relabelled"] == {"changed": 4, "left_out": 0}
    with open(run.path / "split.csv", newline="") as file:
        split = {row["key"]: row for row in csv.DictReader(file)}
    assert split["light/wrong0.png"]["target"] == "dark"
    assert split["light/wrong0.png"]["reason"] == "its label was 'light' in the data"
    assert run.plan.decisions["split.relabel"].because == "yours: 4 labels changed, 0 samples left out"
    assert "labels corrected" in (run.path / "report.html").read_text("utf-8")
    (tmp_path / "corrected.csv").unlink()  # the Run keeps its own
    assert st.attack(run, limit=4)["samples"] == 4
    assert st.resume(run, more=1).metrics["relabelled"] == run.metrics["relabelled"]
    planned = st.plan(photos, plan=run.path / "plan.yaml")
    assert planned["split.relabel"] == str((run.path / "relabel.csv").absolute())


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    values = table(tmp_path / "values", "path,age", lambda number, brightness: brightness / 7)
    with pytest.raises(UsageError, match="one class; this data is for regress"):
        st.label_errors(values)
    with pytest.raises(DataError):
        st.label_errors(folder(tmp_path / "one", {"dark": 1}))


def test_data_that_could_not_be_trained_on_is_judged(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    for number in range(6):  # 13 % of the samples, where training allows 5
        (photos / "dark" / f"broken{number}.png").write_bytes(b"no picture")
    only_tested = folder(tmp_path / "test", {"dark": 4, "other": 4, "light": 4})
    shown: list[st.Audit] = []
    found = st.label_errors(photos, test=only_tested, shown=shown.append)
    assert found.samples == 52
    assert [len(one.quarantined) for one in shown] == [6]
    with pytest.raises(DataError, match="damaged"):
        st.plan(photos)


def test_the_audit_is_shown_and_drawn_where_labels_cannot_be_judged(tmp_path: Path) -> None:
    shown: list[st.Audit] = []
    with pytest.raises(DataError, match="the least of which labels can be judged"):
        st.label_errors(folder(tmp_path / "one", {"dark": 3}), html=tmp_path / "audit.html", shown=shown.append)
    assert len(shown) == 1
    assert (tmp_path / "audit.html").exists()


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 2, "light": 2})
    shown: list[st.Audit] = []
    with pytest.raises(UsageError, match="is no folder") as raised:
        st.label_errors(photos, out=tmp_path / "none" / "labels.csv", shown=shown.append)
    assert raised.value.fix == "make it, or name another --labels"
    for call in (st.audit, st.label_errors):
        with pytest.raises(UsageError, match="is a folder") as raised:
            call(photos, html=tmp_path)
        assert raised.value.fix == "name a file by --html"
    assert not shown
