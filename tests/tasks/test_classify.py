"""One class out of several: targets, weights of classes, words, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, UsageError
from striate.core.records import Label, Sample
from striate.losses import balanced_weights
from striate.tasks import TASKS, Task, TaskSettings, make_task

MATRIX = [[20, 5, 2], [3, 18, 4], [1, 2, 17]]
NAMES = ("cat", "dog", "bird")


def rows(names: str | list[str], weight: float = 1.0) -> list[Sample]:
    return [Sample(f"{row}", (), Label(name), weight=weight) for row, name in enumerate(names)]


def plain() -> Task:
    return make_task("classify", NAMES, [], loss="cross_entropy")


def test_targets_are_one_hot_in_the_order_of_the_names() -> None:
    assert plain().encode(rows(["dog", "cat"])).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_a_class_unknown_in_training_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match=r"'0' is of the class 'fish', which training does not know"):
        plain().encode(rows(["fish"]))


def test_balanced_weights_of_classes_are_one_in_the_mean() -> None:
    samples = rows(["cat"] * 27 + ["dog"] * 25 + ["bird"] * 20)
    task = make_task("classify", NAMES, samples, loss="cross_entropy", class_weights="balanced")
    assert task.settings.class_weights == balanced_weights([27, 25, 20])
    weights = task.weights(samples)
    assert weights.double().mean() == pytest.approx(1.0)
    torch.testing.assert_close(weights[[0, 27, 52]], torch.tensor([72 / 81, 72 / 75, 72 / 60]))


def test_weights_of_samples_count_in_the_balance_and_in_the_loss() -> None:
    samples = rows(["cat"] * 4, 3.0) + rows(["dog"] * 6)
    task = make_task("classify", ("cat", "dog"), samples, loss="cross_entropy", class_weights="balanced")
    assert task.settings.class_weights == (18 / 24, 18 / 12)
    assert task.weights(samples).tolist() == [3 * 18 / 24] * 4 + [18 / 12] * 6


def test_given_weights_of_classes_keep_their_ratio_and_are_one_in_the_mean() -> None:
    samples = rows(["cat"] * 4) + rows(["dog"] * 6)
    task = make_task("classify", ("cat", "dog"), samples, loss="cross_entropy", class_weights={"cat": 6})
    assert task.settings.class_weights is not None
    cat, dog = task.settings.class_weights
    assert cat == pytest.approx(6 * dog)
    assert task.weights(samples).double().mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"cta": 2}, "no class in loss.class_weights 'cta'; did you mean 'cat'"),
        ({"cat": -1}, "the weight of 'cat' is -1"),
        ({"cat": float("nan")}, "the weight of 'cat' is nan"),
        ({"cat": 0, "dog": 0, "bird": 0}, "all classes weigh 0"),
        ({"cat": 0, "dog": 0}, "the classes that have training samples all weigh 0"),
        ({False: 3}, "YAML reads a name as False, which is no text"),
        ({1: 3}, "YAML reads a name as 1, which is no text"),
    ],
)
def test_given_weights_that_cannot_be_are_refused(weights: dict[Any, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_task("classify", NAMES, rows(["cat", "dog"]), loss="cross_entropy", class_weights=weights)


def test_class_weights_must_be_one_a_class() -> None:
    with pytest.raises(UsageError, match="2 class weights for 3 classes"):
        TASKS.get("classify")(NAMES, TaskSettings("cross_entropy", class_weights=(1.0, 2.0)))


def test_scores_are_the_softmax_and_decode_to_the_likeliest() -> None:
    outputs = torch.tensor([[0.0, 3.0, 1.0], [2.0, 2.0, -5.0]])
    scores = plain().scores(outputs)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))
    torch.testing.assert_close(scores, outputs.exp() / outputs.exp().sum(1, keepdim=True))
    decoded = plain().decode(scores[0].numpy())
    assert decoded == {"label": "dog", "probability": float(scores[0, 1])}
    assert plain().decode(scores[1].numpy())["label"] == "cat"  # the first of equals


def test_the_worked_example_as_a_table() -> None:
    cells = [(true, guess) for true in range(3) for guess in range(3) for _ in range(MATRIX[true][guess])]
    true, guess = np.array(cells).T
    scores, targets = np.eye(3)[guess], np.eye(3)[true]
    assert plain().confusion(scores, targets) == MATRIX
    assert plain().metrics(scores, targets)["accuracy"] == 55 / 72
    table = plain().per_class(scores, targets)
    assert [row["class"] for row in table] == list(NAMES)
    assert [row["precision"] for row in table] == [20 / 24, 18 / 25, 17 / 23]
    assert [row["recall"] for row in table] == [20 / 27, 18 / 25, 17 / 20]
    assert [row["f1"] for row in table] == pytest.approx([40 / 51, 36 / 50, 34 / 43])
    assert [row["support"] for row in table] == [27, 25, 20]
    assert plain().undefined(scores, targets) == {}


def test_an_absent_class_and_one_never_predicted_are_null_and_said() -> None:
    scores, targets = np.eye(3)[[0, 0, 0]], np.eye(3)[[0, 0, 1]]
    cat, dog, bird = plain().per_class(scores, targets)
    assert cat == {"class": "cat", "precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}
    assert dog == {"class": "dog", "precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert bird == {"class": "bird", "precision": None, "recall": None, "f1": None, "support": 0}
    said = plain().undefined(scores, targets)
    assert set(said) == {"class dog", "class bird"}
    assert "never predicted" in said["class dog"]
    assert "no sample" in said["class bird"]


def test_top_5_is_a_metric_from_six_classes_on() -> None:
    assert "top5_accuracy" not in plain().metric_names
    six = make_task("classify", tuple("abcdef"), [], loss="cross_entropy")
    assert "top5_accuracy" in six.metric_names
