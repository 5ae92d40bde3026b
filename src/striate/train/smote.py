"""SMOTE: features of small classes made up between those that there are."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError
from striate.core.seeds import derive


def smote(rows: Tensor, classes: NDArray[np.int64], neighbours: int, *, seed: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Rows made up so that each class has as many as the largest.

    Each is a random point on the line from a row to one of its nearest of the same class (Chawla et al. 2002, "SMOTE:
    synthetic minority over-sampling technique", section 4.2); rows take turns, and which neighbour and where on the
    line are drawn.

    Args:
        rows: features, (N, D).
        classes: of each row, (N,).
        neighbours: how many of the nearest are drawn from.
        seed: what the draws are a function of.

    Returns:
        the rows made up, (M, D), and which row each began at, (M,): it has that one's class.

    Raises:
        DataError: a class that needs more has no more rows than `neighbours`.
    """
    present, counts = np.unique(classes, return_counts=True)
    made, parents = [rows[:0]], [np.zeros(0, np.int64)]
    for one, count in zip(present, counts, strict=True):
        missing = int(counts.max() - count)
        if not missing:
            continue
        if count <= neighbours:
            raise DataError(
                f"SMOTE draws towards the {neighbours} nearest of a class, and one has only {count} samples",
                fix=f"--set transfer.smote={count - 1}"
                if count > 1
                else "choose another remedy, such as class weights",
            )
        draws = torch.Generator().manual_seed(derive(seed, "smote", int(one)))
        own = np.flatnonzero(classes == one)
        features = rows[torch.from_numpy(own)]
        distances = torch.cdist(features, features)
        distances.fill_diagonal_(torch.inf)
        nearest = distances.topk(neighbours, largest=False).indices
        begin = torch.arange(missing) % count
        end = nearest[begin, torch.randint(neighbours, (missing,), generator=draws)]
        share = torch.rand(missing, 1, generator=draws, dtype=rows.dtype)
        made.append(features[begin] + share * (features[end] - features[begin]))
        parents.append(own[begin.numpy()])
    return torch.cat(made), np.concatenate(parents)
