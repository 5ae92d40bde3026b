"""Boxes where the network sees their things: against the pixels themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.boxes import LABEL, NONE, TRUTH, Frame
from striate.core.records import Picture
from striate.data.placed import cut, placed
from striate.data.prepare import Preprocessing


def preprocessing(policy: str, height: int, width: int, margin: float = 1.0) -> Preprocessing:
    return Preprocessing(height, width, 1, policy, margin, mean=(0.0,), std=(1.0,), fill=(0.0,))  # type: ignore[arg-type]


def bounds(pixels: np.ndarray) -> np.ndarray:
    """Edges of what is bright, to a part of a pixel: by how bright the rows and columns at its border are."""
    found = []
    for axis in (0, 1):
        line = pixels.max(axis).astype(float) / 255
        inside = np.flatnonzero(line > 0.02)
        first, last = inside[0], inside[-1]
        found.append((first + 1 - line[first] if line[first] < 0.98 else first, last + line[last]))
    return np.array([found[0][0], found[1][0], found[0][1], found[1][1]])


@given(
    st.sampled_from(["squash", "pad"]),
    st.tuples(st.integers(40, 90), st.integers(40, 90)),
    st.tuples(st.integers(40, 90), st.integers(40, 90)),
    st.integers(0, 9999),
)
@settings(max_examples=60)
def test_a_box_lies_where_its_thing_is_seen(policy, side, size, seed):
    draw = np.random.default_rng(seed)
    height, width = side
    y1, x1 = int(draw.integers(0, height - 20)), int(draw.integers(0, width - 20))
    y2, x2 = int(draw.integers(y1 + 12, height + 1)), int(draw.integers(x1 + 12, width + 1))
    pixels = np.zeros((height, width, 1), np.uint8)
    pixels[y1:y2, x1:x2] = 255
    how = preprocessing(policy, *size)
    seen = how.prepare(Picture(pixels, "L"))[0]
    rows = np.array([[x1, y1, x2, y2, 3, 0, 0]], np.float64)
    found = placed([rows], [side], how)[0]
    np.testing.assert_allclose(found[1, :4].numpy(), bounds(seen), atol=1.1)
    frame = Frame(*found[0, :6].tolist())
    np.testing.assert_allclose(frame.back(found[1, :4].double().numpy()), rows[0, :4], atol=1e-3)
    assert found[1, LABEL] == 3


@pytest.mark.parametrize("policy", ["squash", "pad", "crop"])
def test_the_middle_stays_the_middle(policy):
    how = preprocessing(policy, 50, 60, margin=1.2)
    frame = how.placed(100, 220)
    middle = frame.into(np.array([110.0, 50, 110, 50]))
    np.testing.assert_allclose(middle, [30, 25, 30, 25], atol=0.51)


def test_pictures_of_a_batch_have_equally_many_rows_and_what_is_outside_is_none():
    rows = [np.array([[0.0, 0, 5, 5, 1, 2, 7], [50, 0, 60, 5, 1, 0, 0]]), np.zeros((0, TRUTH))]
    found = placed(rows, [(10, 10), (20, 10)], preprocessing("squash", 20, 20))
    assert found.shape == (2, 2, TRUTH)
    assert found[0, 1].tolist() == [0, 0, 10, 10, 1, 2, 7]
    assert found[1, 1, LABEL] == NONE
    assert len(cut(rows[0], 10, 100)) == 2


def test_own_sizes_are_refused():
    own = Preprocessing(64, 64, 1, "pad", mean=(0,), std=(1,), fill=(0,), sizing="own")
    with pytest.raises(ValueError, match="own sizes"):
        own.placed(10, 10)
