"""Activations by the formulas of their papers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from striate.core.errors import NetworkError
from striate.nets import Activation
from striate.nets.nodes.activation import _MODULES

SELU = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017, appendix: alpha and lambda
FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: (x + x.abs()) / 2,
    "relu6": lambda x: x.clamp(0, 6),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.expm1(x)),
    "selu": lambda x: SELU[1] * torch.where(x > 0, x, SELU[0] * torch.expm1(x)),
    "gelu": lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "hard_swish": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "hard_sigmoid": lambda x: (x + 3).clamp(0, 6) / 6,
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    "softmax": lambda x: torch.exp(x) / torch.exp(x).sum(1, keepdim=True),
}


@pytest.mark.parametrize("kind", list(_MODULES))
@pytest.mark.parametrize("shape", [(8,), (8, 5), (4, 2, 5), (2, 2, 2, 5)])
def test_by_formula_and_never_in_place(kind: str, shape: tuple[int, ...]) -> None:
    x = torch.linspace(-8, 8, 3 * math.prod(shape), dtype=torch.float64).view(3, *shape)
    given = x.clone()
    torch.testing.assert_close(Activation(kind).build(shape)(x), FORMULAS[kind](x))  # type: ignore[arg-type]
    assert torch.equal(x, given), "an activation in place would break hooks"


def test_the_slope_of_a_leaky_relu() -> None:
    x = torch.tensor([[-5.0, 5.0]])
    assert Activation("leaky_relu", slope=0.2).build((2,))(x).tolist() == [[-1.0, 5.0]]
    with pytest.raises(NetworkError, match=re.escape("slope is an argument of leaky_relu alone")):
        Activation("relu", slope=0.2)


def test_a_near_name_is_offered() -> None:
    with pytest.raises(NetworkError, match="did you mean 'hard_swish'"):
        Activation("hardswish")  # type: ignore[arg-type]
