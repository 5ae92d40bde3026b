"""Macro F1 equals scikit-learn's, for one class and for several labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from striate.metrics.macro_f1 import macro_f1


def test_it_equals_scikit_learn_for_one_class() -> None:
    random = np.random.default_rng(0)
    scores, true = random.random((300, 6)), random.integers(0, 6, 300)
    expected = f1_score(true, scores.argmax(1), average="macro")
    assert macro_f1(scores, np.eye(6)[true]) == pytest.approx(expected, rel=1e-14)


def test_it_equals_scikit_learn_for_several_labels() -> None:
    random = np.random.default_rng(1)
    scores, targets = random.random((300, 4)), (random.random((300, 4)) < 0.3).astype(float)
    expected = f1_score(targets, scores >= 0.5, average="macro")
    assert macro_f1(scores, targets, "labels") == pytest.approx(expected, rel=1e-14)


def test_a_class_never_found_counts_zero_and_an_absent_one_not_at_all() -> None:
    # Class 0: 2·1/(2+1); class 1: never predicted, so 0; class 2: no samples.
    assert macro_f1(np.eye(3)[[0, 0]], np.eye(3)[[0, 1]]) == pytest.approx((2 / 3 + 0) / 2)
