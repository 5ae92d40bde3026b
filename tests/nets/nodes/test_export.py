"""Modules that are striate's own go through torch.export, for batches and grids of any size."""

from __future__ import annotations

import pytest
import torch

from striate.nets import (
    AtrousSpatialPyramid,
    Conv,
    FixedConv,
    LayerNorm,
    LocalResponseNorm,
    Node,
    Pool,
    SpatialPyramidPool,
    StochasticDepth,
    TransposedConv,
)


@pytest.mark.parametrize(
    "node",
    [
        AtrousSpatialPyramid(4, (1,)),
        Conv(4, 3, 2, "same"),
        Conv(4, 3, padding=1, fill=0.5),
        FixedConv("sobel"),
        LayerNorm(),
        LocalResponseNorm(),
        Pool(2, "average", padding="same"),
        Pool(3, stride=2, padding="same"),
        SpatialPyramidPool(),
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
