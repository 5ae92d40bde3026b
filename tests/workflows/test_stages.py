"""The stages before a training: what is measured of the machine, and when."""

from __future__ import annotations

from typing import Any

import pytest

from striate.core.events import Silent
from striate.core.plan import Decision
from striate.nets import Weights
from striate.plan import Machine
from striate.workflows import stages
from striate.workflows.quiet import Quiet

SIDECAR = {
    "network": "resnet18",
    "arguments": {},
    "preprocessing": {"mean": [0.5] * 3, "std": [0.5] * 3, "size": 224, "crop_pct": 1.0, "interpolation": "bilinear"},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was timed: the precisions, for weights."""
    found: list[Any] = []

    def tuning(threads: int, spec: dict[str, Any], precisions: tuple[str, ...]) -> float:
        assert spec["input"] == [3, 224, 224]
        found.append(precisions)
        return 0.25

    monkeypatch.setattr(stages, "tuning_seconds", tuning)
    monkeypatch.setattr(stages, "training_rate", lambda device, threads: 1e9)
    return found


def speed(count: int, device: str = "cpu", weights: Weights | None = None, **mine: Any) -> Machine:
    chosen = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in mine.items()}
    return stages.timed(Machine(2, 10**9, device), weights, count, chosen, Quiet(Silent()))


def test_tuning_is_timed_where_the_size_depends_on_it(asked: list[Any]) -> None:
    weights = Weights({}, SIDECAR, "file")
    assert speed(2000, weights=weights).tuning_seconds == 0.25
    assert speed(2000, weights=weights, execution__precision="float32").tuning_seconds == 0.25
    assert asked == [("float32", "bfloat16"), ("float32",)]


@pytest.mark.parametrize(
    ("count", "device", "mine"),
    [
        (900, "cpu", {}),
        (2000, "cuda", {}),
        (2000, "cpu", {"input__height": 128, "input__width": 128}),
        (2000, "cpu", {"network__name": "lenet5"}),
    ],
)
def test_and_nowhere_else(count: int, device: str, mine: dict[str, Any], asked: list[Any]) -> None:
    assert speed(count, device, Weights({}, SIDECAR, "file"), **mine).tuning_seconds is None
    assert not asked


def test_without_weights_the_machine_is_timed_unless_the_network_is_given(asked: list[Any]) -> None:
    assert speed(100).macs_per_second == 1e9
    assert speed(100, network__name="compact").macs_per_second is None
    assert speed(2000, weights=Weights({}, None, "file")).tuning_seconds is None
    assert not asked
