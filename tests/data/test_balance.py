"""Evening out: never worse than before, as good as the best of all divisions of few units, and training keeps all."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.balance import even_out, unevenness

SHARES = {"train": 0.64, "val": 0.16, "test": 0.2}


def units(draws: random.Random, count: int, largest: int) -> tuple[list[dict[str, int]], list[int]]:
    strata = []
    for _ in range(count):
        names = [draws.choice("abc") for _ in range(draws.randint(1, largest))]
        strata.append({name: names.count(name) for name in names})
    return strata, [sum(one.values()) for one in strata]


@given(st.integers(0, 2**16), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_it_is_never_worse_and_keeps_every_stratum_in_training(seed: int, count: int, largest: int) -> None:
    draws = random.Random(seed)
    strata, sizes = units(draws, count, largest)
    before = [draws.choice(list(SHARES)) for _ in range(count)]
    order = [bytes([draws.randrange(256)]) for _ in range(count)]
    after = even_out(before, SHARES, strata, sizes, order)
    assert unevenness(after, SHARES, strata, sizes) <= unevenness(before, SHARES, strata, sizes) + 1e-6
    assert after == even_out(before, SHARES, strata, sizes, order)

    def learnt(found: list[str]) -> set[str]:
        return {name for split, one in zip(found, strata, strict=True) if split == "train" for name in one}

    assert learnt(before) <= learnt(after)


@pytest.mark.parametrize("seed", range(8))
def test_few_units_are_divided_about_as_well_as_they_can_be(seed: int) -> None:
    draws = random.Random(seed)
    strata, sizes = units(draws, 8, 6)
    shares = {"train": 0.7, "test": 0.3}
    names = {name for one in strata for name in one}

    def whole(found: tuple[str, ...]) -> bool:
        return names == {name for split, one in zip(found, strata, strict=True) if split == "train" for name in one}

    best = min(unevenness(found, shares, strata, sizes) for found in product(shares, repeat=8) if whole(found))
    after = even_out(["train"] * 8, shares, strata, sizes, [b""] * 8)
    assert best - 1e-9 <= unevenness(after, shares, strata, sizes) <= best + 1
