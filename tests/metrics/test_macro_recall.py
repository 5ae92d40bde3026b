"""Macro recall equals scikit-learn's over the classes that samples have."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score

from striate.metrics.macro_recall import macro_recall


@pytest.mark.parametrize("classes", [2, 5, 9])
def test_it_equals_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    scores, true = random.random((200, classes)), random.integers(0, classes, 200)
    expected = recall_score(true, scores.argmax(1), labels=range(classes), average="macro")
    assert macro_recall(scores, np.eye(classes)[true]) == pytest.approx(expected, rel=1e-14)


def test_an_absent_class_is_left_out() -> None:
    random = np.random.default_rng(0)
    scores, true = random.random((100, 4)), random.integers(0, 3, 100)
    expected = recall_score(true, scores.argmax(1), labels=[0, 1, 2], average="macro")
    assert macro_recall(scores, np.eye(4)[true]) == pytest.approx(expected, rel=1e-14)
    assert np.isnan(macro_recall(scores, np.zeros((100, 4))))
