"""The score of a split: figures, intervals, tables, and what could not be judged."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from striate.core.errors import DataError
from striate.core.records import Label, Labels, Sample, Value
from striate.evaluate import bootstrap, intervals, score
from striate.evaluate.intervals import centred
from striate.metrics import METRICS, metric_names
from striate.tasks import make_task

PETS = make_task("classify", ("cat", "dog", "bird"), [], loss="cross_entropy")


def guesses(count: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets = np.eye(3)[random.integers(0, classes, count)]
    likely = np.exp(2 * targets + random.normal(size=targets.shape))
    return likely / likely.sum(1, keepdims=True), targets


def test_it_holds_everything_that_metrics_json_needs() -> None:
    found = score(PETS, *guesses())
    names = metric_names("label", 3)
    assert {"accuracy", "macro_f1", "log_loss", "roc_auc", "calibration_error"} <= set(names)
    expected = {"samples", "per_class", "confusion", "undefined", *names, *(f"{name}_interval" for name in names)}
    assert set(found) == expected
    assert found["samples"] == 60 == int(np.sum(found["confusion"]))
    assert found["undefined"] == {}


def test_the_same_seed_gives_the_same_and_another_seed_nearly_so() -> None:
    first, again, other = (score(PETS, *guesses(), seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first["log_loss_interval"] != other["log_loss_interval"]
    assert first["log_loss_interval"] == pytest.approx(other["log_loss_interval"], abs=0.05)
    assert first["log_loss"] == other["log_loss"]


def test_an_interval_narrows_with_the_root_of_the_samples() -> None:
    widths = []
    for count in (100, 1600):
        low, high = score(PETS, *guesses(count))["log_loss_interval"]
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_an_absent_class_is_null_and_said_and_does_not_lower_the_means() -> None:
    scores, targets = guesses(classes=2)
    found = score(PETS, scores, targets)
    bird = found["per_class"][2]
    assert (bird["recall"], bird["f1"], bird["support"]) == (None, None, 0)
    assert "no sample" in found["undefined"]["class bird"]
    assert found["macro_recall"] == pytest.approx(np.mean([row["recall"] for row in found["per_class"][:2]]))


def test_samples_of_one_group_count_as_one_draw() -> None:
    scores, targets = guesses(80)
    alone = score(PETS, scores, targets)
    thrice = [np.repeat(values, 3, axis=0) for values in (scores, targets)]
    fooled = score(PETS, *thrice)
    grouped = score(PETS, *thrice, [f"object {number // 3}" for number in range(240)])
    assert grouped["groups"] == 80
    assert "groups" not in alone
    for name in ("accuracy", "macro_f1", "log_loss"):
        assert grouped[f"{name}_interval"] == pytest.approx(alone[f"{name}_interval"], abs=1e-12)
        widths = [np.diff(found[f"{name}_interval"]).item() for found in (fooled, alone)]
        assert widths[0] < 0.75 * widths[1]  # copies look like evidence


def test_a_sample_without_a_group_is_a_draw_of_its_own() -> None:
    scores, targets = guesses(60)
    some = score(PETS, scores, targets, ["anna", *[None] * 58, "anna"])
    assert some["groups"] == 59
    assert score(PETS, scores, targets, [None] * 60) == score(PETS, scores, targets)


def test_groups_of_unequal_size_are_drawn_alike() -> None:
    """A group of 50 right answers among 50 single wrong ones: drawn or not, it moves the accuracy by half."""
    scores, targets = np.eye(3)[[0] * 100], np.eye(3)[[0] * 50 + [1] * 50]
    low, high = score(PETS, scores, targets, ["anna"] * 50 + [None] * 50)["accuracy_interval"]
    assert low == 0  # anna is not drawn in about a third of the resamples
    assert high > 0.7
    narrow = score(PETS, scores, targets)["accuracy_interval"]
    assert narrow[1] - narrow[0] < 0.25


def test_one_group_has_no_interval() -> None:
    found = score(PETS, *guesses(10), ["anna"] * 10)
    assert found["accuracy_interval"] is None
    assert found["undefined"]["accuracy_interval"] == "one group has no interval"


def test_a_perfect_score_of_few_samples_does_not_pass_for_certainty() -> None:
    found = score(PETS, np.eye(3)[[0, 1, 2] * 4], np.eye(3)[[0, 1, 2] * 4])
    assert found["accuracy_interval"] == [1.0, 1.0]
    assert "proves no certainty" in found["undefined"]["accuracy_interval"]


def test_one_sample_has_no_interval() -> None:
    found = score(PETS, *guesses(1))
    assert found["accuracy_interval"] is None
    assert found["undefined"]["accuracy_interval"] == "one sample has no interval"


def test_a_metric_that_is_not_defined_is_null_and_said() -> None:
    samples = [Sample(str(row), (), Value((float(row),))) for row in range(5)]
    task = make_task("regress", ("cells",), samples, loss="huber")
    found = score(task, np.array([[1.0], [2.0], [3.0]]), np.full((3, 1), 2.0))
    assert found["r2"] is None
    assert found["r2_interval"] is None
    assert set(found["undefined"]) >= {"r2", "value cells"}
    assert found["mae"] == pytest.approx(2 / 3)
    assert "confusion" not in found


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(DataError, match="no samples"):
        score(PETS, np.zeros((0, 3)), np.zeros((0, 3)))


def test_an_interval_of_fewer_resamples_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, targets = guesses()
    assert "roc_auc_interval" not in score(PETS, scores, targets)["undefined"]
    monkeypatch.setattr(intervals, "_COSTLY", 150 * scores.size)
    found = score(PETS, scores, targets)
    assert found["undefined"]["roc_auc_interval"] == "it is from 150 resamples, as more would take too long"
    assert "accuracy_interval" not in found["undefined"]
    monkeypatch.setattr(intervals, "_COSTLY", 5 * scores.size)
    found = score(PETS, scores, targets)
    assert found["roc_auc_interval"] is None
    assert "too long" in found["undefined"]["roc_auc_interval"]
    assert found["roc_auc"] == pytest.approx(score(PETS, scores, targets, resamples=10)["roc_auc"])


def test_the_interval_of_a_metric_that_rises_by_chance_holds_the_figure_and_not_less() -> None:
    """Calibrated as well as can be: 300 samples still show an error, and their resamples a larger one."""
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(3), 300)
    targets = np.eye(3)[[random.choice(3, p=row) for row in scores]]
    metric = METRICS.get("calibration_error")("label", 3)
    plain = bootstrap({"e": metric}, scores, targets, seed=0)["e"]
    figure = metric.measure(scores, targets)
    assert plain.mean() > 1.15 * figure
    low, high = score(PETS, scores, targets)["calibration_error_interval"]
    assert 0 <= low < figure < high
    assert centred(np.array([0.2, 0.4, np.nan]), 0.1)[:2] == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize("kind", ["classify", "multilabel"])
def test_decisions_of_their_own_are_judged_in_place_of_the_task_s(kind: str) -> None:
    random = np.random.default_rng(0)
    names = ("a", "b", "c")
    if kind == "classify":
        targets = np.eye(3)[random.integers(0, 3, 60)]
        samples = [Sample(str(n), (), Label(name)) for n, name in enumerate(names)]
        loss = "cross_entropy"
    else:
        targets = (random.random((60, 3)) < 0.5).astype(float)
        samples = [Sample(str(n), (), Labels((name,))) for n, name in enumerate(names)]
        loss = "binary_cross_entropy"
    task = make_task(kind, names, samples, loss=loss, loss_options={}, class_weights="none")
    scores = random.dirichlet((1, 1, 1), 60)
    ways = (
        [task.with_factors((1, 2, 5)), task.with_factors((5, 2, 1))]
        if kind == "classify"
        else [task.with_decisions(thresholds=(0.1, 0.2, 0.3)), task.with_decisions(thresholds=(0.6, 0.5, 0.4))]
    )
    decided = np.concatenate([ways[0].judged(scores[:30]), ways[1].judged(scores[30:])])
    found = score(task, scores, targets, decided=decided, resamples=20)
    if kind == "classify":
        expected = f1_score(targets.argmax(1), decided.argmax(1), average="macro", zero_division=0)
        assert found["accuracy"] == pytest.approx((targets.argmax(1) == decided.argmax(1)).mean())
        assert found["confusion"] == confusion_matrix(targets.argmax(1), decided.argmax(1)).tolist()
        assert found["log_loss"] == pytest.approx(score(task, scores, targets, resamples=20)["log_loss"])
    else:
        expected = f1_score(targets, decided >= 0.5, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(expected)
    one_way = score(ways[0], scores, targets, resamples=20)
    assert one_way == score(task, scores, targets, decided=ways[0].judged(scores), resamples=20)
