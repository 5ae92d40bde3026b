"""Heads by penalised least squares: in closed form, so that every sample is judged by heads that never saw its part.

For each of many divisions, what the heads of the other parts give for a part follows from one inverse for each penalty
(the hat matrix; Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical Learning", section 7.10), where
fitting them one by one would take a hundred times as long. A head is least squares to the encoded targets: of one class
the largest output is decided for, of a label an output from a half on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve

Floats = NDArray[np.float64]

PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01)
"""Tried, from the strongest on: times the number of features, which is the mean size of a standardised row's square."""
_TIMED = 400


def standardised(rows: Floats, like: Floats) -> Floats:
    """Rows (N, D) less the mean of others (M, D) and by their deviations; what never varies there is only moved.

    >>> standardised(np.array([[3.0, 5.0]]), np.array([[0.0, 1.0], [2.0, 1.0]]))
    array([[2., 4.]])
    """
    deviation = like.std(axis=0)
    found: Floats = (rows - like.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return found


def answers(rows: Floats, targets: Floats, asked: Floats, penalty: float) -> Floats:
    """What a head that is fitted to some samples gives for others.

    Minimises |Y − 1 b − X W|² + λ D |W|², X being standardised, with a free b.

    Args:
        rows, targets: (N, D) and (N, K) of the samples it is fitted to.
        asked: (M, D).
        penalty: λ.

    Returns:
        (M, K).

    >>> line = np.array([[0.0], [1.0], [2.0]])
    >>> answers(line, 2 * line + 1, np.array([[5.0]]), 1e-9).round(6)
    array([[11.]])
    """
    known, mean = standardised(rows, rows), targets.mean(axis=0)
    gram = known @ known.T
    gram.flat[:: len(gram) + 1] += penalty * rows.shape[1]
    found: Floats = mean + standardised(asked, rows) @ (known.T @ solve(gram, targets - mean, assume_a="pos"))
    return found


def seconds_of(count: int) -> float:
    """About the seconds that `OutOfFold.best` takes with so many samples on this machine: a small inverse, timed."""
    matrix = np.eye(_TIMED) + 1 / _TIMED
    started = time.perf_counter()
    cho_solve(cho_factor(matrix, lower=True), np.eye(_TIMED))
    each = time.perf_counter() - started
    return 2 * len(PENALTIES) * each * (count / _TIMED) ** 3  # half of it goes into the parts


class OutOfFold:
    """What heads give for samples that they were not fitted to, for many divisions of the same samples.

    Args:
        rows: (N, D); standardised here, by all of them, which needs no target.
        targets: (N, K).

    >>> rows, folds = np.arange(1.0, 9.0)[:, None], np.arange(8) % 2
    >>> OutOfFold(rows, 3 * rows).answers([folds], 1e-9)[0, :, 0].round(3)
    array([ 3.,  6.,  9., 12., 15., 18., 21., 24.])
    """

    def __init__(self, rows: Floats, targets: Floats) -> None:
        known = standardised(rows, rows)
        self._gram, self._size = known @ known.T, rows.shape[1]
        self._targets = targets

    def answers(self, divisions: Sequence[NDArray[np.int64]], penalty: float) -> Floats:
        """For each division, what the heads of the other parts give for the samples of each part, (S, N, K).

        Args:
            divisions: (N,) each, the part of every sample; two parts or more.
        """
        count, strength = len(self._gram), penalty * self._size
        penalised = self._gram.copy()
        penalised.flat[:: count + 1] += strength
        # I − H, H being the hat matrix with a free constant; the Gram matrix of centred rows has it apart
        remainder = strength * cho_solve(cho_factor(penalised, lower=True, overwrite_a=True), np.eye(count)) - 1 / count
        residuals = remainder @ self._targets
        found = np.empty((len(divisions), *self._targets.shape))
        for number, division in enumerate(divisions):
            for part in np.unique(division):
                places = np.flatnonzero(division == part)
                inside = remainder[np.ix_(places, places)]
                found[number, places] = self._targets[places] - solve(inside, residuals[places], assume_a="pos")
        return found

    def best(self, divisions: Sequence[NDArray[np.int64]]) -> tuple[Floats, float]:
        """The same with the penalty whose answers are nearest to the targets in all of them, and that penalty."""
        best, least, chosen = np.empty(0), np.inf, PENALTIES[0]
        for penalty in PENALTIES:
            found = self.answers(divisions, penalty)
            away = float(np.square(found - self._targets).sum())
            if away > least:
                break
            best, least, chosen = found, away, penalty
        return best, chosen
