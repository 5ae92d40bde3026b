"""TextCNN: Kim 2014, "Convolutional neural networks for sentence classification", figure 1; CNN-rand of section 3.1."""

from __future__ import annotations

from collections.abc import Sequence as Numbers

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.embedding import Embedding
from striate.nets.nodes.pool import GlobalPool


@FAMILIES.register("textcnn")
def textcnn(
    outputs: int,
    *,
    vocabulary: int = 20_000,
    units: int = 300,
    filters: int = 100,
    windows: Numbers[int] = (3, 4, 5),
    dropout: float = 0.5,
) -> Network:
    """Convolutions over windows of words, the largest response of each filter, for sentences as numbers of tokens.

    Args:
        outputs: what the task needs.
        vocabulary: how many tokens there are.
        units: numbers of a token's vector.
        filters: of each window.
        windows: in tokens; the sentence must have as many as the longest.
        dropout: rate ahead of the head.
    """
    branches = tuple((Conv(filters, size), Activation("relu"), GlobalPool("max")) for size in windows)
    nodes = (Embedding(units, vocabulary, name="stem"), Branches(branches), Dropout(dropout), Dense(outputs, name=HEAD))
    return Network("textcnn", nodes)
