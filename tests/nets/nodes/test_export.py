"""Modules that are striate's own go through torch.export, for batches and grids of any size."""

from __future__ import annotations

import pytest
import torch

from striate.nets import (
    AtrousSpatialPyramid,
    Branches,
    CapsuleLengths,
    ClassToken,
    Conv,
    ConvBlockAttention,
    DenselyConnected,
    DigitCapsules,
    Embedding,
    FixedConv,
    GatedStack,
    LayerNorm,
    LocalResponseNorm,
    Node,
    Pool,
    PositionEncoding,
    PositionwiseDense,
    PrimaryCapsules,
    Residual,
    SelfAttention,
    Sequence,
    Skip,
    SpatialPyramidPool,
    SqueezeExcite,
    StochasticDepth,
    Tied,
    TransposedConv,
)

EARLY = Conv(4, padding=1, name="early")


@pytest.mark.parametrize(
    "node",
    [
        AtrousSpatialPyramid(4, (1,)),
        Branches(((Conv(4, 1),), ())),
        Conv(4, 3, 2, "same"),
        Conv(4, 3, padding=1, fill=0.5),
        ConvBlockAttention(reduction=1),
        DenselyConnected(Conv(4, padding=1), 2),
        FixedConv("sobel"),
        LayerNorm(),
        LocalResponseNorm(),
        Pool(2, "average", padding="same"),
        Pool(3, stride=2, padding="same"),
        PositionwiseDense(4),
        Residual((Conv(5, stride=2, padding=1),), shortcut="zero_padding"),
        Residual((EARLY, Conv(3, 1), Skip(("early",)), Conv(3, 1))),
        Sequence((EARLY, Conv(4), Skip(("early",), align="crop"))),
        Sequence((EARLY, Pool(), Conv(4, padding=1), Skip(("early",), "add", align="resize"))),
        Sequence((Conv(3, padding=1, name="shared"), Tied("shared"))),
        SpatialPyramidPool(),
        SqueezeExcite(reduction=1),
        StochasticDepth(),
        TransposedConv(4, 3, padding="same"),
    ],
    ids=str,
)
def test_an_exported_module_gives_the_same_at_other_sizes(node: Node) -> None:
    module, x = node.build((3, 9, 9)).eval(), torch.randn(2, 3, 9, 9)
    sizes = {0: torch.export.Dim("samples"), 2: torch.export.Dim("height", min=8), 3: torch.export.Dim("width", min=8)}
    exported = torch.export.export(module, (x,), dynamic_shapes=(sizes,)).module()
    for images in (x, torch.randn(3, 3, 12, 15)):
        torch.testing.assert_close(exported(images), module(images))


@pytest.mark.parametrize(
    "node",
    [
        CapsuleLengths(),
        ClassToken(),
        DigitCapsules(3),
        GatedStack(4, 5, (1, 2)),
        PositionEncoding(),
        PrimaryCapsules(2, 3, 3, 1),
        SelfAttention(2),
    ],
    ids=str,
)
def test_an_exported_module_of_tokens_gives_the_same_for_other_batches(node: Node) -> None:
    module, x = node.build((6, 9)).eval(), torch.randn(2, 6, 9)
    exported = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("samples")},)).module()
    tokens = torch.randn(5, 6, 9)
    torch.testing.assert_close(exported(tokens), module(tokens))


def test_an_exported_embedding_gives_the_same_for_other_batches() -> None:
    module, x = Embedding(4, vocabulary=50).build((9,)).eval(), torch.randint(50, (2, 9))
    exported = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("samples")},)).module()
    tokens = torch.randint(50, (5, 9))
    torch.testing.assert_close(exported(tokens), module(tokens))
