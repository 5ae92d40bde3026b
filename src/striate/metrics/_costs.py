"""What decisions cost, where mistakes do not all cost the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.core.records import TargetKind
from striate.metrics._metric import Floats, Mean


class ExpectedCost(Mean):
    """The mean cost of the decisions.

    Not in the registry, as it is nothing without the costs.

    Args:
        costs: (K, K): of each true class (rows), what deciding for each class (columns) costs.

    >>> ExpectedCost("label", 2, [[0, 1], [5, 0]]).measure(np.eye(2)[[0, 0]], np.eye(2)[[0, 1]])
    2.5
    """

    kinds = ("label",)
    higher_is_better = False
    of_decisions = True

    def __init__(self, kind: TargetKind, outputs: int, costs: Sequence[Sequence[float]]) -> None:
        super().__init__(kind, outputs)
        self.costs = np.asarray(costs, np.float64)

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """The cost of each decision, (N,)."""
        return np.asarray(self.costs[targets.argmax(axis=1), scores.argmax(axis=1)])


def least_cost(probabilities: Floats, costs: Sequence[Sequence[float]]) -> Floats:
    """The decisions of the least expected cost, one-hot, (N, K); of equals the first.

    Elkan 2001, "The foundations of cost-sensitive learning", equation 1.

    Args:
        probabilities: of the classes, (N, K), at the frequencies at which they will be met.
        costs: (K, K), of each true class (rows) and decision (columns).

    >>> least_cost(np.array([[0.8, 0.2]]), [[0, 1], [5, 0]])
    array([[0., 1.]])
    """
    expected = probabilities @ np.asarray(costs, np.float64)
    return np.asarray(np.eye(expected.shape[1])[expected.argmin(axis=1)])
