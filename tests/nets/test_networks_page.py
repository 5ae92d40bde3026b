"""docs/networks.md lists every family and every detector with what it costs, computed here again."""

from __future__ import annotations

from pathlib import Path

import pytest

import striate
from striate.nets import FAMILIES, profile, resolve_shape
from striate.nets.detectors import DETECTORS
from striate.nets.families import REFERENCES
from striate.nets.spec import form_of

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"

# The input that a family is stated for, and its outputs, where that is not a picture of 224 px in 1000 classes.
STATED: dict[str, tuple[tuple[int, ...], int]] = {
    "alexnet_2012": ((3, 227, 227), 1000),
    "capsnet": ((1, 28, 28), 10),
    "cifarnet": ((3, 32, 32), 10),
    "compact": ((3, 32, 32), 10),
    "dcgan_discriminator": ((3, 64, 64), 1),
    "dcgan_generator": ((100, 1, 1), 3),
    "deeplabv3_resnet50": ((3, 224, 224), 21),
    "fcn1d": ((1, 128), 10),
    "fcn_resnet50": ((3, 224, 224), 21),
    "inception_time": ((1, 128), 10),
    "inception_v3": ((3, 299, 299), 1000),
    "lenet5": ((1, 32, 32), 10),
    "plain": ((3, 64, 64), 10),
    "resnet1d": ((1, 128), 10),
    "textcnn": ((56,), 2),
    "unet": ((1, 512, 512), 2),
    "wavenet": ((1, 8000), 10),
    **{f"resnet{depth}": ((3, 32, 32), 10) for depth in (20, 32, 44, 56, 110)},
}


def row(name: str) -> str:
    """The line of a family in the table."""
    shape, outputs = STATED.get(name, ((3, 224, 224), 1000))
    found = profile(resolve_shape(name, shape, outputs=outputs, form=form_of(name)))
    reference = REFERENCES.get(name)
    same = f"`{reference[0].network}`" if reference else ""
    size = "×".join(map(str, shape))
    return f"| `{name}` | {size} | {outputs} | {found.parameters:,} | {found.macs / 1e6:,.1f} | {same} |"


@pytest.mark.parametrize("name", FAMILIES.names())
def test_the_page_states_each_family_as_it_is(name: str) -> None:
    if not PAGE.is_file():
        pytest.skip("the docs are not beside the tests")
    assert row(name) in PAGE.read_text("utf-8").splitlines()


def detector_row(name: str) -> str:
    """The line of a detector in its table: as published, for COCO's 80 classes at 320 px."""
    spec = resolve_shape(name, (3, 320, 320), outputs=80, form="boxes")
    found = profile(spec)
    given = {key: one for key, one in spec["arguments"].items() if not key.startswith("backbone")}
    return (
        f"| `{name}` | `{spec['arguments']['backbone']}` | {', '.join(map(str, given['strides']))} "
        f"| {found.parameters:,} | {found.macs / 1e6:,.1f} | {', '.join(f'`{key}`' for key in given)} |"
    )


@pytest.mark.parametrize("name", DETECTORS.names())
def test_the_page_states_each_detector_as_it_is(name: str) -> None:
    if not PAGE.is_file():
        pytest.skip("the docs are not beside the tests")
    assert detector_row(name) in PAGE.read_text("utf-8").splitlines()


if __name__ == "__main__":  # prints the table anew
    print(striate.__version__)
    print("\n".join(row(name) for name in FAMILIES.names()))
    print("\n".join(detector_row(name) for name in DETECTORS.names()))
