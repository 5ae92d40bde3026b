"""Any number of labels at once: targets, balance, words, tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from striate.core.errors import DataError
from striate.core.records import Labels, Sample
from striate.tasks import Task, make_task

NAMES = ("car", "sky", "tree")


def rows(*names: tuple[str, ...], weight: float = 1.0) -> list[Sample]:
    return [Sample(f"{row}", (), Labels(found), weight=weight) for row, found in enumerate(names)]


def plain() -> Task:
    return make_task("multilabel", NAMES, [], loss="binary_cross_entropy")


def test_targets_are_1_where_a_label_is_present() -> None:
    assert plain().encode(rows(("sky", "tree"), (), ("car",))).tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    with pytest.raises(DataError, match="'sea'"):
        plain().encode(rows(("sky", "sea")))


def test_balanced_labels_count_positives_and_negatives_the_same() -> None:
    samples = rows(*[("car",)] * 2, *[("sky",)] * 6, *[()] * 8)
    task = make_task("multilabel", NAMES[:2], samples, loss="binary_cross_entropy", class_weights="balanced")
    assert task.settings.class_weights == (7.0, 10 / 6)
    outputs = torch.zeros(16, 2, dtype=torch.float64)
    targets = task.encode(samples)
    assert task.losses(outputs, targets).mean() == pytest.approx(np.log(2))  # the mean weight is 1
    car = task.losses(torch.tensor([[1.0, 0.0]], dtype=torch.float64), targets[:1])
    bce = functional.binary_cross_entropy_with_logits
    expected = (4 * bce(torch.tensor(1.0), torch.tensor(1.0)) + (8 / 3) / (10 / 3) * np.log(2)) / 2
    assert float(car) == pytest.approx(float(expected))
    assert task.weights(samples).tolist() == [1.0] * 16


def test_weights_of_samples_count_in_the_balance() -> None:
    samples = rows(("car",), ("car",), weight=3.0) + rows((), (), (), ())
    task = make_task("multilabel", ("car",), samples, loss="binary_cross_entropy", class_weights="balanced")
    assert task.settings.class_weights == (4 / 6,)


def test_given_weights_are_those_of_positives() -> None:
    weights = {NAMES[1]: 3}
    task = make_task("multilabel", NAMES[:2], rows(("car",)), loss="binary_cross_entropy", class_weights=weights)
    assert task.settings.class_weights == (1.0, 3.0)


def test_scores_are_sigmoids_and_decode_from_one_half_on() -> None:
    scores = plain().scores(torch.tensor([[0.0, -1.0, 4.0]]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, -1.0, 4.0]]).sigmoid())
    assert plain().decode(scores[0].numpy()) == {"labels": ["car", "tree"]}
    assert plain().decode(np.zeros(3)) == {"labels": []}


def test_metrics_are_those_of_labels() -> None:
    assert plain().metric_names == ("macro_f1", "log_loss", "micro_f1", "subset_accuracy")


def test_labels_absent_and_never_predicted_are_null_and_said() -> None:
    scores = np.array([[0.9, 0.1, 0.1], [0.9, 0.1, 0.1]])
    targets = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    car, sky, tree = plain().per_class(scores, targets)
    assert car == {"class": "car", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert sky == {"class": "sky", "precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert tree == {"class": "tree", "precision": None, "recall": None, "f1": None, "support": 0}
    assert set(plain().undefined(scores, targets)) == {"label sky", "label tree"}
    assert plain().confusion(scores, targets) is None
