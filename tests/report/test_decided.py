"""Curves, calibration, sets and residuals in the report: each figure from `metrics.json`, none where there are none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import HOSTILE, make_run

from striate.core.artifacts import write_json
from striate.core.records import Sample, Value
from striate.core.run import RunFolder
from striate.evaluate import curves, reliability, residuals
from striate.report import write_report
from striate.tasks import make_task

NAMES = ("cat", HOSTILE, "owl")


def numbers(content: Any) -> set[float]:
    if isinstance(content, dict | list):
        return set().union(*(numbers(one) for one in (content.values() if isinstance(content, dict) else content)))
    return {float(content)} if isinstance(content, int | float) else set()


def section(run: RunFolder, name: str) -> str:
    page = write_report(run).read_text("utf-8")
    found = re.search(rf'<section id="{name}".*?</section>', page, re.S)
    return found[0] if found else ""


def add(run: RunFolder, **content: Any) -> dict[str, Any]:
    metrics = {**json.loads(run.metrics.read_text()), **content}
    write_json(run.metrics, metrics)
    return metrics


@pytest.fixture
def classified(tmp_path: Path) -> RunFolder:
    run = make_run(tmp_path / "run", names=NAMES, per_class=12)
    random = np.random.default_rng(0)
    task = make_task("classify", NAMES, [], loss="cross_entropy")
    targets = np.eye(3)[random.integers(0, 3, 300)]
    scores = np.exp(targets + random.normal(size=targets.shape))
    scores /= scores.sum(1, keepdims=True)
    found = curves(task, scores, targets)
    found["reliability_before"] = reliability(scores**2 / (scores**2).sum(1, keepdims=True), targets, "label")
    figures = {"log_loss": 0.8123, "brier": 0.2345, "calibration_error": 0.0987}
    better = {name: value / 2 for name, value in figures.items()}
    held = {"coverage": 0.9123, "coverage_interval": [0.88, 0.94], "size": 1.234, "single": 0.8321}
    held |= {"single_interval": [0.8, 0.86], "accuracy_of_single": None, "accuracy_of_single_interval": None}
    add(
        run,
        curves={"test": found},
        calibration={
            "method": "temperature",
            "temperature": 1.7321,
            "because": f"log loss 0.8 → 0.4 for {HOSTILE}",
            "before": {"test": figures},
            "after": {"test": better},
        },
        possible={"wanted": 0.9, "by_class": False, "because": "300 samples", "bounds": {"cat": 0.1}, "test": held},
    )
    return run


def test_curves_and_their_areas_are_shown_with_words_in_place_of_the_picture(classified: RunFolder) -> None:
    found = section(classified, "ranking")
    known = numbers(json.loads(classified.metrics.read_text()))
    figures = [float(one) for one in re.findall(r'<data value="([^"]+)"', found)]
    assert len(figures) == 8
    assert set(figures) <= known
    assert found.count('role="img"') == 2
    assert "Area all at once" in found
    assert "weakest: " in found
    assert "<script>" not in found


def test_calibration_before_and_after_and_the_sets_are_shown(classified: RunFolder) -> None:
    found = section(classified, "calibration")
    for words in ("temperature of 1.7321", "0.8123", "0.4062", "0.9123", "0.8800", "before calibration", "1.2340"):
        assert words in found
    known = numbers(json.loads(classified.metrics.read_text()))
    assert {float(one) for one in re.findall(r'<data value="([^"]+)"', found)} <= known
    assert "&lt;script&gt;" in found
    assert "<script>" not in found
    assert "not defined, or not recorded" in found, "no single answer has no accuracy"


def test_what_was_refused_says_why(classified: RunFolder) -> None:
    why = "30 independent validation samples are too few"
    add(
        classified,
        calibration={"method": "none", "temperature": None, "because": why},
        possible={"wanted": 0.9, "by_class": False, "because": why, "bounds": None},
    )
    found = section(classified, "calibration")
    assert f"Probabilities are left as they are: {why}." in found
    assert f"This is not said: {why}." in found


def test_thresholds_of_labels_are_listed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "multilabel", NAMES, per_class=12)
    add(run, thresholds={"method": "f1", "values": {"cat": 0.123, "owl": 0.5}, "because": "macro F1 0.5 → 0.6"})
    found = section(run, "calibration")
    for words in ("0.1230", "0.5000", "macro F1 0.5 → 0.6"):
        assert words in found
    held = {"coverage": 0.9123, "coverage_interval": [0.88, 0.94], "complete": 0.8, "size": 1.7, "more": 0.31}
    add(run, possible={"wanted": 0.9, "by_class": False, "because": "x", "bounds": {"cat": 0.1}, "test": held})
    found = section(run, "calibration")
    for words in ("of the labels of new pictures", "of these, not held present", "0.9123", "0.3100"):
        assert words in found
    assert "answered: one class alone" not in found


def test_residuals_have_a_plot_quantiles_and_ranges(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "regress", ("cells", "area"), per_class=20)
    task = make_task(
        "regress", ("cells", "area"), [Sample(str(row), (), Value((row, 2.0 * row))) for row in range(9)], loss="huber"
    )
    random = np.random.default_rng(0)
    targets = random.normal(5, 2, (60, 2))
    add(run, residuals={"test": residuals(task, targets + random.normal(size=targets.shape), targets)})
    held = {"coverage": 0.9, "coverage_interval": [0.85, 0.95], "width": 3.2}
    add(run, possible={"wanted": 0.9, "because": "x", "bounds": {"cells": 1.6, "area": 1.6}, "test": {"cells": held}})
    found = section(run, "residuals")
    assert found.count('class="point"') == 120
    assert found.count("<table") == 3
    assert set(map(float, re.findall(r'<data value="([^"]+)"', found))) <= numbers(json.loads(run.metrics.read_text()))
    assert "above the dashed line" in found
    assert "plus or minus" in section(run, "calibration")


@pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])
def test_a_run_of_before_there_were_any_has_no_such_sections(tmp_path: Path, task: str) -> None:
    run = make_run(tmp_path / "run", task, ("a", "b", "c"), per_class=12)
    assert [name for name in ("ranking", "calibration", "residuals") if section(run, name)] == []


def test_curves_that_are_none_are_said(classified: RunFolder) -> None:
    empty = {"micro": {"area": None, "points": []}, "classes": {"cat": {"area": None, "points": []}}}
    add(classified, curves={"val": {"roc": empty, "precision_recall": empty, "reliability": []}})
    assert section(classified, "ranking").count("Nothing was recorded.") == 2
    assert "Nothing was recorded." in section(classified, "calibration")
