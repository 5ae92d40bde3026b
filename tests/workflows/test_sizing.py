"""The batch by noise: measured where it is asked for, bounded, with the rate for it; kept, and the same once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate as st
from striate.core.plan import Decision, Plan
from striate.plan.rules.optimizer import THING_COUNTS, default_rate, usual_rate
from striate.train.noise import Noise
from striate.workflows import sizing
from striate.workflows.sizing import scaled
from tests.e2e.made_photos import QUICK

SETTINGS: dict[str, Any] = {**QUICK, "batch.size": "auto"}


def pictures(count: int) -> dict[str, Any]:
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 100, (count, 8, 8), np.uint8)
    return {"x": noise + (labels * 60).astype(np.uint8)[:, None, None], "y": labels}


def made(name: str, rate: Any = "auto", by: Any = "rule", parts: Any = (2, "rule")) -> Plan:
    return Plan(
        {
            "optimizer.name": Decision(name, "for the test"),
            "optimizer.rate": Decision(rate, "for the test", by),
            "network.weights": Decision(None, "for the test"),
            "input.sizing": Decision("one", "for the test"),
            "task.kind": Decision("classify", "for the test"),
            "batch.size": Decision("auto", "for the test", "user"),
            "batch.accumulate": Decision(parts[0], "for the test", parts[1]),
        }
    )


@pytest.mark.parametrize(("name", "factor", "words"), [("sgd", 8, "linearly"), ("adamw", 8**0.5, "square root")])
def test_the_rate_goes_with_the_batch(name: str, factor: float, words: str) -> None:
    plan = scaled(made(name), 1024, 128, "the noise")
    assert (plan["batch.size"], plan["batch.accumulate"], plan["optimizer.rate"]) == (1024, 1, "auto")
    assert words in plan.decisions["batch.size"].because
    assert usual_rate(plan, 1024, 10**6) == pytest.approx(factor * default_rate(name, 128, tuned=False))
    fixed = scaled(made(name, rate=0.1), 1024, 128, "the noise").decisions["optimizer.rate"]
    assert (fixed.value, fixed.by) == (pytest.approx(0.1 * factor, rel=1e-3), "measured")
    assert words in fixed.because


@pytest.mark.parametrize(("name", "factor"), [("sgd", 8), ("adamw", 8**0.5)])
def test_that_a_picture_has_many_answers_does_not_change_how_the_rate_grows(name: str, factor: float) -> None:
    plan = scaled(made(name), 1024, 128, "the noise").replace(task={"kind": Decision("detect", "for the test")})
    start = default_rate(name, THING_COUNTS * 128, tuned=False)
    assert usual_rate(plan, 1024, 10**6) == pytest.approx(factor * start)


def test_what_you_set_stays() -> None:
    plan = scaled(made("sgd", rate=0.1, by="user", parts=(4, "user")), 1024, 128, "the noise")
    assert (plan["optimizer.rate"], plan["batch.accumulate"]) == (0.1, 4)
    assert "rate" not in plan.decisions["batch.size"].because
    same = scaled(made("sgd", rate=0.1), 128, 128, "the noise")
    assert (same["optimizer.rate"], same.decisions["batch.size"].because) == (0.1, "the noise")


def test_a_batch_that_no_noise_chose_has_the_usual_rate() -> None:
    plan = made("sgd").replace(batch={"size": Decision(512, "set by you", "user")})
    assert usual_rate(plan, 512, 10**6) == default_rate("sgd", 512, tuned=False)


def test_it_is_measured_kept_and_the_same_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    found: list[Noise | None] = []
    measured = sizing.measure_noise
    monkeypatch.setattr(sizing, "measure_noise", lambda *one, **more: found.append(measured(*one, **more)) or found[-1])
    monkeypatch.setattr(sizing, "RANGE_SHARE", 1)  # or an epoch of 20 steps would be too short for it
    runs = [st.train(pictures(250), out=tmp_path / name, epochs=1, set=SETTINGS) for name in ("run", "again")]
    assert len(found) == 1  # the second run found it
    assert found[0] is not None
    for run in runs:
        size = run.plan.decisions["batch.size"]
        assert (size.value, size.by) == (8, "measured")  # 160 samples for 20 steps an epoch: the usual, and the most
        assert f"{found[0].scale:.3g} samples, by {found[0].gradients} gradients of 8 after" in size.because
        assert run.plan.resolved
    one, other = ((run.path / "model/model.safetensors").read_bytes() for run in runs)
    assert one == other


def test_a_larger_batch_is_trained_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Noise(trace=500.0, signal=1.0, batch=16, gradients=9, steps=9)
    monkeypatch.setattr(sizing, "measure_noise", lambda *_, **__: noise)
    monkeypatch.setattr(sizing, "most_in", lambda *_: 64)
    monkeypatch.setattr(sizing, "chosen_size", lambda scale, count, most, tuned: (most, f"{scale:g} of {count}"))
    run = st.train(pictures(300), out=tmp_path / "run", epochs=1, set={**SETTINGS, "execution.cache_bytes": 0})
    because = run.plan.decisions["batch.size"].because
    assert run.plan["batch.size"] == 64
    assert "noise scale is 500 samples, by 9 gradients of 16 after 9 steps: 500 of 192" in because
    assert run.metrics["training"]["steps"] == 192 // 64


def test_few_steps_leave_the_usual_and_say_so(tmp_path: Path) -> None:
    run = st.train(pictures(60), out=tmp_path / "run", epochs=1, set=SETTINGS)
    size = run.plan.decisions["batch.size"]
    assert (size.value, size.by) == (4, "measured")
    assert "the usual: noise shows in 8 gradients or more" in size.because
