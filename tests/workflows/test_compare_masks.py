"""Runs on masks are compared where both were judged by the same ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.core.artifacts import write_bytes, write_json
from striate.core.errors import DataError
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.metrics import statistics
from striate.workflows.answers import Answers, prepared
from striate.workflows.request import array_bytes

KEYS = ("a.png", "b.png", "c.png")
CLASSES = ("ground", "cell", "wall")


def judged(
    path: Path, predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: Sequence[str] = CLASSES
) -> Answers:
    """A Run whose test masks are these, (N, H, W)."""
    run = RunFolder.create(path, {})
    rows = np.stack([statistics(one, other, len(classes)) for one, other in zip(predicted, true, strict=True)])
    write_bytes(run.scores, array_bytes({"classes": np.array(classes), "test": rows}))
    write_json(run.metrics, {"per_class": {"test": [{"class": name} for name in classes]}})
    run.unlock()
    return Answers(path, "segment", "mean_iou", Plan({}), {key: {} for key in KEYS}, {})


@pytest.fixture
def maps() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 3, (3, 3, 6, 5)).astype(np.uint8)


def test_the_same_masks_are_paired_by_key(tmp_path: Path, maps: NDArray[np.uint8]) -> None:
    runs = judged(tmp_path / "a", maps[0], maps[2]), judged(tmp_path / "b", maps[1], maps[2])
    found = prepared(runs, KEYS[::-1], "test")
    for seen, predicted in zip(found.seen, maps, strict=False):
        expected = [statistics(predicted[place], maps[2][place], 3) for place in (2, 1, 0)]
        assert np.array_equal(seen["mean_iou"], expected, equal_nan=True)


def test_other_masks_are_refused_with_their_keys(tmp_path: Path, maps: NDArray[np.uint8]) -> None:
    other = maps[2].copy()
    other[1, 0, 0] = (other[1, 0, 0] + 1) % 3
    runs = judged(tmp_path / "a", maps[0], maps[2]), judged(tmp_path / "b", maps[0], other)
    with pytest.raises(DataError, match=r"1 sample has another target.*b\.png") as error:
        prepared(runs, KEYS, "test")
    assert "striate evaluate" in str(error.value.fix)


@pytest.mark.parametrize(
    ("classes", "said"),
    [(("cell", "ground", "wall"), "in other orders: ground, cell, wall, and cell"), (("ground", "cell", "x"), "x")],
)
def test_classes_are_the_same_in_the_same_order(
    tmp_path: Path, maps: NDArray[np.uint8], classes: tuple[str, ...], said: str
) -> None:
    runs = judged(tmp_path / "a", maps[0], maps[2]), judged(tmp_path / "b", maps[0], maps[2], classes)
    with pytest.raises(DataError, match=said):
        prepared(runs, KEYS, "test")
