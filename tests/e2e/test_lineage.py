"""Training on with more data: no sample that the weights have learnt from is tested, whatever it is called by now."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

import striate as st
from striate.core.errors import DataError, Interrupted
from striate.core.events import Silent
from tests.e2e.made_photos import QUICK, folder

TUNED: dict[str, Any] = {**{key: one for key, one in QUICK.items() if "network" not in key}, "transfer.probe": False}


class Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said = ""

    def line(self, text: str) -> None:
        self.said += text + "\n"

    warn = line


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("lineage") / "photos", {"dark": 20, "light": 20})


@pytest.fixture(scope="module")
def first(photos: Path) -> st.Run:
    return st.train(photos, out=photos.parent / "first", epochs=1, set=QUICK)


def grown(photos: Path, path: Path) -> Path:
    """The same pictures by other names, and a quarter as many new ones."""
    new = folder(path / "new", {"middle": 10, "light": 40})
    for name in ("dark", "light"):
        (path / "more" / name).mkdir(parents=True)
        for file in (photos / name).iterdir():
            shutil.copy(file, path / "more" / name / f"old-{file.name}")
    for number, file in enumerate(sorted((new / "light").iterdir())[30:]):  # drawn after all that the first data have
        shutil.copy(file, path / "more" / ("dark", "light")[number % 2] / f"new-{file.name}")
    shutil.rmtree(new)
    return path / "more"


def fates(run: st.Run) -> dict[str, str]:
    with open(run.path / "split.csv", newline="") as file:
        return {row["key"]: row["split"] for row in csv.DictReader(file)}


def test_old_samples_stay_in_their_splits_by_pixels_and_from_run_to_run(
    photos: Path, first: st.Run, tmp_path: Path
) -> None:
    data, before, said = grown(photos, tmp_path), fates(first), Said()
    second = st.train(
        data, out=tmp_path / "second", weights=first.path, epochs=1, set={**TUNED, "split.seed": 3}, reporter=said
    )
    found = fates(second)
    old = {key.replace("old-", ""): fate for key, fate in found.items() if "old-" in key}
    assert old == before
    assert "test" in {fate for key, fate in found.items() if "new-" in key}
    assert "40 samples stay in the split" in said.said
    assert "10 new ones were drawn" in said.said
    only_new = tmp_path / "only_new"
    for name in ("dark", "light"):
        (only_new / name).mkdir(parents=True)
        for file in (data / name).glob("new-*"):
            shutil.copy(file, only_new / name)
    third = st.train(only_new, out=tmp_path / "third", weights=second.path / "model", epochs=1, set=TUNED)
    again = st.train(data, out=tmp_path / "again", weights=third.path, epochs=1, set={**TUNED, "split.seed": 4})
    assert fates(again) == found  # the third Run knew only the new ones, and kept what the first had learnt from


def test_a_given_test_that_was_learnt_from_is_counted(photos: Path, first: st.Run, tmp_path: Path) -> None:
    others, said = folder(tmp_path / "others", {"dark": 1, "light": 60}), Said()
    fresh = tmp_path / "train"
    for number, file in enumerate(sorted((others / "light").iterdir())[45:]):
        (fresh / ("dark", "light")[number % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, fresh / ("dark", "light")[number % 2])
    run = st.train(fresh, test=photos, out=tmp_path / "run", weights=first.path, epochs=1, set=TUNED, reporter=said)
    learnt = sum(fate in ("train", "val") for fate in fates(first).values())
    sentence = f"had learnt from {learnt} of the 40 given test samples"
    assert sentence in said.said
    assert any(sentence in one for one in run.metrics["not_checked"])


def test_the_same_data_are_tested_on_the_same_and_learnt_ones_alone_are_refused(
    photos: Path, first: st.Run, tmp_path: Path
) -> None:
    run = st.train(photos, out=tmp_path / "run", weights=first.path, epochs=1, set={**TUNED, "split.seed": 5})
    assert fates(run) == fates(first)
    assert not any("had learnt" in one for one in run.metrics["not_checked"])
    for key, fate in fates(first).items():
        if fate != "test":
            (tmp_path / "seen" / key).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photos / key, tmp_path / "seen" / key)
    with pytest.raises(DataError, match="left to test with"):
        st.train(tmp_path / "seen", out=tmp_path / "none", weights=first.path, epochs=1, set=TUNED)


def test_a_run_that_kept_no_pixels_is_known_by_its_keys(photos: Path, first: st.Run, tmp_path: Path) -> None:
    shutil.copytree(first.path, tmp_path / "old")
    (tmp_path / "old" / "learnt.csv").unlink()
    run = st.train(photos, out=tmp_path / "run", weights=tmp_path / "old", epochs=1, set={**TUNED, "split.seed": 5})
    assert fates(run) == fates(first)


def test_a_run_stopped_before_its_split_deals_the_same(
    photos: Path, first: st.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = grown(photos, tmp_path)
    settings = {**TUNED, "execution.cache_bytes": 0}  # so that no cache keeps the pixels' hashes

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("striate.workflows.reading.make_split", stopped)
        with pytest.raises(Interrupted):
            st.train(data, out=tmp_path / "run", weights=first.path, epochs=1, set=settings)
    assert (tmp_path / "run" / "audit.json").exists()
    found = fates(st.resume(tmp_path / "run"))
    assert {key.replace("old-", ""): fate for key, fate in found.items() if "old-" in key} == fates(first)
