"""How folds share a budget, what one fold is asked, and how an interrupt names the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from striate.api import _request
from striate.core.errors import DataError, Interrupted, RunError, StriateError
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.core.run import RunFolder
from striate.data.met_before import MET
from striate.workflows import folds
from striate.workflows.request import ReadRequest, Request, given_split, keep_given
from tests.e2e.made_photos import folder


class Clock:
    """A clock that a fold moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def asked(minutes: float | None) -> Request:
    return Request(ReadRequest(), minutes, overrides={"split.folds": Decision(4, "set by you", "user")})


def shares(run: RunFolder, monkeypatch: pytest.MonkeyPatch, budget: float | None, took: list[float]) -> list[Any]:
    """What each fold is given, where each takes so many seconds."""
    clock, given = Clock(), []

    def divide(*_: Any) -> None:
        clock.now += 4.0

    def train_fold(
        run: RunFolder, request: Request, number: int, device: str, reporter: Any, share: Any, _: Any
    ) -> None:
        given.append(share)
        clock.now += took[number - 1]

    monkeypatch.setattr(folds, "time", clock)
    monkeypatch.setattr(folds, "_divide", divide)
    monkeypatch.setattr(folds, "_train_fold", train_fold)
    monkeypatch.setattr(folds, "finish_folds", lambda *_: None)
    folds._train(run, asked(None if budget is None else budget / 60), len(took), "cpu", Silent(), budget)
    return given


def test_what_is_left_is_shared_by_the_folds_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    assert shares(run, monkeypatch, 44.0, [10, 10, 10, 10]) == [10, 10, 10, 10]
    assert shares(run, monkeypatch, 44.0, [4, 4, 4, 4]) == [10, 12, 16, 28]
    assert shares(run, monkeypatch, 44.0, [30, 10, 2, 2]) == [10, 10 / 3, 0.5, 1], "never nothing"
    assert shares(run, monkeypatch, None, [1, 1]) == [None, None]


def test_a_run_that_goes_on_gives_each_fold_its_share_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    run.folds.mkdir()
    assert shares(run, monkeypatch, 44.0, [1, 50, 1, 1]) == [11, 11, 11, 11]


def test_a_fold_is_asked_what_the_whole_is_and_its_number_and_share() -> None:
    found = folds._request_of(asked(2.0), 3, 4, 0.5)
    assert found.minutes == 0.5
    assert found.overrides["split.folds"].value == 4
    assert found.overrides["split.fold"] == Decision(3, "the Run is one of 4 folds", "user")
    assert found.overrides["train.minutes"] == Decision(0.5, "its share of 2 minutes for 4 folds", "user")
    assert "train.minutes" not in folds._request_of(asked(None), 3, 4, None).overrides
    assert folds.folds_of(asked(None).overrides) == 4
    assert folds.folds_of(found.overrides) is None
    assert folds.folds_of({}) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped", fix="go on with the fold")])
def test_an_interrupt_says_how_the_whole_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(*_: Any) -> None:
        raise error

    monkeypatch.setattr(folds, "_divide", interrupted)
    with pytest.raises(Interrupted) as caught:
        folds.train(asked(None), tmp_path / "run", "cpu", Silent(), 0.0)
    assert caught.value.fix == f"go on with `striate train --resume {tmp_path / 'run'}`"
    assert (tmp_path / "run" / "environment.json").exists()


class Said(Silent):
    """Keeps what is said and warned of."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def divided(path: Path, data: Path, **overrides: Any) -> tuple[RunFolder, Request]:
    """A Run of two folds that is begun, and its request."""
    decisions = {key.replace("__", "."): Decision(value, "set by you", "user") for key, value in overrides.items()}
    return RunFolder(path), Request(ReadRequest(str(data)), overrides=decisions)


@pytest.fixture
def tested(tmp_path: Path) -> Path:
    """Class folders of which a test is given."""
    folder(tmp_path / "data" / "train", {"dark": 8, "light": 8})
    return folder(tmp_path / "data" / "test", {"dark": 3, "light": 3}, side=17).parent


def test_samples_that_the_weights_had_met_are_warned_of_and_known_on_going_on(
    tested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    run, request = divided(tmp_path / "run", tested)
    monkeypatch.setattr(folds, "known_fates", lambda *_: {"test/dark/000.png": "train", "test/dark/001.png": "train"})
    said = Said()
    first = folds._divide(run, request, 2, said)
    assert [one for one in said.warnings if "had learnt from 2 of the 6 given test samples" in one]

    monkeypatch.setattr(folds, "known_fates", lambda *_: {})  # the weights' Run has gone since
    again = folds._divide(run, request, 2, Said())
    assert again.whole() == first.whole()
    for split in again.splits:
        assert split.reasons["test/dark/000.png"].endswith(MET)


def test_data_whose_targets_changed_are_refused_on_going_on(tested: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run, request = divided(tmp_path / "run", tested)
    folds._divide(run, request, 2, Silent())
    run.split.write_text(run.split.read_text().replace(",test,dark,", ",test,light,", 1))
    with pytest.raises(RunError, match="has other samples, targets or groups than when"):
        folds._divide(run, request, 2, Silent())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"network__name": "resnet5O"}, "resnet5O"),
        ({"weights": "/no/such.safetensors"}, "/no/such.safetensors"),
        ({"time": "exif"}, "one direction"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_before_the_data_is_read(
    tested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], message: str
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("the data was read")

    monkeypatch.setattr(folds, "read_dataset", read)
    weights, time = asked.pop("weights", None), asked.pop("time", None)
    run, request = divided(tmp_path / "run", tested, **asked)
    request = replace(request, weights=weights, read=replace(request.read, time=time))
    with pytest.raises(StriateError, match=message):
        folds._divide(run, request, 2, Silent())


def test_a_split_file_that_has_gone_is_kept_by_the_run(tested: Path, tmp_path: Path) -> None:
    file, keys = tmp_path / "mine.csv", sorted(one.relative_to(tested) for one in tested.rglob("*.png"))
    file.write_text("key,split\n" + "".join(f"{key},{'test' if '7.png' in key.name else 'train'}\n" for key in keys))
    (tmp_path / "run").mkdir()
    run, request = divided(tmp_path / "run", tested, split__file=str(file))
    keep_given(run, request)
    first = folds._divide(run, request, 2, Silent())
    assert given_split(run, request.overrides) == str(file), "the user's own, as messages name it"
    file.unlink()
    assert given_split(run, request.overrides) == str(run.given / "mine.csv")
    assert folds._divide(run, request, 2, Silent()).whole() == first.whole()
    file.write_text("key,split\n")
    assert given_split(run, request.overrides) == str(run.given / "mine.csv"), "it was changed"
    (run.given / "mine.csv").unlink()
    file.unlink()
    with pytest.raises(DataError, match="does not exist"):
        folds._divide(run, request, 2, Silent())


@pytest.mark.parametrize(("by", "second"), [("rule", False), ("measured", False), ("user", True)])
def test_what_a_leak_is_worth_is_measured_once_but_for_the_users_own_wish(by: str, second: bool) -> None:
    request = asked(None)
    request = replace(request, overrides={**request.overrides, "evaluate.leak": Decision(True, "why", by)})
    assert folds._request_of(request, 1, 4, None).overrides["evaluate.leak"].value is True
    assert folds._request_of(request, 2, 4, None).overrides["evaluate.leak"].value is second


@pytest.mark.parametrize(("by", "planned"), [("user", False), ("rule", True), ("measured", True)])
def test_a_whole_plan_that_was_given_is_told_to_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, planned: bool
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(folds, "_divide", lambda *_: None)
    monkeypatch.setattr(folds, "_train_fold", lambda *_: None)
    monkeypatch.setattr(folds, "finish_folds", lambda *told: given.append(told[3]))
    own = Decision(None, "each of the folds is held out in turn", "rule")  # what `folds` asks for is no plan
    overrides = {**asked(None).overrides, "split.fold": own, "optimizer.rate": Decision(0.1, "why", by)}
    folds._train(RunFolder(tmp_path), replace(asked(None), overrides=overrides), 4, "cpu", Silent(), None)
    assert given == [planned]


def test_a_split_file_is_named_from_the_root_whatever_the_folder_of_the_call() -> None:
    found = _request(ReadRequest(), None, None, None, None, None, None, None, None, {"split.file": "mine.csv"})
    assert found.overrides["split.file"] == Decision(str(Path("mine.csv").absolute()), "set by you", "user")


def test_contiguous_folds_are_asked_for_by_the_plan(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {"dark": 4, "light": 4})
    (tmp_path / "run").mkdir()
    rows = [f"{name}/{n:03d}.png,{n:03d}" for name in ("dark", "light") for n in range(4)]
    (tmp_path / "data" / "list.csv").write_text("path,value\n" + "\n".join(rows) + "\n")
    run, request = divided(tmp_path / "run", data / "list.csv", split__order="contiguous")
    found = folds._divide(run, request, 4, Silent())
    assert [split.keys("test") for split in found.splits][1] == ["dark/002.png", "dark/003.png"]
