"""What several networks find, as one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from striate.core.boxes import FOUND_LABEL, MOST, SCORE
from striate.infer import agreed


def some(seed: int, count: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    corners = draw.random((count, 2)) * 80
    edges = np.concatenate([corners, corners + 5 + draw.random((count, 2)) * 20], axis=1)
    return np.concatenate([edges, draw.random((count, 1)), draw.integers(0, 3, (count, 1))], axis=1)


@given(st.integers(0, 500), st.integers(0, 12))
def test_networks_that_agree_say_the_same_together(seed, count):
    found = some(seed, count)
    apart = agreed([found])  # what overlaps within one network is one thing already
    again = agreed([apart, apart, apart], overlap=0.999)
    np.testing.assert_allclose(again, apart, atol=1e-9)


@given(st.integers(0, 500))
def test_what_one_alone_finds_is_less_sure_and_classes_stay_apart(seed):
    found = some(seed, 1)
    other = found.copy()
    other[:, FOUND_LABEL] += 1
    both = agreed([found, other])
    assert len(both) == 2
    np.testing.assert_allclose(both[:, SCORE], found[0, SCORE] / 2)


def test_none_find_nothing_and_there_is_an_end_to_many():
    assert agreed([some(0, 0), some(1, 0)]).shape == (0, 6)
    many = np.array([[30.0 * n, 0, 30 * n + 10, 10, 0.5, 0] for n in range(150)])
    assert len(agreed([many])) == MOST
