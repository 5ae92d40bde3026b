"""Random first weights, by name.

With fan-in the inputs that an output sees and fan-out the outputs that an input reaches, the variances are

| name | variance | for |
|---|---|---|
| `he_normal`, `he_uniform` | 2 / fan-in | layers before ReLU: a signal of one size (He et al. 2015, eq. 10) |
| `he_normal_fan_out`, `he_uniform_fan_out` | 2 / fan-out | the same for gradients (eq. 14): torchvision's ResNets |
| `xavier_normal`, `xavier_uniform` | 2 / (fan-in + fan-out) | before tanh (Glorot and Bengio 2010, eq. 16) |
| `lecun_normal` | 1 / fan-in | layers before SELU (Klambauer et al. 2017), and patch embeddings |
| `normal` | 0.02² | DCGAN (Radford et al. 2016, section 3) |
| `truncated_normal` | 0.02², beyond two deviations drawn anew | vision transformers (Dosovitskiy et al. 2021) |
| `orthogonal` | 1 / the longer side | products of layers that keep lengths (Saxe et al. 2014) |
| `dirac` | | filters that hand the signal on whole (Zagoruyko and Komodakis 2017, "DiracNets") |
| `zeros` | 0 | branches that begin silent; with a norm behind them, `BatchNorm(initial_scale=0)` does that |
| `default` | 1 / (3·fan-in) | what torch draws |
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor, nn

from striate.core.errors import NetworkError

Initialiser: TypeAlias = Literal[
    "default", "he_normal", "he_uniform", "he_normal_fan_out", "he_uniform_fan_out", "xavier_normal", "xavier_uniform",
    "lecun_normal", "normal", "truncated_normal", "orthogonal", "dirac", "zeros",
]  # fmt: skip

_DEVIATION = 0.02


def initialise(weight: Tensor, bias: Tensor | None, how: Initialiser, groups: int = 1) -> None:
    """Draw a layer's first weights in place, from torch's generator.

    Args:
        weight: (outputs, inputs of each, *kernel).
        bias: (outputs,), set to zero; left as torch drew it for "default".
        how: the scheme; "default" leaves what torch drew, uniform on ±1/√fan-in; "dirac" makes of it the identity for
            as many filters as there are inputs.
        groups: of a convolution; for "dirac", each is the identity on its own inputs. Fan-out is counted as torch does,
            over the outputs of all groups.

    Raises:
        NetworkError: "dirac" for what is no convolution.
    """
    if how == "default" or weight.is_meta:  # no memory to fill; and drawing normal numbers there imports for a second
        return
    if how == "he_normal":
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    elif how == "he_uniform":
        nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    elif how == "he_normal_fan_out":
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    elif how == "he_uniform_fan_out":
        nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu")
    elif how == "xavier_normal":
        nn.init.xavier_normal_(weight)
    elif how == "xavier_uniform":
        nn.init.xavier_uniform_(weight)
    elif how == "lecun_normal":
        nn.init.kaiming_normal_(weight, nonlinearity="linear")
    elif how == "normal":
        nn.init.normal_(weight, std=_DEVIATION)
    elif how == "truncated_normal":
        nn.init.trunc_normal_(weight, std=_DEVIATION, a=-2 * _DEVIATION, b=2 * _DEVIATION)
    elif how == "orthogonal":
        nn.init.orthogonal_(weight)
    elif how == "dirac":
        if weight.dim() < 3:
            raise NetworkError('init "dirac" is for convolutions', fix="choose another init for a dense layer")
        nn.init.dirac_(weight[: weight.shape[1] * groups], groups)
    else:
        nn.init.zeros_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
