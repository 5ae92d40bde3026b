"""What the rules decide for pictures that keep their own sizes, and that they quote the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from striate.core.events import Silent
from striate.core.plan import AUTO, Decision, Plan
from striate.data.audit import Audit, run_audit
from striate.data.buckets import Bounds, census
from striate.data.split import make_split
from striate.nets import Weights
from striate.plan import make_plan
from striate.plan.remedies import possible
from striate.plan.rules.size import OWN_MOST
from tests.plan.test_rules import MACHINE, MOBILENET, pictures

OWN = {"input.sizing": Decision("own", "set by you", "user")}


def audited(sizes: np.ndarray) -> tuple[Any, Audit]:
    """Pictures of two classes, and an audit that says that they have these sizes."""
    dataset = pictures({"a": len(sizes) // 2, "b": len(sizes) - len(sizes) // 2}, (8, 8, 3))
    found = run_audit(dataset, workers=0, reporter=Silent())
    columns = {"height": sizes[:, 0], "width": sizes[:, 1], "aspect": sizes[:, 1] / sizes[:, 0]}
    told = {
        name: {"min": float(one.min()), "median": float(np.median(one)), "max": float(one.max())}
        for name, one in columns.items()
    }
    counts = Counter(f"{height}x{width}" for height, width in sizes.tolist())
    return dataset, replace(found, sizes=told, by_size=dict(counts))


def planned(sizes: np.ndarray, overrides: dict[str, Decision] | None = None, **options: Any) -> Plan:
    dataset, audit = audited(sizes)
    split = make_split(dataset, audit, seed=0)
    return make_plan(dataset, audit, split, MACHINE, overrides={**OWN, **(overrides or {})}, **options)


def user(value: Any) -> Decision:
    return Decision(value, "set by you", "user")


def test_an_audit_counts_samples_by_size() -> None:
    dataset = pictures({"a": 7}, (5, 9, 3))
    assert run_audit(dataset, workers=0, reporter=Silent()).by_size == {"5x9": 7}


def test_without_being_asked_all_pictures_have_one_size() -> None:
    dataset, audit = audited(np.repeat([[40, 60], [60, 40]], 40, axis=0))
    plan = make_plan(dataset, audit, make_split(dataset, audit, seed=0), MACHINE)
    assert [plan[f"input.{leaf}"] for leaf in ("sizing", "step", "least")] == ["one", 1, 1]
    assert plan["input.height"] == plan["input.width"]


def test_few_sizes_are_kept_to_the_pixel() -> None:
    plan = planned(np.repeat([[40, 60], [60, 40]], 60, axis=0))
    assert plan["input.step"] == 1
    assert (plan["input.height"], plan["input.width"]) == (60, 60)
    because = plan.decisions["input.step"].because
    assert because.startswith("2 distinct sizes, 2 buckets: batches of ")
    assert "nothing is cut" in because
    assert (plan["input.policy"], plan["input.margin"]) == ("crop", 1.0)
    assert plan["augment.scale"] == 0
    assert plan["execution.graphed"] is False
    assert plan["transfer.cached_features"] is False


def test_many_sizes_are_brought_together_by_the_smallest_step_that_fills_batches() -> None:
    sizes = np.random.default_rng(0).integers(64, 129, (400, 2))
    plan = planned(sizes)
    step, size = plan["input.step"], plan["batch.size"]
    because = plan.decisions["input.step"].because
    assert step > 1
    assert because.startswith(f"{len({tuple(one) for one in sizes.tolist()})} distinct sizes, ")
    assert f"up to {step - 1} px of a side are cut at its ends" in because
    counts = Counter(f"{height}x{width}" for height, width in sizes.tolist())
    bounds = [Bounds(plan["input.height"], plan["input.width"], one, plan["input.least"]) for one in (step // 2, step)]
    fills = {one.step: census(counts, one, size, 256 / 400).fill for one in bounds}
    assert fills[step // 2] < 0.5
    assert fills[step] >= 0.5 or step == 8, "an eighth of the short side is the most"
    assert f"batches of {size} are {fills[step]:.0%} full in the mean" in because


def test_a_step_of_your_own_is_taken_and_the_least_is_its_multiple() -> None:
    network = {"network.name": user("sppnet"), "network.arguments": user({"width": 3, "units": 8, "levels": [2, 1]})}
    sizes = np.repeat([[40, 60], [20, 64]], 60, axis=0)
    plan = planned(sizes, {**network, "input.step": user(16)})
    assert plan["input.step"] == 16
    assert plan["input.least"] == 32
    assert "training pictures have a shorter one and are padded to it" in plan.decisions["input.least"].because


def test_large_pictures_are_bounded_and_it_is_said() -> None:
    plan = planned(np.repeat([[700, 300], [400, 900]], 40, axis=0))
    assert (plan["input.height"], plan["input.width"]) == (OWN_MOST, OWN_MOST)
    assert f"above {OWN_MOST} px are scaled down" in plan.decisions["input.height"].because
    assert "training pictures are larger than the bound and scaled down" in plan.decisions["input.step"].because


def test_the_network_is_fitted_to_the_typical_picture_and_not_to_the_largest() -> None:
    usual, mixed = (planned(np.array(sizes)) for sizes in ([[32, 32]] * 80, [[32, 32]] * 79 + [[300, 300]]))
    assert usual["network.arguments"] == mixed["network.arguments"]
    assert mixed["input.height"] == 300


def test_weights_bound_pictures_by_the_size_that_they_were_trained_at() -> None:
    sidecar = {**MOBILENET, "network": "compact", "arguments": {"width": 8}}
    plan = planned(np.repeat([[300, 200], [120, 500]], 60, axis=0), weights=Weights({}, sidecar, "x.safetensors"))
    assert plan["input.height"] == plan["input.width"] == 224
    assert "larger pictures are scaled down to it" in plan.decisions["input.height"].because
    assert plan["input.margin"] == 1


def test_remedies_that_sample_are_not_tried() -> None:
    plan = planned(np.repeat([[40, 60], [60, 40]], 60, axis=0))
    assert "balanced_softmax" in possible(plan.decisions)
    assert not [one for one in possible(plan.decisions) if "sampling" in one]
    assert plan["imbalance.remedy"] in ("none", AUTO)
