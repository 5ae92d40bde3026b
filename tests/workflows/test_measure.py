"""What is measured before a training, and what the time beside the epochs amounts to."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from striate.core.cache import Cache
from striate.core.load import Load
from striate.core.plan import Decision, Plan
from striate.data.loader import EvalBatches
from striate.plan.rules.execution import ways
from striate.train.frozen import cached_seconds
from striate.train.recipe import refuse_contradictions
from striate.train.speed import RangeTest, learning_state
from striate.workflows import measure
from striate.workflows.measure import first_of, forward_seconds, passes_after, passes_beside
from striate.workflows.quiet import Quiet
from striate.workflows.trials import Trials
from tests.made_data import Listener
from tests.train.toy import toy_networks, toy_recipe, undropped


@pytest.mark.parametrize(
    ("views_name", "probe", "probe_views", "refit", "passes"),
    [
        ("single", False, False, False, 30 + 100),
        ("mirrored", False, False, False, 60 + 200),
        ("flipped", False, False, True, 120 + 400),
        ("flipped", True, False, False, 120 + 400 + 120 + 20),
        ("mirrored", True, True, False, 60 + 200 + 240 + 20),
        ("flipped", True, True, False, 120 + 400 + 480 + 20),
        ("flipped", True, False, True, 120 + 400 + 240 + 20),
        ("mirrored", True, True, True, 60 + 200 + 480 + 20),
    ],
)
def test_fitting_the_head_and_scoring_take_passes(
    views_name: str, probe: bool, probe_views: bool, refit: bool, passes: int
) -> None:
    values: dict[str, Any] = {
        "predict.views": views_name,
        "transfer.probe": probe,
        "transfer.probe_views": probe_views,
        "transfer.refit": refit,
        "train.swa": 0.0,
        "transfer.forgetting": False,
        "evaluate.shortcuts": False,
        "evaluate.tidying": "none",
    }
    plan = Plan({key: Decision(value, "for the test") for key, value in values.items()})
    assert passes_beside(plan, trained=100, validated=20, scored=30) == passes
    views = {"single": 1, "mirrored": 2, "flipped": 4}[views_name]
    again = 120 * (views if probe_views else 1) if probe and refit else 0
    usual = (30 + 100) * views + again  # all 100 that it learnt from
    assert passes_after(plan, trained=100, validated=20, scored=30) == usual
    tidied = plan.replace(evaluate={"tidying": Decision("validated", "for the test")})
    assert passes_after(tidied, trained=100, validated=20, scored=30) == usual + 2 * 20 * views
    averaged = plan.replace(train={"swa": Decision(0.25, "for the test")})
    assert passes_after(averaged, trained=100, validated=20, scored=30) - usual == 120
    hidden = plan.replace(evaluate={"shortcuts": Decision(True, "for the test")})
    assert passes_after(hidden, trained=100, validated=20, scored=30) == usual + 5 * 30 * views
    asked = plan.replace(transfer={"forgetting": Decision(True, "for the test")})
    assert passes_after(asked, trained=100, validated=20, scored=30) == usual + 2 * 20


def test_the_forward_pass_is_timed_on_training_samples_too() -> None:
    recipe = toy_recipe()
    assert forward_seconds(recipe, toy_networks(recipe), first_of(recipe.batches.epoch(0))) > 0
    assert not [thread for thread in threading.enumerate() if thread.name == "striate-ahead"]


IDLE: dict[str, Any] = {
    **{f"augment__{name}": 0.0 for name in ("shift", "rotate", "scale", "color", "mixup")},
    "augment__flip": "none",
    "transfer__kept_share": 1.0,
    "transfer__cached_features": True,
    "transfer__frozen_norms": True,
    "transfer__forgetting": False,
}


@pytest.mark.parametrize(
    ("changes", "cached"),
    [
        ({}, True),
        ({"transfer__cached_features": False}, False),
        ({"transfer__kept_share": 0.0}, False),
        ({"augment__flip": "horizontal"}, False),
        ({"execution__pack_bytes": 10}, False),
    ],
)
def test_a_step_on_known_features_is_timed_where_they_are_known(changes: dict[str, Any], cached: bool) -> None:
    recipe = replace(toy_recipe(**{**IDLE, **changes}), rates=lambda step: 0.0)
    state = learning_state(recipe, undropped(recipe))
    found = cached_seconds(state, recipe)
    assert (found is not None) == cached
    assert found is None or 0 < found < 1
    assert state.features is None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("frozen", [0, 2])
def test_a_body_that_never_learns_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, frozen: int
) -> None:
    recipe = toy_recipe(**{**IDLE, "train__epochs": "auto", "transfer__frozen_epochs": frozen})
    figures = {"forward_seconds": 0.001, "cached_seconds": 0.002, "_save_seconds": 0.01, "_ready_seconds": 0.0}
    for name, figure in {**figures, "_validates_from_memory": known}.items():
        monkeypatch.setattr(measure, name, lambda *_, figure=figure: figure)
    monkeypatch.setattr(measure, "range_test", lambda *_, **__: RangeTest([], 5.0))  # with the whole network
    validation = EvalBatches(recipe.batches.pictures, batch_size=8, targets=recipe.batches.targets)
    plan = measure._length(recipe, lambda: undropped(recipe), validation, lambda: 20.0, 0, tmp_path, Quiet(Listener()))
    samples, batches = 72, len(recipe.batches)
    looks = (1 + (frozen > 0)) * batches * 16 * 0.001 + (samples * 0.001 if known else 0)
    each = batches * 0.002 + 0.01 + (0 if known else samples * 0.001)
    left = 20.0 - passes_beside(recipe.plan, batches * 16, samples, 0) * 0.001
    assert plan["train.epochs"] == int((left - looks) / each)


def test_what_validation_knows_is_found_by_trying() -> None:
    recipe = toy_recipe(**IDLE)
    shown = first_of(recipe.batches.epoch(0))
    linear = undropped(recipe)
    assert measure._validates_from_memory(recipe, linear, shown)


def test_a_layout_in_which_torch_corrupts_memory_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe()
    auto = {leaf: Decision("auto", "for the test", "measured") for leaf in ("precision", "channels_last")}
    recipe = replace(recipe, plan=recipe.plan.replace(execution=auto))
    tried: list[bool] = []

    def watched(recipe: Any, networks: Any, ways: Any, **_: Any) -> dict[Any, float]:
        tried.extend(way.channels_last for way in ways)
        return dict.fromkeys(ways, 1.0)

    monkeypatch.setattr(measure, "try_ways", watched)
    narrow = nn.Sequential(nn.Conv2d(8, 16, 1, stride=2), nn.Flatten(), nn.Linear(4, 3))
    said = Listener()
    plan = measure._execution(
        recipe, lambda: {"network": narrow}, 1.0, Trials(Cache(tmp_path, 0), {}, said), Quiet(said)
    )
    assert tried == [False, False]
    assert plan["execution.channels_last"] is False
    assert "corrupt memory in the backward pass of 0" in said.lines[0]
    tried.clear()
    measure._execution(recipe, lambda: toy_networks(recipe), 1.0, Trials(Cache(tmp_path, 0), {}, said), Quiet(said))
    assert True in tried


def test_what_was_measured_beside_others_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe()
    auto = {leaf: Decision("auto", "for the test", "measured") for leaf in ("precision", "channels_last")}
    recipe = replace(recipe, plan=recipe.plan.replace(execution=auto, predict={**auto, "batch": auto["precision"]}))
    tries: list[str] = []

    def timed(name: str) -> Any:
        def figure(*arguments: Any, **_: Any) -> dict[Any, float]:
            tries.append(name)
            return dict.fromkeys(arguments[3] if name == "batches" else arguments[2], 1.0)

        return figure

    for name, function in (("ways", "try_ways"), ("forward", "forward_rates"), ("batches", "batch_rates")):
        monkeypatch.setattr(measure, function, timed(name))
    monkeypatch.setattr("striate.workflows.quiet.PAUSE", 0.0)
    trials, said = Trials(Cache(tmp_path, 10**6), {}, Listener()), Listener()
    for disturbed in (True, False, False):
        monkeypatch.setattr(Load, "disturbs", lambda self, disturbed=disturbed: disturbed)
        tries.clear()
        measure._execution(recipe, lambda: toy_networks(recipe), 60.0, trials, Quiet(said))
        measure._prediction(recipe, lambda: toy_networks(recipe), 60.0, trials, Quiet(said))
        found = [tries.count(name) for name in ("ways", "forward", "batches")]
        assert found == ([3, 3, 3] if disturbed else [1, 1, 1] if tries else [0, 0, 0])
    assert not tries  # the third time, all was known


@pytest.mark.parametrize("graphed", ["auto", False])
def test_memory_that_runs_out_while_measuring_leaves_no_way_that_needs_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graphed: object
) -> None:
    recipe = toy_recipe(batch__accumulate=1, execution__graphed=graphed)
    seen: list[Plan] = []

    def measured(recipe: Any, *_: Any) -> Plan:
        seen.append(recipe.plan)
        if len(seen) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        refuse_contradictions(recipe.plan)
        return recipe.plan

    monkeypatch.setattr(measure, "_resolved", measured)
    options: dict[str, Any] = {
        "seconds": lambda: None,
        "scored": 0,
        "folder": tmp_path,
        "ranged": tmp_path / "range.json",
        "reporter": Listener(),
    }
    trials = Trials(Cache(tmp_path, 0), {}, Listener())
    plan = measure.resolve_plan(recipe, lambda: toy_networks(recipe), None, trials=trials, **options)
    assert [one["batch.accumulate"] for one in seen] == [1, 2, 4]
    assert [one["execution.graphed"] for one in seen] == [graphed, False, False]
    assert not [way for way in ways(plan) if way.graphed]
    assert ("memory ran out" in plan.decisions["execution.graphed"].because) == (graphed == "auto")
