"""What cannot be done, or would do nothing, is said by the plan already, and never with a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import striate as st
from striate.core.errors import PlanError, UnknownName, UsageError
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.tasks import make_task
from striate.workflows.checks import check_plan
from striate.workflows.reading import read_dataset
from striate.workflows.request import ReadRequest

ARRAYS: dict[str, Any] = {
    "x": np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8),
    "y": np.arange(40) % 2,
}


def planned(**settings: str) -> Any:
    return st.plan(ARRAYS, epochs=2, set={key.replace("__", "."): value for key, value in settings.items()})


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"loss__options": "{gama: 0}"}, UnknownName, "gama"),
        ({"loss__options": "{gamma: x}", "loss__name": "focal"}, UsageError, "gamma of the loss focal takes a number"),
        ({"loss__options": "{gamma: -1e-1}", "loss__name": "focal"}, UsageError, "gamma takes a number of at least 0"),
        ({"loss__options": "{alpha: [1, -1]}", "loss__name": "focal"}, UsageError, "alpha takes numbers of at least"),
        ({"loss__options": "{alpha: [1, 1, 1]}", "loss__name": "focal"}, UsageError, "3 numbers for 2 classes"),
        ({"loss__options": "{label_smoothing: 0.2}"}, PlanError, "leaf of its own"),
        ({"loss__label_smoothing": "0.1", "loss__name": "focal"}, UnknownName, "label_smoothing"),
        ({"optimizer__options": "{nestorov: false}"}, UnknownName, "did you mean 'nesterov'"),
        ({"optimizer__options": "{nesterov: 0.1}"}, UsageError, "nesterov of the optimizer sgd takes true or false"),
        (
            {"schedule__options": "{cycles: 2.5}", "schedule__name": "cosine_restarts"},
            UsageError,
            "cycles .* takes a whole number, not 2.5",
        ),
        (
            {"schedule__options": "{places: 0.5}", "schedule__name": "multi_step"},
            UsageError,
            "places .* takes a list of numbers, not 0.5",
        ),
        ({"schedule__options": "{end: 2}", "schedule__name": "exponential"}, UsageError, "end above 0 and up to 1"),
        ({"optimizer__name": "adagrad", "optimizer__momentum": "0.5"}, PlanError, "adagrad has none"),
        ({"transfer__l2_sp": "0.1"}, PlanError, "there are none"),
        ({"augment__mosaic": "0.5"}, UsageError, "augment.mosaic is for pictures with boxes alone"),
    ],
)
def test_what_cannot_be_is_refused_by_the_plan(settings: dict[str, str], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        planned(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss__options": "{gamma: 1e-1}", "loss__name": "focal"},
        {"optimizer__options": "{eps: 1e-6}", "optimizer__name": "adamw"},
        {"schedule__options": "{end: 1e-3}", "schedule__name": "exponential"},
        {"loss__label_smoothing": "0", "loss__name": "hinge"},
        {"optimizer__name": "adagrad"},
        {"optimizer__name": "adagrad", "optimizer__momentum": "0"},
    ],
)
def test_numbers_as_people_write_them_are_taken(settings: dict[str, str]) -> None:
    assert planned(**settings)


def test_new_layers_are_not_drawn_back_to_random_weights(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(yaml.safe_dump({"base": "lenet5", "edits": [{"edit": "SwapActivation", "kind": "silu"}]}))
    plan = planned()
    samples = read_dataset(ReadRequest(arrays=ARRAYS), Silent()).samples
    task = make_task("classify", ("0", "1"), samples, loss="cross_entropy")

    def checked(network: str, weights: str | None) -> None:
        network_leaves = {"name": Decision(network, "mine"), "weights": Decision(weights, "mine")}
        pulled = {"l2_sp": Decision(0.1, "mine")}
        check_plan(plan.replace(network=network_leaves, transfer=pulled), task, samples)

    checked("lenet5", "weights.safetensors")
    with pytest.raises(PlanError, match="network with edits"):
        checked(str(file), "weights.safetensors")
    with pytest.raises(PlanError, match="there are none"):
        checked("lenet5", None)
