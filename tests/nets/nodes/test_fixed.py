"""Fixed filters against SciPy's, on 1-D, 2-D and 3-D grids."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy import ndimage

from striate.core.errors import NetworkError
from striate.nets import FixedConv
from striate.nets.nodes.fixed import fixed_filters

SHAPES = [(2, 7), (2, 6, 5), (2, 4, 5, 6)]
# SciPy's names are not torch's: "mirror" does not repeat the outermost position, "nearest" replicates.
SCIPY = {"zeros": "constant", "replicate": "nearest", "reflect": "mirror", "wrap": "wrap"}


def by_scipy(kind: str, grid: np.ndarray, mode: str) -> list[np.ndarray]:
    if kind == "sobel":
        return [ndimage.sobel(grid, axis, mode=mode) for axis in range(grid.ndim)]
    if kind == "blur":
        for axis in range(grid.ndim):
            grid = ndimage.correlate1d(grid, [0.25, 0.5, 0.25], axis, mode=mode)
        return [grid]
    laplacian = ndimage.laplace(grid, mode=mode)
    return [laplacian] if kind == "laplacian" else [grid - laplacian]


@pytest.mark.parametrize("fill", list(SCIPY))
@pytest.mark.parametrize("kind", ["sobel", "blur", "sharpen", "laplacian"])
@pytest.mark.parametrize("shape", SHAPES)
def test_by_scipy(shape: tuple[int, ...], kind: str, fill: str) -> None:
    node = FixedConv(kind, fill=fill)  # type: ignore[arg-type]
    x = torch.randn(3, *shape, dtype=torch.float64)
    found = node.build(shape).double()(x)
    assert found.shape[1:] == node.output_shape(shape)
    for sample, maps in zip(x.numpy(), found.numpy(), strict=True):
        expected = [one for channel in sample for one in by_scipy(kind, channel, SCIPY[fill])]
        np.testing.assert_allclose(maps, np.stack(expected), atol=1e-12)


def test_the_filters_of_the_textbook() -> None:
    assert fixed_filters("sobel", 2).tolist() == [
        [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
        [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    ]
    assert (16 * fixed_filters("blur", 2)).tolist() == [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]
    assert fixed_filters("sharpen", 2).tolist() == [[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]]
    assert fixed_filters("laplacian", 3).sum().item() == 0
    assert fixed_filters("laplacian", 3)[0, 1, 1, 1].item() == -6


def test_an_even_picture_has_no_edge_at_its_border() -> None:
    edges = FixedConv("sobel").build((1, 5, 5))(torch.ones(1, 1, 5, 5))
    assert not edges.any()
    assert FixedConv("sobel", fill="zeros").build((1, 5, 5))(torch.ones(1, 1, 5, 5)).any()


@pytest.mark.parametrize(("stride", "padding", "side"), [(2, "same", 4), (2, 1, 4), (1, "valid", 5), (2, "valid", 3)])
def test_stride_and_padding(stride: int, padding: int | str, side: int) -> None:
    node = FixedConv("blur", stride, padding)  # type: ignore[arg-type]
    assert node.build((3, 7, 7))(torch.zeros(1, 3, 7, 7)).shape[1:] == node.output_shape((3, 7, 7)) == (3, side, side)


def test_it_is_saved_but_never_trained() -> None:
    module = FixedConv("sobel").build((3, 7, 7))
    assert list(module.state_dict()) == ["weight"]
    assert not list(module.parameters())
    assert torch.autograd.gradcheck(module.double(), torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True))


def test_mistakes() -> None:
    with pytest.raises(NetworkError, match="did you mean 'sobel'"):
        FixedConv("sobl")  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match=re.escape("needs at least 3×3, receives 1×2×9")):
        FixedConv("blur", padding="valid").output_shape((1, 2, 9))
    with pytest.raises(NetworkError, match="needs channels and one to three axes"):
        FixedConv("blur").output_shape((4,))
