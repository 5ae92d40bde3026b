"""Modules that are striate's own go through torch.export, in one network."""

from __future__ import annotations

import torch

from striate.nets import (
    AtrousSpatialPyramid,
    Conv,
    Dense,
    FixedConv,
    LayerNorm,
    LocalResponseNorm,
    Network,
    Pool,
    SpatialPyramidPool,
    StochasticDepth,
    TransposedConv,
    Upsample,
)


def test_a_network_of_them_is_exported_and_gives_the_same() -> None:
    network = Network(
        "own",
        (
            FixedConv("sharpen"),
            Conv(4, 3, 2, "same"),
            Conv(4, 3, padding=1, fill=0.5),
            LayerNorm(),
            LocalResponseNorm(),
            Pool(2, "average", padding="same"),
            TransposedConv(4, 3, padding="same"),
            StochasticDepth(),
            AtrousSpatialPyramid(4, (1,)),
            Upsample(2, kind="linear"),
            SpatialPyramidPool(),
            Dense(3),
        ),
    )
    module, x = network.build((3, 9, 9)).eval(), torch.randn(2, 3, 9, 9)
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(exported.module()(x), module(x))
