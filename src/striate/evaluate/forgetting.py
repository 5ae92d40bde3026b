"""How much of its source a network has forgotten, as far as it can be told without the source's data.

It is no accuracy on the source: that needs its pictures. It is how far the weights have gone, and how alike features
before and after are on pictures at hand, which may be unlike the source's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

HARDLY, MUCH = 0.9, 0.5
"""Of the agreement, above and below which features are hardly, and much, changed."""


@dataclass(frozen=True)
class Forgetting:
    """What was measured.

    Args:
        distance: of the weights of the body from those it began with, as a share of their norm.
        agreement: centred kernel alignment of the features before and after, 1 where they are alike.
        same: share of pictures that the source's own head calls the same on both; None where it is of another kind.
        pictures: that the features are of.
    """

    distance: float
    agreement: float
    same: float | None
    pictures: int

    def describe(self) -> str:
        """One sentence."""
        if math.isnan(self.agreement):
            return "how much of the source is forgotten cannot be told: the features of these pictures are all alike"
        word = "hardly" if self.agreement > HARDLY else "much" if self.agreement < MUCH else "partly"
        named = "" if self.same is None else f", {self.same:.0%} of the pictures are called the same by its old head"
        return (
            f"the source is {word} forgotten, by {self.pictures:,} validation pictures: features agree to "
            f"{self.agreement:.2f} (centred kernel alignment){named}, and weights moved by {self.distance:.1%} of "
            "their norm; what it scores on its own data was not measured"
        )


def forgetting(
    before: Tensor, after: Tensor, moved: float, head: tuple[Tensor, Tensor | None] | None = None
) -> Forgetting:
    """How much was forgotten.

    Args:
        before, after: features of the same pictures, (N, D) float64, by the body as it began and as it ended.
        moved: how far its weights went, see `moved_by`.
        head: matrix (K, D) and bias (K,) of the source's own head, where it had a dense one.
    """
    same = None
    if head is not None:
        matrix, bias = head[0].double(), 0.0 if head[1] is None else head[1].double()
        said = [(features @ matrix.T + bias).argmax(1) for features in (before, after)]
        same = float((said[0] == said[1]).double().mean())
    return Forgetting(moved, alignment(before, after), same, len(before))


def alignment(first: Tensor, second: Tensor) -> float:
    """The linear centred kernel alignment of features (Kornblith et al. 2019, "Similarity of neural network
    representations revisited"), without the bias that few pictures of many features bring (Song et al. 2012, equation
    5; Nguyen, Raghu and Kornblith 2021).

    Args:
        first, second: (N, D) and (N, E), of the same N pictures, N at least 4.

    Returns:
        about 1 where one is the other turned or scaled, about 0 where they have nothing in common; nan where the
        features do not vary.
    """
    grams = [_gram(features) for features in (first, second)]
    norms = [_shared(gram, gram) for gram in grams]
    if min(norms) <= 0:
        return float("nan")
    return float(_shared(*grams) / (norms[0] * norms[1]) ** 0.5)


def _gram(features: Tensor) -> Tensor:
    features = features.double() - features.double().mean(0)
    features = features / features.square().mean().sqrt().clamp(min=1e-12)
    return (features @ features.T).fill_diagonal_(0.0)


def _shared(first: Tensor, second: Tensor) -> float:
    """The unbiased Hilbert-Schmidt independence criterion of two Gram matrices without their diagonals, up to scale."""
    count = len(first)
    whole = float((first * second).sum())
    means = float(first.sum() * second.sum()) / ((count - 1) * (count - 2))
    rows = float((first.sum(0) * second.sum(0)).sum()) * 2 / (count - 2)
    return whole + means - rows


def moved_by(network: nn.Module, tensors: Mapping[str, Tensor], names: Iterable[str]) -> float:
    """‖w − w₀‖ / ‖w₀‖ over parameters of a network.

    Args:
        tensors: w₀, by name.
        names: of the parameters that count.
    """
    own = dict(network.named_parameters())
    away = began = 0.0
    for name in names:
        first, last = tensors[name].cpu().double(), own[name].detach().cpu().double()
        away += float((last - first).square().sum())
        began += float(first.square().sum())
    return (away / began) ** 0.5 if began else float("nan")
