"""Top-5 accuracy: scikit-learn's, and ties that give nothing away."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from striate.metrics.top5_accuracy import Top5Accuracy, top5_accuracy


def test_it_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores, true = random.random((400, 12)), random.integers(0, 12, 400)
    expected = top_k_accuracy_score(true, scores, k=5, labels=range(12))
    assert top5_accuracy(scores, np.eye(12)[true]) == pytest.approx(expected, abs=1e-15)


def test_a_network_that_says_the_same_of_all_is_right_five_times_in_k() -> None:
    assert top5_accuracy(np.full((10, 10), 0.1), np.eye(10)) == 0.5


def test_of_equals_the_first_classes_come_first() -> None:
    scores = np.tile([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], (2, 1))
    assert top5_accuracy(scores[:1], np.eye(7)[[4]]) == 1.0
    assert top5_accuracy(scores[1:], np.eye(7)[[5]]) == 0.0


def test_it_needs_more_than_five_classes() -> None:
    assert Top5Accuracy.applies("label", 6)
    assert not Top5Accuracy.applies("label", 5)
    with pytest.raises(ValueError, match="not for 5 outputs"):
        top5_accuracy(np.eye(5), np.eye(5))
