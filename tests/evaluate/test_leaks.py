"""What a leak is worth: torn divisions, the paired interval against one by hand, and how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from striate.core.seeds import permutation
from striate.evaluate import resample_counts
from striate.evaluate.labels import folds_of
from striate.evaluate.leaks import LARGE, parts, torn, worth
from striate.metrics import METRICS
from striate.train.ridge import OutOfFold

ACCURACY = METRICS.get("accuracy")("label", 3)
MAE = METRICS.get("mae")("value", 1)


def scored(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, 3) that are right where asked, and targets."""
    targets = np.eye(3)[np.arange(len(right)) % 3]
    return np.where(right[:, None], targets, np.roll(targets, 1, axis=1)), targets


@pytest.mark.parametrize("seed", range(5))
def test_a_torn_division_has_as_many_of_each_stratum_in_each_part(seed: int) -> None:
    random = np.random.default_rng(seed)
    units = np.sort(random.integers(0, 30, 200))
    strata = [str(random.integers(0, 3)) for _ in units]
    numbers = np.array(list(map(int, strata)))
    whole = folds_of(numbers, np.unique(units, return_inverse=True)[1], 5, permutation(30, seed)[: len(set(units))])
    found = torn(whole, strata, permutation(200, seed, "torn"))
    for part in range(5):
        for stratum in "012":
            mask = np.array(strata) == stratum
            assert (found[mask] == part).sum() == (whole[mask] == part).sum()
    assert (found != whole).any()
    assert len(set(zip(units.tolist(), whole.tolist(), strict=True))) == len(set(units.tolist()))
    assert len(set(zip(units.tolist(), found.tolist(), strict=True))) > len(set(units.tolist()))


def test_the_interval_is_that_of_whole_units_drawn_by_hand_with_the_divisions_pooled() -> None:
    random = np.random.default_rng(3)
    units = np.repeat(np.arange(25), 4)
    rights = [random.random(100) < 0.9 for _ in range(3)], [random.random(100) < 0.6 for _ in range(3)]
    rows = [[scored(one)[0] for one in side] for side in rights]
    targets = scored(rights[0][0])[1]
    found = worth(ACCURACY, rows[0], rows[1], targets, units=units, seed=7)
    counts = resample_counts(25, 7, 0, 1000)
    gain = np.mean(rights[0], axis=0) - np.mean(rights[1], axis=0)
    by_hand = [np.average(gain, weights=row[units]) for row in counts]
    assert found.with_leak == pytest.approx(np.mean(rights[0]))
    assert found.without == pytest.approx(np.mean(rights[1]))
    assert found.worth == pytest.approx(gain.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
    assert found.told
    assert found.large


def test_an_error_that_falls_is_worth_a_positive_figure() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(10, 3, (80, 1))
    near, far = targets + random.normal(0, 0.5, (80, 1)), targets + random.normal(0, 2.0, (80, 1))
    found = worth(MAE, [near], [far], targets, units=np.arange(80), seed=0)
    assert found.worth == pytest.approx(np.abs(far - targets).mean() - np.abs(near - targets).mean())
    assert found.told
    assert found.large
    other = worth(MAE, [far], [near], targets, units=np.arange(80), seed=0)
    assert other.told
    assert not other.large
    assert other.worth is not None
    assert other.worth < 0


def test_no_difference_is_not_told_and_a_small_one_is_not_large() -> None:
    right = np.arange(1000) % 10 > 0
    rows, targets = scored(right)
    same = worth(ACCURACY, [rows], [rows], targets, units=np.arange(1000), seed=0)
    assert not same.told
    assert same.worth == 0
    better, _ = scored(right | (np.arange(1000) % 100 == 0))
    found = worth(ACCURACY, [better], [rows], targets, units=np.arange(1000), seed=0)
    assert found.told
    assert found.worth is not None
    assert found.worth < LARGE
    assert not found.large
    alone = worth(ACCURACY, [rows[:4]], [rows[:4]], targets[:4], units=np.zeros(4, np.int64), seed=0)
    assert alone.low is None
    assert alone.why == "one unit has no interval"


def test_parts_are_those_that_leak_and_the_rest() -> None:
    leaking = np.arange(60) < 20
    with_leak, targets = scored(leaking | (np.arange(60) % 2 == 0))
    without, _ = scored(np.arange(60) % 2 == 0)
    found = parts(ACCURACY, [with_leak], [without], targets, leaking, units=np.arange(60), seed=0)
    assert [found[one].with_leak for one in ("all", "shared", "rest")] == pytest.approx([40 / 60, 1.0, 0.5])
    assert [found[one].without for one in ("all", "shared", "rest")] == pytest.approx([0.5, 0.5, 0.5])
    assert set(parts(ACCURACY, [with_leak], [without], targets, np.ones(60, bool), units=np.arange(60), seed=0)) == {
        "all",
        "shared",
    }


def divided(seed: int, effect: float, count: int = 4) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Scores of torn and of whole divisions of made features, whose units have something of their own, or have not."""
    random = np.random.default_rng(seed)
    units = np.repeat(np.arange(50), 3)
    labels = random.integers(0, 3, 50)[units]
    targets = np.eye(3)[labels]
    rows = random.normal(size=(150, 40)) + effect * random.normal(size=(50, 40))[units]
    rows[:, :3] += 1.2 * targets
    names = list(map(str, labels))
    whole = [folds_of(labels, units, 5, permutation(50, seed, "whole", one)) for one in range(count)]
    apart = [torn(one, names, permutation(150, seed, "torn", number)) for number, one in enumerate(whole)]
    heads = OutOfFold(rows, targets)
    return list(heads.best(apart)[0]), list(heads.best(whole)[0]), targets


def gain(seed: int, effect: float) -> float:
    """The difference of accuracies alone."""
    with_leak, without, targets = divided(seed, effect)
    return float(np.mean([ACCURACY.measure(one, targets) for one in with_leak])) - float(
        np.mean([ACCURACY.measure(one, targets) for one in without])
    )


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_the_interval_holds_what_a_random_split_gains_on_other_draws(effect: float) -> None:
    with_leak, without, targets = divided(0, effect)
    found = worth(ACCURACY, with_leak, without, targets, units=np.repeat(np.arange(50), 3), seed=0)
    truth = float(np.mean([gain(seed, effect) for seed in range(1, 25)]))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= truth <= found.high
    assert found.told == (effect > 0)
    assert (truth > 0.1) == (effect > 0)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 0.7])
def test_nineteen_in_twenty_intervals_hold_the_truth(effect: float) -> None:
    truth = 0.0 if effect == 0 else float(np.mean([gain(seed, effect) for seed in range(1000, 1300)]))
    held = 0
    for seed in range(100):
        with_leak, without, targets = divided(seed, effect)
        found = worth(ACCURACY, with_leak, without, targets, units=np.repeat(np.arange(50), 3), seed=seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 86 <= held <= 100  # binomial: 95 less four standard errors
