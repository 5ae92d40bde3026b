"""SMOTE: every made-up row lies between a row and one of its nearest of the same class, as scikit-learn finds them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from striate.core.errors import DataError
from striate.train.smote import smote

CLASSES = np.repeat([0, 1, 2], [30, 12, 7])


def rows() -> torch.Tensor:
    return torch.randn(len(CLASSES), 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_each_row_lies_on_a_line_to_a_neighbour_of_its_class() -> None:
    known = rows()
    made, parents = smote(known, CLASSES, 3, seed=0)
    assert np.bincount(np.concatenate([CLASSES, CLASSES[parents]])).tolist() == [30, 30, 30]
    for one in (1, 2):
        own = np.flatnonzero(one == CLASSES)
        nearest = NearestNeighbors(n_neighbors=4).fit(known[own]).kneighbors(known[own], return_distance=False)[:, 1:]
        for row, parent in zip(made[CLASSES[parents] == one], parents[CLASSES[parents] == one], strict=True):
            place = int(np.flatnonzero(own == parent)[0])
            begin = known[parent]
            found = []
            for other in own[nearest[place]]:
                step, line = row - begin, known[other] - begin
                share = float(step @ line / (line @ line))
                found.append(0 <= share <= 1 and torch.allclose(begin + share * line, row, atol=1e-12))
            assert any(found)


def test_rows_take_turns_and_a_seed_gives_the_same_again() -> None:
    made, parents = smote(rows(), CLASSES, 3, seed=5)
    times = np.bincount(parents)[CLASSES == 2] if len(np.bincount(parents)) == len(CLASSES) else None
    assert times is not None
    assert times.max() - times.min() <= 1
    again, _ = smote(rows(), CLASSES, 3, seed=5)
    other, _ = smote(rows(), CLASSES, 3, seed=6)
    assert torch.equal(made, again)
    assert not torch.equal(made, other)


def test_classes_alike_need_nothing() -> None:
    made, parents = smote(torch.zeros(4, 2), np.array([0, 0, 1, 1]), 5, seed=0)
    assert (len(made), len(parents)) == (0, 0)


def test_a_class_smaller_than_the_neighbours_is_refused_with_a_number_that_will_do() -> None:
    with pytest.raises(DataError, match="only 7 samples") as caught:
        smote(rows(), CLASSES, 7, seed=0)
    assert "transfer.smote=6" in str(caught.value)
    assert smote(rows(), CLASSES, 6, seed=0)[0].shape == (41, 4)
