"""Heads and depth of networks that are neither ours nor a library's."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import build, depth_groups, head_name, head_parameters, resolve
from striate.nets.anatomy import stem_name, unsafe_channels_last


def test_a_network_without_layers_has_no_head() -> None:
    with pytest.raises(NetworkError, match="could be its head"):
        head_name(nn.Sequential(nn.ReLU()))


def test_the_groups_of_the_compact_network() -> None:
    spec = resolve(
        "compact", outputs=3, channels=1, height=16, width=16, arguments={"width": 4, "blocks": [1, 2], "dropout": 0.1}
    )
    network = build(spec)
    groups = depth_groups(network)
    assert groups[0] == ["stem.conv1.weight", "stem.norm1.weight", "stem.norm1.bias"]
    assert [group[0].rsplit(".", 2)[0] for group in groups[1:-1]] == ["stage1.block1", "stage2.block1", "stage2.block2"]
    assert groups[-1] == head_parameters(network) == ["head.weight", "head.bias"]
    assert stem_name(network) == "stem.conv1"


def test_a_norm_goes_with_the_layer_before_it_and_direct_parameters_go_with_the_stem() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3)])
            self.norm = nn.LayerNorm(3)
            self.head = nn.Sequential(OrderedDict(norm=nn.LayerNorm(3), fc=nn.Linear(3, 2)))
            self.token = nn.Parameter(self.norm.weight.new_zeros(1, 3))

    assert depth_groups(Odd()) == [
        ["token", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"],
        ["blocks.2.weight", "blocks.2.bias", "norm.weight", "norm.bias", "head.norm.weight", "head.norm.bias"],
        ["head.fc.weight", "head.fc.bias"],
    ]


@pytest.mark.parametrize(("width", "name"), [(8, "stage2.block1.shortcut"), (16, None)])
def test_narrow_strided_shortcuts_are_found(width: int, name: str | None) -> None:
    given = {"width": width, "blocks": [1, 1]}
    spec = resolve("compact", outputs=3, channels=3, height=64, width=64, arguments=given)
    found = unsafe_channels_last(build(spec))
    assert (found or "").startswith(name or "")
    assert (found is None) == (name is None)
