"""How folds share a budget, what one fold is asked, and how an interrupt names the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from striate.core.errors import Interrupted
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.core.run import RunFolder
from striate.workflows import folds
from striate.workflows.request import ReadRequest, Request


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
