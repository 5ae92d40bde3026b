"""Families against the same networks of torchvision and timm: counts, outputs, gradients, weights files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from striate.core.errors import WeightsError
from striate.nets import FAMILIES, build, resolve
from striate.nets.families import REFERENCES, Reference
from striate.nets.mapping import library_names, pair

FAMILIES.names()  # loads them
CASES = [(name, reference) for name, found in sorted(REFERENCES.items()) for reference in found]
# The side in pixels at which outputs are compared: the smallest that keeps every layer's arithmetic apart.
SIDES = {"alexnet": 63, "densenet": 33, "googlenet": 33, "inception": 75, "squeezenet": 33, "vgg": 32, "vit": 224}
LARGE = 40_000_000
"""Parameters from which a comparison in float64 is a slow test."""


def label(case: tuple[str, Reference]) -> str:
    family, reference = case
    return f"{family}={reference.network}{''.join(map(str, reference.network_arguments.values()))}"


def built(name: str, arguments: dict[str, object], side: int, outputs: int) -> nn.Module:
    return build(resolve(name, outputs=outputs, channels=3, height=side, width=side, arguments=arguments))


def side_of(family: str, reference: Reference) -> int:
    fixed = reference.size if family.startswith("vit") else None
    return fixed or next((side for start, side in SIDES.items() if family.startswith(start)), 33)


def compared() -> Iterator[object]:
    for family, reference in CASES:
        with torch.device("meta"):
            count = sum(
                one.numel()
                for one in built(reference.network, dict(reference.network_arguments), 224, 1000).parameters()
            )
        marks = [pytest.mark.slow] if count > LARGE else []
        yield pytest.param(family, reference, marks=marks, id=label((family, reference)))


@pytest.mark.parametrize(("family", "reference"), CASES, ids=map(label, CASES))
def test_a_family_has_the_parameters_of_its_reference(family: str, reference: Reference) -> None:
    with torch.device("meta"):
        ours = built(family, dict(reference.arguments), reference.size, 1000)
        theirs = built(reference.network, dict(reference.network_arguments), reference.size, 1000)
    assert sum(one.numel() for one in ours.parameters()) == sum(one.numel() for one in theirs.parameters())
    names = library_names(family, reference)
    assert sorted(names) == sorted(ours.state_dict())
    assert sorted(names.values()) == sorted(theirs.state_dict())


@pytest.mark.parametrize(("family", "reference"), list(compared()))
def test_a_family_gives_what_its_reference_gives(family: str, reference: Reference) -> None:
    torch.manual_seed(0)
    side = side_of(family, reference)
    names = library_names(family, reference)
    theirs = built(reference.network, dict(reference.network_arguments), side, 5).double()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # norms that change nothing would hide that they are exchanged
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours = built(family, dict(reference.arguments), side, 5).double()
    state = theirs.state_dict()
    ours.load_state_dict({name: state[other] for name, other in names.items()})
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    found, expected = ours.eval()(x), theirs.eval()(x)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)
    assert expected.std() > 0
    found.square().sum().backward()
    expected.square().sum().backward()
    for name, parameter in ours.named_parameters():
        other = theirs.get_parameter(names[name]).grad
        assert other is not None
        assert parameter.grad is not None
        assert (parameter.grad - other).norm() <= 1e-8 * other.norm().clamp(min=1e-12), name


def test_networks_that_are_not_the_same_are_refused() -> None:
    first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    second = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1))
    with pytest.raises(WeightsError, match=r"not the same: 1\.weight, 1\.bias of the one and 1"):
        pair(first, second, torch.zeros(1, 3, 2, 2))
