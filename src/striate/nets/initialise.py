"""Random first weights, by name.

He et al. 2015, "Delving deep into rectifiers", equation 10: a variance of 2 / fan-in keeps the signal's size through
layers with ReLU. Glorot and Bengio 2010, equation 16: 2 / (fan-in + fan-out) for layers that are linear near zero,
such as tanh. Zagoruyko and Komodakis 2017, "DiracNets": filters that begin as the identity hand the signal on whole.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor, nn

from striate.core.errors import NetworkError

Initialiser: TypeAlias = Literal[
    "default", "he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "orthogonal", "dirac", "zeros"
]


def initialise(weight: Tensor, bias: Tensor | None, how: Initialiser, groups: int = 1) -> None:
    """Draw a layer's first weights in place, from torch's generator.

    Args:
        weight: (outputs, inputs of each, *kernel).
        bias: (outputs,), set to zero; left as torch drew it for "default".
        how: the scheme; "default" leaves what torch drew, uniform on ±1/√fan-in; "dirac" makes of it the identity for
            as many filters as there are inputs.
        groups: of a convolution; each is the identity on its own inputs.

    Raises:
        NetworkError: "dirac" for what is no convolution.
    """
    if how == "default" or weight.is_meta:  # no memory to fill; and drawing normal numbers there imports for a second
        return
    if how == "he_normal":
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    elif how == "he_uniform":
        nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    elif how == "xavier_normal":
        nn.init.xavier_normal_(weight)
    elif how == "xavier_uniform":
        nn.init.xavier_uniform_(weight)
    elif how == "dirac":
        if weight.dim() < 3:
            raise NetworkError('init "dirac" is for convolutions', fix="choose another init for a dense layer")
        nn.init.dirac_(weight[: weight.shape[1] * groups], groups)
    elif how == "orthogonal":
        nn.init.orthogonal_(weight)
    else:
        nn.init.zeros_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
