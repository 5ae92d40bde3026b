"""Coverage of conformal sets by simulation, and where they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from striate.core.records import Label, Sample, Value
from striate.evaluate import fit_sets, judge_sets
from striate.evaluate.conformal import LEAST, _greatest, _least
from striate.metrics import Floats, possible
from striate.tasks import Sets, Task, make_task, task_from_dict

NAMES = ("cat", "dog", "owl", "yak")
PETS = make_task("classify", NAMES, [Sample("a", (), Label("cat"))], loss="cross_entropy")
SIZES = make_task(
    "regress", ("height", "width"), [Sample(str(row), (), Value((row, 2.0 * row))) for row in range(9)], loss="huber"
)


def guesses(random: np.random.Generator, rows: int, shares: Floats | None = None) -> tuple[Floats, Floats]:
    """Probabilities of a network that is too sure, and the truth."""
    targets = np.eye(4)[random.choice(4, rows, p=shares)]
    likely = np.exp(3 * (1.2 * targets + random.normal(size=targets.shape)))
    return likely / likely.sum(1, keepdims=True), targets


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.95])
def test_new_samples_are_covered_as_often_as_stated_over_many_draws(coverage: float) -> None:
    """The mean over draws of validation is the coverage, and not much more: at most 1 / (n + 1)."""
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        scores, targets = guesses(random, 60)
        sets = fit_sets(PETS, scores, targets, np.arange(60), coverage).sets
        assert sets is not None
        new, truth = guesses(random, 200)
        found.append(((new >= np.asarray(sets.bounds)) & (truth > 0)).any(axis=1).mean())
    error = np.std(found) / np.sqrt(len(found))
    assert coverage - 3 * error <= np.mean(found) <= coverage + 1 / 61 + 3 * error
    spread = betabinom(200, 61 - np.floor((1 - coverage) * 61), np.floor((1 - coverage) * 61)).std() / 200
    assert np.std(found) == pytest.approx(spread, rel=0.2), "as the theory says that luck moves it"


@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_each_class_is_covered_where_each_has_a_bound(coverage: float) -> None:
    random, found = np.random.default_rng(1), []
    for _ in range(150):
        scores, targets = guesses(random, 400, np.array([0.55, 0.15, 0.15, 0.15]))
        scores = scores * np.array([1.0, 0.2, 1.0, 1.0])  # a class that is seldom held likely
        scores /= scores.sum(1, keepdims=True)
        if targets.sum(0).min() < 50:
            continue
        fitted = fit_sets(PETS, scores, targets, np.arange(400), coverage)
        assert fitted.by_class
        assert fitted.sets is not None
        new, truth = guesses(random, 400)
        new = new * np.array([1.0, 0.2, 1.0, 1.0])
        new /= new.sum(1, keepdims=True)
        held = (new >= np.asarray(fitted.sets.bounds)) & (truth > 0)
        found.append(held.sum(0) / truth.sum(0))
    assert len(found) > 50
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.mean(found, axis=0) >= coverage - 3 * error).all()
    assert (np.mean(found, axis=0) <= coverage + 1 / 51 + 3 * error).all()


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_values_are_within_reach_as_often_as_stated(coverage: float) -> None:
    random, found = np.random.default_rng(2), []
    for _ in range(300):
        targets = random.normal(size=(70, 2))
        scores = targets + random.standard_t(3, (70, 2)) * [1, 5]
        sets = fit_sets(SIZES, scores, targets, np.arange(70), coverage).sets
        assert sets is not None
        errors = np.abs(random.standard_t(3, (200, 2)) * [1, 5])
        found.append((errors <= np.asarray(sets.bounds)).mean(0))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.mean(found, axis=0) >= coverage - 3 * error).all()
    assert (np.mean(found, axis=0) <= coverage + 1 / 71 + 3 * error).all()


def test_the_bound_is_the_order_statistic_of_the_theorem() -> None:
    true = np.arange(1, 100) / 100  # 99 of them
    assert _least(true, 0.9) == 0.10, "the tenth of 99: a tenth of 100 samples lie below"
    assert _greatest(true, 0.9) == 0.90
    assert _least(true, 0.995 - 0.005) == 0.01
    assert _least(np.arange(9.0), 0.9) == 0.0, "rounding of 1 − 0.9 must not lose the rank"


def test_one_class_alone_is_an_answer_and_several_or_none_are_not() -> None:
    scores, targets = guesses(np.random.default_rng(0), 500)
    fitted = fit_sets(PETS, scores, targets, np.arange(500), 0.5)
    assert fitted.sets is not None
    task = PETS.with_decisions(sets=fitted.sets)
    held = possible(scores, fitted.sets.bounds)
    assert set(held.sum(axis=1)) >= {0, 1}
    for row, one in zip(scores, held, strict=True):
        said = task.decode(row)
        assert said["label"] in said["possible"] or not said["possible"]
        assert set(said["possible"]) == {name for name, on in zip(NAMES, one, strict=True) if on}
        assert said["unsure"] == (one.sum() != 1)
        assert sorted(said["possible"], key=lambda name: -row[NAMES.index(name)]) == said["possible"]


def test_the_figures_are_those_counted_by_hand() -> None:
    task = PETS.with_decisions(sets=Sets(0.8, (0.3,) * 4))
    scores = np.array([[0.9, 0.1, 0, 0], [0.5, 0.4, 0.1, 0], [0.2, 0.7, 0.1, 0], [0.28, 0.26, 0.24, 0.22]])
    found = judge_sets(task, scores, np.eye(4)[[0, 1, 0, 3]])
    assert found["coverage"] == 0.5
    assert found["size"] == pytest.approx((1 + 2 + 1 + 0) / 4)
    assert (found["single"], found["empty"]) == (0.5, 0.25)
    assert found["accuracy_of_single"] == 0.5
    low, high = found["coverage_interval"]
    assert 0 <= low < 0.5 < high <= 1


def test_no_answer_at_all_has_no_accuracy() -> None:
    task = PETS.with_decisions(sets=Sets(0.9, (0.0,) * 4))
    found = judge_sets(task, *guesses(np.random.default_rng(0), 30))
    assert (found["coverage"], found["size"], found["single"]) == (1, 4, 0)
    assert found["accuracy_of_single"] is found["accuracy_of_single_interval"] is None


def test_groups_widen_the_interval_of_coverage() -> None:
    scores, targets = guesses(np.random.default_rng(0), 200)
    task = PETS.with_decisions(sets=Sets(0.9, (0.5,) * 4))
    copies = [np.repeat(one, 5, axis=0) for one in (scores, targets)]
    fooled, honest = judge_sets(task, *copies), judge_sets(task, *copies, np.repeat(np.arange(200), 5))
    assert honest["coverage_interval"] == pytest.approx(judge_sets(task, scores, targets)["coverage_interval"])
    assert np.diff(honest["coverage_interval"]) > 1.8 * np.diff(fooled["coverage_interval"])


def test_values_have_their_own_width() -> None:
    task = SIZES.with_decisions(sets=Sets(0.9, (1.0, 4.0)))
    found = judge_sets(task, np.zeros((4, 2)), np.array([[0.5, 3.0], [2.0, 3.0], [0.0, 5.0], [1.0, -4.0]]))
    assert (found["height"]["coverage"], found["height"]["width"]) == (0.75, 2)
    assert (found["width"]["coverage"], found["width"]["width"]) == (0.75, 8)
    assert task.decode(np.array([3.0, 10.0]))["ranges"] == {"height": (2.0, 4.0), "width": (6.0, 14.0)}


@pytest.mark.parametrize(("rows", "coverage", "least"), [(LEAST - 1, 0.9, LEAST), (150, 0.995, 199)])
def test_too_few_samples_say_how_many_are_needed(rows: int, coverage: float, least: int) -> None:
    scores, targets = guesses(np.random.default_rng(0), rows)
    fitted = fit_sets(PETS, scores, targets, np.arange(rows), coverage)
    assert fitted.sets is None
    assert f"{rows} independent validation samples are too few" in fitted.because
    assert f"{least} are needed" in fitted.because
    enough = guesses(np.random.default_rng(0), least)
    assert fit_sets(PETS, *enough, np.arange(least), coverage).sets is not None


def test_a_class_without_validation_samples_shares_the_bound_and_it_is_said() -> None:
    scores, targets = guesses(np.random.default_rng(0), 300, np.array([0.4, 0.3, 0.3, 0.0]))
    fitted = fit_sets(PETS, scores, targets, np.arange(300), 0.9)
    assert not fitted.by_class
    assert fitted.sets is not None
    assert len(set(fitted.sets.bounds)) == 1
    assert "the smallest class has 0" in fitted.because
    assert "not for each" in fitted.because


def test_a_task_keeps_its_sets() -> None:
    task: Task = PETS.with_decisions(sets=Sets(0.9, (0.1, 0.2, 0.3, 0.4)), temperature=1.5)
    assert task_from_dict(task.to_dict()).settings == task.settings


# -- several labels at once

TAGS = make_task("multilabel", NAMES, [], loss="binary_cross_entropy")


def tagged(random: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Probabilities of labels that go together, one rare and seldom held likely, and the truth, which may be none."""
    alike = random.normal(size=(rows, 1))
    targets = (alike + random.normal(size=(rows, 4)) > [0.3, 0.5, 0.8, 2.0]).astype(float)
    outputs = 2 * targets + 1.2 * random.normal(size=targets.shape) - [1.5, 1.5, 2.0, 4.0]
    return 1 / (1 + np.exp(-outputs)), targets


def kept_share(scores: Floats, targets: Floats, bounds: tuple[float, ...]) -> float:
    labelled = targets.any(axis=1)
    held = possible(scores[labelled], bounds) * targets[labelled]
    return float((held.sum(axis=1) / targets[labelled].sum(axis=1)).mean())


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.95])
def test_labels_of_new_samples_are_covered_as_often_as_stated_over_many_draws(coverage: float) -> None:
    """In the mean over draws at least, and at most 2 / (n + 1) more (theorem 2 of conformal risk control)."""
    random, found, counted = np.random.default_rng(3), [], []
    for _ in range(400):
        scores, targets = tagged(random, 120)
        low = scores / 4  # no threshold of a half is in the way
        fitted = fit_sets(TAGS, low, targets, np.arange(120), coverage)
        assert fitted.sets is not None
        new, truth = tagged(random, 300)
        found.append(kept_share(new / 4, truth, fitted.sets.bounds))
        counted.append(targets.any(axis=1).sum())
    error = np.std(found) / np.sqrt(len(found))
    assert coverage - 3 * error <= np.mean(found) <= coverage + 2 / (np.mean(counted) + 1) + 3 * error


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_of_labels_is_the_largest_that_the_theorem_allows(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, targets = tagged(random, 90)
    scores = scores.round(2) / 4  # ties
    coverage = float(random.uniform(0.5, 0.97))
    fitted = fit_sets(TAGS, scores, targets, np.arange(90), coverage)
    labelled = int(targets.any(axis=1).sum())
    if fitted.sets is None:
        assert labelled < max(LEAST, 1 / (1 - coverage) - 1)
        return
    (bound,) = set(fitted.sets.bounds)
    fine = [
        one
        for one in np.unique(scores[targets > 0])
        if (labelled * (1 - kept_share(scores, targets, (one,) * 4)) + 1) / (labelled + 1) <= 1 - coverage + 1e-9
    ]
    assert bound == max(fine)


def test_what_is_held_present_is_possible_and_more_makes_unsure() -> None:
    random = np.random.default_rng(0)
    scores, targets = tagged(random, 200)
    task = TAGS.with_decisions(thresholds=(0.4, 0.05, 0.5, 0.02))
    fitted = fit_sets(task, scores, targets, np.arange(200), 0.9)
    assert fitted.sets is not None
    assert not fitted.by_class
    task = task.with_decisions(sets=fitted.sets)
    known = set()
    for row in scores:
        said = task.decode(row)
        assert set(said["labels"]) <= set(said["possible"])
        assert said["unsure"] == (set(said["labels"]) != set(said["possible"]))
        assert sorted(said["possible"], key=lambda name: -row[NAMES.index(name)]) == said["possible"]
        known.add(said["unsure"])
    assert known == {True, False}
    assert task_from_dict(task.to_dict()).settings.sets == fitted.sets


def test_the_figures_of_labels_are_those_counted_by_hand() -> None:
    task = TAGS.with_decisions(sets=Sets(0.8, (0.3,) * 4))
    scores = np.array([[0.9, 0.4, 0, 0], [0.5, 0.2, 0.1, 0], [0.2, 0.7, 0.35, 0], [0.4, 0.1, 0.1, 0.1]])
    truth = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    found = judge_sets(task, scores, truth)
    assert found["coverage"] == pytest.approx((1 + 0.5 + 0) / 3), "the last has no label to miss"
    assert found["complete"] == pytest.approx(1 / 3)
    assert found["size"] == pytest.approx((2 + 1 + 2 + 1) / 4)
    assert found["more"] == pytest.approx((1 + 0 + 1 + 1) / 4)
    low, high = found["coverage_interval"]
    assert 0 <= low <= found["coverage"] <= high <= 1


def test_samples_without_labels_do_not_count() -> None:
    scores, targets = tagged(np.random.default_rng(0), 200)
    targets[49:] = 0
    fitted = fit_sets(TAGS, scores, targets, np.arange(200), 0.9)
    assert fitted.sets is None
    assert "independent validation samples with labels are too few" in fitted.because
    assert fit_sets(TAGS, scores, np.zeros_like(targets), np.arange(200), 0.9).sets is None
