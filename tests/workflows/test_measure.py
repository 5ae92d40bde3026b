"""What is measured before a training, and what the time beside the epochs amounts to."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from striate.core.plan import Decision, Plan
from striate.workflows.measure import first_of, forward_seconds, passes_after, passes_beside
from tests.train.toy import toy_networks, toy_recipe


@pytest.mark.parametrize(
    ("views_name", "probe", "probe_views", "refit", "passes"),
    [
        ("single", False, False, False, 30),
        ("mirrored", False, False, False, 60),
        ("flipped", False, False, True, 120),
        ("flipped", True, False, False, 120 + 120 + 20),
        ("mirrored", True, True, False, 60 + 240 + 20),
        ("flipped", True, True, False, 120 + 480 + 20),
        ("flipped", True, False, True, 120 + 240 + 20),
        ("mirrored", True, True, True, 60 + 480 + 20),
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
    }
    plan = Plan({key: Decision(value, "for the test") for key, value in values.items()})
    assert passes_beside(plan, trained=100, validated=20, scored=30) == passes
    views = {"single": 1, "mirrored": 2, "flipped": 4}[views_name]
    again = 120 * (views if probe_views else 1) if probe and refit else 0
    assert passes_after(plan, trained=100, validated=20, scored=30) == 30 * views + again


def test_the_forward_pass_is_timed_on_training_samples_too() -> None:
    recipe = toy_recipe()
    assert forward_seconds(recipe, toy_networks(recipe), first_of(recipe.batches.epoch(0))) > 0
    assert not [thread for thread in threading.enumerate() if thread.name == "striate-ahead"]
