"""The referee, through whole trainings of seconds: with a head that is fitted, and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate as st
from striate.core.errors import PlanError
from tests.e2e.made_photos import QUICK, save

COUNTS = {"common": 110, "middle": 40, "rare": 8}


def tailed(path: Path) -> Path:
    """Three classes whose brightness overlaps, the rare one darkest."""
    random = np.random.default_rng(0)
    for place, (name, count) in enumerate(COUNTS.items()):
        for number in range(count):
            level = random.normal(150 - 25 * place, 12)
            save(path / name / f"{number:03d}.png", random.normal(level, 20, (16, 16, 3)))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tailed(tmp_path_factory.mktemp("tailed") / "photos")


@pytest.fixture(scope="module")
def scratch(photos: Path) -> Any:
    return st.train(photos, out=photos.parent / "scratch", epochs=3, set=QUICK)


def test_a_training_from_scratch_says_what_each_remedy_would_have_given(scratch: Any) -> None:
    chosen = scratch.plan.decisions["imbalance.remedy"]
    assert chosen.by == "measured"
    assert chosen.value in ("none", "moved_thresholds", "balanced_softmax", "class_weights", "balanced_sampling",
                            "square_root_sampling")  # fmt: skip
    if "nothing could be tried" not in chosen.because:
        for name in ("none", "balanced_softmax", "class_weights", "balanced_sampling", "moved_thresholds"):
            assert f"{name} 0." in chosen.because
    assert scratch.plan.resolved
    assert scratch.metrics["headline"] == "macro_f1"


def test_training_its_plan_again_tries_nothing_and_gives_the_same(scratch: Any, photos: Path, tmp_path: Path) -> None:
    again = st.train(photos, scratch.path / "plan.yaml", out=tmp_path / "again")
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (again.path / name).read_bytes() == (scratch.path / name).read_bytes(), name


def test_minutes_carry_a_referee_too_and_a_setting_like_the_rules_own_is_no_other_question(
    photos: Path, tmp_path: Path
) -> None:
    run = st.train(photos, out=tmp_path / "run", minutes=0.6, set=QUICK)
    because = run.plan.decisions["imbalance.remedy"].because
    assert "none " in because  # in a short time it may be right about all
    assert "balanced_softmax " in because
    mine = {**QUICK, "loss.label_smoothing": 0.1}  # as the rule has it, and yet not to be changed
    again = st.train(photos, out=tmp_path / "again", minutes=0.6, set=mine)
    assert again.plan["loss.label_smoothing"] == 0.1
    assert "balanced_softmax" not in again.plan.decisions["imbalance.remedy"].because


def test_a_fitted_head_is_tried_with_each_and_smote_is_left_out_where_too_few(
    scratch: Any, photos: Path, tmp_path: Path
) -> None:
    tuned = st.train(
        photos, out=tmp_path / "tuned", weights=scratch.path, epochs=1, set={**QUICK, "optimizer.rate": 1e-4}
    )
    because = tuned.plan.decisions["imbalance.remedy"].because
    assert tuned.plan["transfer.probe"]
    for name in ("none", "balanced_softmax", "class_weights", "effective_weights", "focal", "moved_thresholds"):
        assert f"{name} 0." in because
    assert "smote" not in because


@pytest.mark.parametrize("remedy", ["undersampling", "moved_thresholds", "square_root_sampling"])
def test_a_remedy_by_name_trains_and_its_decisions_go_into_the_model(remedy: str, photos: Path, tmp_path: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=2, set={**QUICK, "imbalance.remedy": remedy})
    assert run.plan["imbalance.remedy"] == remedy
    factors = json.loads((run.path / "model" / "model.json").read_text())["task"]["factors"]
    assert (factors is not None) == (remedy == "moved_thresholds")
    rows = list(st.predict(run, [photos]))
    assert len(rows) == sum(COUNTS.values())
    if factors is not None:
        for one in rows:
            weighed = {name: factor * one.scores[name] for name, factor in zip(sorted(COUNTS), factors, strict=True)}
            assert one.label == max(weighed, key=lambda name: weighed[name])
        assert any("thresholds were moved" in line for line in run.metrics["not_checked"])


def test_costs_decide_and_are_reported(photos: Path, tmp_path: Path) -> None:
    costs = {"rare": {"common": 30, "middle": 30}}
    run = st.train(photos, out=tmp_path / "run", epochs=2, set={**QUICK, "evaluate.costs": costs})
    assert run.plan["train.metric"] == run.metrics["headline"] == "expected_cost"
    assert run.metrics["test"]["expected_cost"] >= 0
    assert "expected_cost_interval" in run.metrics["test"]
    assert "expected cost" in (run.path / "report.html").read_text().replace("_", " ")


def test_smote_makes_features_up_for_the_head(scratch: Any, photos: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "optimizer.rate": 1e-4, "transfer.smote": 3}
    run = st.train(photos, out=tmp_path / "run", weights=scratch.path, epochs=1, set=settings)
    plain = {**settings, "transfer.smote": 0}
    other = st.train(photos, out=tmp_path / "other", weights=scratch.path, epochs=1, set=plain)
    first, second = (json.loads((one.path / "history.jsonl").read_text().splitlines()[0]) for one in (run, other))
    assert first["epoch"] == second["epoch"] == 0
    assert first["val"]["log_loss"] != second["val"]["log_loss"]
    with pytest.raises(PlanError, match="the smallest has"):
        st.train(photos, out=tmp_path / "no", weights=scratch.path, epochs=1, set={**settings, "transfer.smote": 50})
