"""The search: what all pairs would find, by an index; and clusters that chains cannot swallow."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import scene
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from striate.data import near
from striate.data.likeness import miniature
from striate.data.near import ALIKE, ALIKE_SMALL, Pair, gather, limit, search


def made(count: int, copies: int) -> np.ndarray:
    """Scenes, of the first of which cropped copies follow in turn."""
    scenes = [scene(seed, 64, 64) for seed in range(count)]
    crops = [
        one[number % 6 : number % 6 + 58, number % 5 : number % 5 + 58] for number, one in enumerate(scenes[:copies])
    ]
    return np.stack([mini for one in scenes + crops if (mini := miniature(one)) is not None])


@pytest.mark.parametrize("few", [10_000, 0], ids=["all pairs", "index"])
def test_copies_are_found_and_nothing_else(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_FEW", few)
    monkeypatch.setattr(near, "_BLOCK", 50)
    stack = made(160, 40)
    found = search(stack, np.full(200, 64))
    assert {(pair.one, pair.other) for pair in found.pairs} == {(number, 160 + number) for number in range(40)}
    assert found.compared == 200
    assert [pair.similarity for pair in found.pairs] == sorted((pair.similarity for pair in found.pairs), reverse=True)
    assert min(pair.similarity for pair in found.pairs) >= ALIKE


def test_small_pictures_are_judged_by_less() -> None:
    first = made(1, 0)[0].astype(float)
    other = np.random.default_rng(0).normal(0, 30, (12, 32, 32)) * np.linspace(0, 1, 12)[:, None, None]
    stack = np.clip(np.concatenate([first[None], first + other]), 0, 255).astype(np.uint8)
    large, small = (
        {pair.other: pair.similarity for pair in search(stack, np.full(13, side)).pairs if pair.one == 0}
        for side in (64, 63)
    )
    assert large.keys() < small.keys()
    assert min(large.values()) >= ALIKE > min(small.values()) >= ALIKE_SMALL


def test_pictures_that_are_all_alike_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(1, 0)
    steps = np.random.default_rng(0).integers(-3, 4, (300, 32, 32))
    stack = np.clip(first + steps, 0, 255).astype(np.uint8)
    laid: list[int] = []
    similarity = near.similarity
    monkeypatch.setattr(
        near, "similarity", lambda one, other, at: (laid.append(len(one)), similarity(one, other, at))[1]
    )
    found = search(stack, np.full(300, 100))
    assert sum(laid) <= 300 * near._KEPT
    clusters, parted = gather(found.pairs, 50)
    assert max(map(len, clusters)) <= 50
    assert parted > 0


def test_time_may_run_out() -> None:
    assert search(made(5, 0), np.full(5, 64), seconds=-1).compared == 0


@pytest.mark.parametrize("count", [0, 1])
def test_one_picture_is_like_no_other(count: int) -> None:
    found = search(made(1, 0)[:count], np.full(count, 64))
    assert found.pairs == ()
    assert found.compared == count


def some_pairs(draws: random.Random, count: int) -> list[Pair]:
    chosen = {tuple(sorted(draws.sample(range(count), 2))) for _ in range(draws.randint(0, 2 * count))}
    found = [Pair(one, other, round(draws.uniform(0.9, 1), 3)) for one, other in chosen]
    return sorted(found, key=lambda pair: (-pair.similarity, pair.one, pair.other))


@given(st.integers(0, 2**16), st.integers(2, 40))
@settings(max_examples=40, deadline=None)
def test_without_a_limit_clusters_are_what_scipy_finds(seed: int, count: int) -> None:
    pairs = some_pairs(random.Random(seed), count)
    clusters, parted = gather(pairs, count)
    graph = coo_array(
        (np.ones(len(pairs)), ([pair.one for pair in pairs], [pair.other for pair in pairs])), shape=(count, count)
    )
    labels = connected_components(graph, directed=False)[1]
    expected = sorted([np.flatnonzero(labels == one).tolist() for one in set(labels.tolist())])
    assert clusters == [members for members in expected if len(members) > 1]
    assert parted == 0


@given(st.integers(0, 2**16), st.integers(2, 40), st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_no_cluster_grows_beyond_the_limit_and_parted_pairs_are_counted(seed: int, count: int, most: int) -> None:
    pairs = some_pairs(random.Random(seed), count)
    clusters, parted = gather(pairs, most)
    assert all(2 <= len(members) <= most for members in clusters)
    home = {place: number for number, members in enumerate(clusters) for place in members}
    assert len(home) == sum(map(len, clusters))
    assert parted == sum(home.get(pair.one, -1) != home.get(pair.other, -2) for pair in pairs)


def test_the_limit_is_a_share_of_many_and_a_number_of_few() -> None:
    assert (limit(10), limit(1000), limit(60_000)) == (20, 20, 1200)
