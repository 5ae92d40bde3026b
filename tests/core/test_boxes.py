"""Boxes as rows: what is joined comes apart as it was, and a frame leads back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, NONE, TRUTH, Frame, empty, joined, parted, stacked, together


def rows(seed: int, pictures: int, columns: int) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.random((int(draw.integers(0, 5)), columns)) for _ in range(pictures)]


@given(st.integers(0, 1000), st.integers(0, 6))
def test_what_is_joined_comes_apart_as_it_was(seed, pictures):
    found, truths = stacked(rows(seed, pictures, FOUND), FOUND), stacked(rows(seed + 1, pictures, TRUTH), TRUTH)
    again = parted(joined(found, truths))
    if pictures:
        np.testing.assert_array_equal(again[0], found)
        np.testing.assert_array_equal(again[1], truths)
    else:
        assert [len(one) for one in again] == [0, 0]


def test_parts_with_other_numbers_of_boxes_are_joined():
    one, other = (joined(empty(2, 3, FOUND), empty(2, most, TRUTH)) for most in (1, 4))
    found, truths = parted(together([one, other, np.zeros((0, 2))]))
    assert found.shape == (4, 3, FOUND)
    assert truths.shape == (4, 4, TRUTH)
    assert (truths[..., LABEL] == NONE).all()
    assert (found[..., FOUND_LABEL] == NONE).all()


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="not those of boxes"):
        parted(np.ones((2, 5)))


@given(st.floats(0.1, 4), st.floats(0.1, 4), st.floats(-50, 50), st.floats(-50, 50))
def test_a_frame_leads_back(across, down, left, top):
    frame = Frame(left, top, across, down, 100, 200)
    edges = np.array([[1.0, 2.0, 150.0, 90.0]])
    np.testing.assert_allclose(frame.back(frame.into(edges)), edges, atol=1e-6)
    np.testing.assert_allclose(frame.back(frame.into(edges + 500)), [[200, 100, 200, 100]])
