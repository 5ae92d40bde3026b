"""Slices: exact tests as scipy's, groups as one, Holm's steps, planted parts found and chance left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from striate.evaluate.slices import LEAST, cut, find_slices, holm, worst


def test_fishers_test_is_scipys_and_the_figures_are_means() -> None:
    random = np.random.default_rng(0)
    figures = (random.random(300) < 0.8).astype(float)
    names = random.choice(["a", "b", "c"], 300).tolist()
    found, small = find_slices(figures, {"site": names}, None, higher_is_better=True, seed=0)
    assert small == 0
    assert [one.value for one in found] == ["a", "b", "c"]
    for one in found:
        mask = np.array(names) == one.value
        table = [[figures[m].sum(), (1 - figures[m]).sum()] for m in (mask, ~mask)]
        assert one.p == pytest.approx(stats.fisher_exact(np.array(table, int)).pvalue)
        assert (one.figure, one.rest) == pytest.approx((figures[mask].mean(), figures[~mask].mean()))
        assert one.low < one.figure < one.high
        error = np.sqrt(one.figure * (1 - one.figure) / one.samples)
        assert one.high - one.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_errors_are_tested_as_welch_does() -> None:
    random = np.random.default_rng(1)
    figures = random.gamma(2.0, 1.0, 400)
    names = ["a"] * 150 + ["b"] * 250
    (one,), _ = find_slices(figures, {"site": names}, None, higher_is_better=True, seed=0)
    expected = stats.ttest_ind(figures[:150], figures[150:], equal_var=False).pvalue
    assert one.p == pytest.approx(expected, rel=0.02)


def test_a_group_counts_as_one_sample() -> None:
    random = np.random.default_rng(2)
    figures, names = random.normal(size=120), random.permutation(["a"] * 60 + ["b"] * 60)
    (alone,), _ = find_slices(figures, {"site": names.tolist()}, None, higher_is_better=True, seed=0)
    copies, units = np.repeat(figures, 5), np.repeat(np.arange(120), 5)
    (grouped,), _ = find_slices(copies, {"site": np.repeat(names, 5).tolist()}, units, higher_is_better=True, seed=0)
    assert grouped.p == pytest.approx(alone.p, rel=1e-6)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=1e-6)


def test_holm_is_the_closed_testing_of_bonferroni() -> None:
    """Holm's adjusted p is the largest, over all sets with the hypothesis in it, of the set's Bonferroni p."""
    random = np.random.default_rng(3)
    p = random.random(6) ** 3
    sets = [[k for k in range(6) if number >> k & 1] for number in range(1, 64)]
    expected = [max(min(1.0, len(one) * p[one].min()) for one in sets if place in one) for place in range(6)]
    np.testing.assert_allclose(holm(p.tolist()), expected)
    assert holm([]).size == 0


def test_a_planted_slice_is_named_and_chance_is_not() -> None:
    random, named = np.random.default_rng(4), 0
    for seed in range(8):
        attributes = {f"column {n}": random.choice(list("abcde"), 400).tolist() for n in range(4)}
        figures = (random.random(400) < 0.85).astype(float)
        found, _ = find_slices(figures, attributes, None, higher_is_better=True, seed=seed)
        named += worst(found, higher_is_better=True) is not None
        bad = np.array(attributes["column 2"]) == "c"
        figures[bad] = random.random(bad.sum()) < 0.4
        found, _ = find_slices(figures, attributes, None, higher_is_better=True, seed=seed)
        one = worst(found, higher_is_better=True)
        assert one is not None
        assert (one.by, one.value) == ("column 2", "c")
    assert named <= 2


@pytest.mark.parametrize(("higher_is_better", "behind"), [(True, "old"), (False, "new")])
def test_of_two_parts_the_one_behind_is_named(higher_is_better: bool, behind: str) -> None:
    figures = np.r_[np.full(50, 1.0), np.full(50, 3.0)] + np.random.default_rng(0).normal(0, 0.1, 100)
    attributes = {"camera": ["old"] * 50 + ["new"] * 50}
    found, _ = find_slices(figures, attributes, None, higher_is_better=higher_is_better, seed=0)
    assert [one.value for one in found] == [behind]
    assert worst(found, higher_is_better=higher_is_better) is found[0]


def test_small_slices_are_counted_and_unknown_samples_are_in_none() -> None:
    names = ["a"] * (LEAST - 1) + ["b"] * 60 + ["c"] * 60 + [None] * 30
    figures = np.ones(len(names))
    found, small = find_slices(figures, {"site": names}, None, higher_is_better=True, seed=0)
    assert small == 1
    assert [(one.value, one.samples, one.p) for one in found] == [("b", 60, 1.0), ("c", 60, 1.0)]
    few = np.arange(len(names)) // 30  # five groups, of which no slice has ten
    assert find_slices(figures, {"site": names}, few, higher_is_better=True, seed=0) == ([], 3)
    assert find_slices(np.ones(1), {"site": ["a"]}, None, higher_is_better=True, seed=0) == ([], 0)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a"] * 9, []),
        ([None] * 9, []),
        ([1.5, 1.5, 2.0], ["1.5", "2"]),
        ([f"name {n}" for n in range(30)], []),
        ([0.0] * 80 + list(range(30)), []),
    ],
)
def test_what_an_attribute_is_cut_into(values: list[object], names: list[str]) -> None:
    assert list(cut(values)) == names


def test_long_numbers_are_told_apart_and_no_number_is_none() -> None:
    masks = cut([20231.0, 20232.0, 20231.0, float("nan"), None])
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "20231": [True, False, True, False, False],
        "20232": [False, True, False, False, False],
    }


def test_thirds_are_thirds() -> None:
    values = np.random.default_rng(0).normal(size=300).tolist()
    masks = list(cut(values).values())
    assert [int(mask.sum()) for mask in masks] == [100, 100, 100]
    assert sum(masks).tolist() == [1] * 300
