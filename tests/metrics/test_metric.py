"""The bases of metrics: rows that are kept, quotients, checks, and no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from striate.metrics import Floats, Metric, checked, divide, metric_names


class MedianError(Metric):
    """A metric that no sums give."""

    kinds = ("value",)
    higher_is_better = False

    def measure(self, scores: Floats, targets: Floats) -> float:
        return float(np.median(np.abs(scores - targets)))


def test_a_metric_of_all_rows_needs_one_function_only() -> None:
    scores, targets = np.random.default_rng(0).normal(size=(2, 9, 1))
    metric = MedianError("value", 1)
    assert np.isnan(metric.compute())
    metric.update(scores[:4], targets[:4])
    metric.update(scores[4:], targets[4:])
    assert metric.compute() == np.median(np.abs(scores - targets))
    counts = np.array([np.ones(9), np.eye(9)[3] * 9])
    expected = [metric.compute(), abs(scores[3, 0] - targets[3, 0])]
    np.testing.assert_array_equal(metric.resample(scores, targets, counts), expected)


def test_a_quotient_by_zero_is_nan() -> None:
    np.testing.assert_array_equal(divide(np.array([1.0, 1.0, 0.0]), np.array([0.0, 2.0, 0.0])), [np.nan, 0.5, np.nan])


def test_checks_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"scores \(3,\)"):
        checked(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        checked(np.full((2, 1), np.inf), np.zeros((2, 1)))


def test_names_follow_the_kind_and_the_number_of_outputs() -> None:
    classes = ("accuracy", "log_loss", "macro_f1", "macro_precision", "macro_recall")
    assert set(classes) <= set(metric_names("label", 5))
    assert set(metric_names("label", 6)) == {*metric_names("label", 5), "top5_accuracy"}
    assert {"macro_f1", "micro_f1", "subset_accuracy", "log_loss"} <= set(metric_names("labels", 6))
    assert {"mae", "rmse", "r2"} <= set(metric_names("value", 1))
    assert "accuracy" not in metric_names("labels", 6)


def test_metrics_need_no_torch() -> None:
    program = "import sys, striate.metrics as m; m.METRICS.names(); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
