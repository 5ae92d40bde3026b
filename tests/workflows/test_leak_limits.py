"""What a leak is not measured by: what is no training sample, what is not divided, and time that is not there."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from striate.core.artifacts import read_json
from striate.core.events import Silent
from striate.core.records import Label, Sample
from striate.data.audit import Audit
from striate.data.split import SplitTable
from striate.evaluate.leaks import seconds_of_parts
from striate.metrics import METRICS
from striate.tasks import TASKS, TaskSettings
from striate.workflows import leak, leak_random
from striate.workflows.leak import measure_leak
from striate.workflows.leak_random import judged_samples, random_leak


def materials_of(samples: dict[str, list[Sample]], **more: Any) -> Any:
    """What the measure asks of a training."""
    every = [one for part in samples.values() for one in part]
    names = tuple(sorted({one.target.name for one in every if isinstance(one.target, Label)}))
    plan = {"evaluate.leak": True, "split.file": None, "train.seed": 0, "train.metric": "accuracy"}
    fates = {one.key: part for part, members in samples.items() for one in members}
    prepared = {
        "dataset": SimpleNamespace(samples=every, given_splits=more.get("given_splits", frozenset())),
        "split": SplitTable(fates, more.get("reasons", {})),
        "audit": Audit(len(every)),
        "weights": None,
    }
    return SimpleNamespace(
        plan=plan | more.get("plan", {}),
        task=TASKS.get("classify")(names, TaskSettings("cross_entropy")),
        samples={part: members for part, members in samples.items() if part != "excluded"},
        prepared=SimpleNamespace(**prepared),
        preprocessing=SimpleNamespace(own=False),
    )


def some(count: int, start: int = 0, **more: Any) -> list[Sample]:
    return [Sample(f"{place:04}", (), Label("ab"[place % 2]), **more) for place in range(start, start + count)]


def measured(path: Path, materials: Any, left: float | None = None) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    run: Any = SimpleNamespace(leak=path / "leak.json")
    measure_leak(run, materials, left, Silent())
    found: dict[str, Any] = read_json(run.leak)
    return found


def test_only_what_would_have_been_trained_on_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three samples that belong with a given test, one was given for validation and one has no weight."""
    excluded = [*some(2, 40), *some(1, 42, weight=0.0)]
    reasons = {one.key: "a duplicate of 0000, which is given for test" for one in excluded}
    reasons["0041"] += "; itself for val"
    seen: list[str] = []
    monkeypatch.setattr(
        leak, "_measured", lambda _, shared, *more: {"words": seen.extend(one.key for one in shared) or "done"}
    )
    samples = {"train": some(20), "test": some(20, 20), "excluded": excluded}
    given = materials_of(samples, reasons=reasons, given_splits=frozenset({"test"}))
    assert measured(tmp_path, given) == {"words": "done"}
    assert seen == ["0040"]


def test_without_time_nothing_is_looked_at(tmp_path: Path) -> None:
    """Features would fail of these materials: they have no pictures."""
    tied = materials_of(
        {"train": [*some(40, group="one"), *(some(1, n, group=str(n // 4))[0] for n in range(40, 120))]}
    )
    found = measured(tmp_path, tied, left=0.0)
    assert found == {"words": "What a leak is worth is not told: no time is left for it."}
    with pytest.raises(AttributeError):
        measured(tmp_path / "other", tied, left=1000.0)


@pytest.mark.parametrize("given", [False, True])
def test_of_times_it_is_said_that_their_leak_is_not_measured(tmp_path: Path, given: bool) -> None:
    splits = frozenset({"test"}) if given else frozenset()
    why = (
        "The given test shares no picture or group with training"
        if given
        else "No two samples are known to belong together"
    )
    for clock, ends in ((None, ": there is no leak to measure."), (1.0, ". The leak of times is not measured.")):
        samples = {"train": some(40, time=clock), "test": some(40, 40, time=clock)}
        found = measured(tmp_path / str(clock), materials_of(samples, given_splits=splits))
        assert found == {"words": why + ends, **({} if clock is None else {"unmeasured": "times"})}


def test_what_a_split_file_divides_is_divided_whatever_folders_say() -> None:
    samples = {"train": some(40), "test": some(40, 40)}
    folders = frozenset({"train", "test"})
    assert judged_samples(materials_of(samples, given_splits=folders)) == []
    by_file = materials_of(samples, given_splits=folders, plan={"split.file": "split.csv"})
    assert len(judged_samples(by_file)) == 80


class Look:
    """Features that were made, in the place of those of pictures, and what was asked."""

    words = "made features"

    def __init__(self) -> None:
        self.asked: list[Sample] = []
        self.costs: dict[str, Any] = {}

    def __call__(self, samples: Sequence[Sample]) -> np.ndarray:
        self.asked = list(samples)
        return np.random.default_rng(0).normal(size=(len(samples), 8))

    def carried(self, samples: Sequence[Sample], most: int, seconds: float | None, **more: Any) -> int:
        self.costs = {"seconds": seconds, **more}
        return most


def test_classes_that_the_cut_leaves_in_one_unit_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_random, "MOST", 150)
    pool = []
    for unit in range(120):  # 60 units of two classes, and 30 classes of two units each
        name = "ab"[unit % 2] if unit < 60 else f"rare {(unit - 60) % 30:02}"
        pool += [Sample(f"{unit:03}/{number}", (), Label(name), group=str(unit)) for number in range(4)]
    materials, look = materials_of({"train": pool}), Look()
    found = random_leak(materials, pool, look, None)  # type: ignore[arg-type]
    units = defaultdict(set)
    for one in look.asked:
        units[one.target.name].add(one.group)  # type: ignore[union-attr]
    assert min(map(len, units.values())) > 1
    assert 60 < found["samples"] == len(look.asked) < 148
    assert f" {148 - found['samples']} samples of classes of one unit are left out." in found["words"]
    assert "Of 480 samples 148 were looked at" in found["words"]
    assert look.costs == {"seconds": None, "fits": 2, "more": 0.0}
    random_leak(materials, pool, look, time.perf_counter() + 1000)  # type: ignore[arg-type]
    assert 990 < look.costs["seconds"] < 1000
    assert look.costs["more"] > 0, "resamples take time too"


@pytest.mark.parametrize(
    ("kind", "name", "outputs"),
    [("label", "accuracy", 5), ("label", "macro_f1", 5), ("labels", "macro_f1", 3), ("value", "mae", 1)],
)
def test_resamples_of_more_divisions_take_more_time(kind: str, name: str, outputs: int) -> None:
    metric = METRICS.get(name)(kind, outputs)
    one, many = (seconds_of_parts(metric, outputs, divisions) for divisions in (1, 1000))
    assert 0 < one < many
