"""Draws are functions of their names alone, and look random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.core.seeds import _mix, derive, generator, permutation, uniforms


def test_the_mixing_function_is_splitmix64() -> None:
    # The first outputs of SplitMix64 from the seed 1234567, as Vigna's reference implementation gives them.
    golden = 0x9E3779B97F4A7C15
    state = np.array([(1234567 + golden * step) % 2**64 for step in (1, 2, 3)], np.uint64)
    with np.errstate(over="ignore"):
        found = _mix(state)
    assert found.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(0, 2**63), st.integers(0, 10**6))
def test_a_row_depends_on_its_sample_alone(samples: list[int], seed: int, epoch: int) -> None:
    whole = uniforms(samples, 3, seed, "flip", epoch)
    for row, sample in zip(whole, samples, strict=True):
        assert (uniforms([sample], 3, seed, "flip", epoch)[0] == row).all()


def test_more_draws_do_not_change_the_first() -> None:
    assert (uniforms([5, 9], 2, 1, "x") == uniforms([5, 9], 7, 1, "x")[:, :2]).all()


def test_range_and_uniformity() -> None:
    draws = uniforms(np.arange(20_000), 4, 0, "flip", 0)
    assert draws.shape == (20_000, 4)
    assert draws.min() >= 0
    assert draws.max() < 1
    for column in draws.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "flip", 0), (0, "flip", 1)),
        ((0, "flip", 0), (1, "flip", 0)),
        ((0, "flip", 0), (0, "shift", 0)),
        ((0, 1), (1, 0)),
        ((0,), (0, 0)),
    ],
)
def test_differently_named_draws_are_uncorrelated(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    samples = np.arange(10_000)
    a, b = uniforms(samples, 1, *one)[:, 0], uniforms(samples, 1, *other)[:, 0]
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.04  # four standard errors


def test_neighbouring_samples_and_columns_are_uncorrelated() -> None:
    draws = uniforms(np.arange(10_001), 2, 3, "crop", 7)
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.04
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 0.04


def test_pairs_of_draws_fill_the_square_evenly() -> None:
    draws = uniforms(np.arange(25_600), 2, 0, "pair")
    cells = (draws * 16).astype(int)
    counts = np.bincount(cells[:, 0] * 16 + cells[:, 1], minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_derived_seeds_do_not_collide() -> None:
    found = {derive(seed, purpose, epoch) for seed in range(10) for purpose in ("a", "b", "c") for epoch in range(500)}
    assert len(found) == 15_000
    assert all(0 <= seed < 2**63 for seed in found)


def test_the_values_are_pinned() -> None:
    """A changed value would silently change every training that is resumed."""
    assert derive(0, "shuffle", 3) == 6778856515991229134
    assert uniforms([2], 2, 7, "flip", 0)[0].tolist() == [0.4919156652524401, 0.6299017041998501]
    assert permutation(8, 0, "shuffle", 0).tolist() == [0, 2, 3, 4, 7, 5, 6, 1]


def test_permutations_hold_everything_and_every_position() -> None:
    assert sorted(permutation(100, 0, "shuffle", 0)) == list(range(100))
    assert permutation(100, 0, "shuffle", 0).tolist() != permutation(100, 0, "shuffle", 1).tolist()
    first = [int(permutation(5, 0, "shuffle", epoch)[0]) for epoch in range(2000)]
    assert stats.chisquare(np.bincount(first, minlength=5)).pvalue > 1e-4


def test_generators_of_one_name_agree_and_of_two_differ() -> None:
    assert generator(0, "mixup", 1).random() == generator(0, "mixup", 1).random()
    assert generator(0, "mixup", 1).random() != generator(0, "mixup", 2).random()
