"""`--time` from the call to the plan: what divides, what the because says, and data to score that have no times."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import small_model, write_pictures

import striate as st
from striate.core.errors import PlanError, UnknownName
from striate.core.events import Silent
from striate.core.run import RunFolder
from striate.workflows.labelled import labelled
from striate.workflows.request import ReadRequest, Request, environment
from tests.e2e.made_photos import QUICK, table


def test_the_plan_says_from_when_to_when_each_split_is(tmp_path: Path) -> None:
    data = table(tmp_path, "path,label,taken", lambda n, brightness: f"{'ab'[n % 2]},2026-01-{n // 2 + 1:02}")
    plan = st.plan(data, time="taken", set=QUICK)
    assert plan.decisions["split.file"].because == (
        "by time into 38 train, 10 val, 12 test: train 2026-01-01 to 2026-01-19, val 2026-01-20 to 2026-01-24, "
        "test 2026-01-25 to 2026-01-30; 0 groups of duplicates kept together"
    )
    assert st.audit(data, time="taken").classes == {"a": 30, "b": 30}
    with pytest.raises(UnknownName, match="did you mean 'taken'"):
        st.plan(data, time="take", set=QUICK)


def test_the_plan_says_nothing_of_times_that_divide_nothing(tmp_path: Path) -> None:
    parts = {"train": 24, "val": 8, "test": 8}
    splits = [part for part, count in parts.items() for _ in range(count)]
    cells = [f"{'ab'[n % 2]},{splits[n % 40]},2026-01-{n % 28 + 1:02}" for n in range(60)]
    data = table(tmp_path, "path,label,split,taken", lambda n, brightness: cells[n])
    because = st.plan(data, time="taken", set=QUICK).decisions["split.file"].because
    assert because.startswith("stratified by target into")


def test_the_plan_says_that_samples_are_divided_in_a_row(tmp_path: Path) -> None:
    data = table(tmp_path, "path,label", lambda n, brightness: f"{'ab'[n % 2]}", count=40)
    plan = st.plan(data, set={**QUICK, "split.order": "contiguous"})
    because = plan.decisions["split.file"].because
    assert because.startswith("in contiguous stretches of the names' order into 26 train, 6 val, 8 test")
    assert plan["split.order"] == "contiguous"
    assert st.plan(data, set=QUICK)["split.order"] == "shuffled"
    with pytest.raises(PlanError, match="shuffled, contiguous"):
        st.plan(data, set={**QUICK, "split.order": "sorted"})


def test_data_that_a_run_is_scored_on_need_no_times(tmp_path: Path) -> None:
    request = Request(ReadRequest(data="/anywhere/table.csv", time="taken", group="person"))
    assert Request.from_dict(request.to_dict(), None) == request
    run = RunFolder.create(tmp_path / "run", environment(request))
    write_pictures(tmp_path / "new" / "cat", 2)
    write_pictures(tmp_path / "new" / "dog", 2, seed=1)
    found = labelled(run, small_model(tmp_path / "model"), str(tmp_path / "new"), Silent())
    run.unlock()
    assert len(found) == 4
    assert all(sample.time is None for sample in found.samples)
