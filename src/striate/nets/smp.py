"""Networks of segmentation-models-pytorch by name, on any of its encoders or timm's (`encoder_name: tu-NAME`).

Its classes hand what they do not know to the encoder, where a misspelt argument vanishes: here an argument must be one
that the class names. It is an optional dependency, imported only when a name of its is asked for.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from torch import Tensor, nn

from striate.core.errors import UnknownName, UsageError, WeightsError

PACKAGE = "segmentation_models_pytorch"
OURS = {"in_channels", "classes", "encoder_weights", "activation", "aux_params"}
"""Set by the task and the input: outputs are logits, and nothing is downloaded while a network is built."""
ENCODER = "encoder."
"""What the names of an encoder's tensors begin with."""
_TIMM = "tu-"


def require() -> None:
    """Raise `UsageError` where the package is not installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise UsageError(
            "networks of smp are segmentation-models-pytorch's, which is not installed",
            fix='pip install "striate[segment]"',
        )


@cache
def names() -> tuple[str, ...]:
    """The names of its networks, sorted: those of its classes. Raises `UsageError` where it is not installed."""
    require()
    import segmentation_models_pytorch as smp

    base = smp.base.SegmentationModel
    found = ((name, one) for name, one in vars(smp).items() if inspect.isclass(one))
    return tuple(sorted(name for name, one in found if issubclass(one, base) and one is not base))


def known_arguments(network: str) -> tuple[str, ...]:
    """The arguments that its class names, less those that the task and the input set."""
    parameters = inspect.signature(_class_of(network)).parameters.values()
    return tuple(one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.name not in OURS)


def check_encoder(arguments: Mapping[str, Any]) -> None:
    """Raise `UnknownName` unless there is such an encoder; of `tu-NAME` timm must have NAME."""
    if "encoder_name" not in arguments:
        return
    require()
    from segmentation_models_pytorch.encoders import encoders

    name = str(arguments["encoder_name"])
    if name.startswith(_TIMM):
        import timm

        base = name.removeprefix(_TIMM).split(".", 1)[0]
        if not timm.is_model(base):
            raise UnknownName("network in timm for an encoder", base, timm.list_models())
    elif name not in encoders:
        raise UnknownName("encoder of smp", name, [*encoders, "tu-NAME of timm"])


def make(network: str, arguments: Mapping[str, Any], outputs: int, channels: int, weights: Any = None) -> nn.Module:
    """A network with random weights, or with its encoder's from the hub where `weights` asks for them."""
    made: nn.Module = _class_of(network)(
        encoder_weights=weights, in_channels=channels, classes=outputs, activation=None, **arguments
    )
    return made


def timm_encoder(network: str, arguments: Mapping[str, Any]) -> str:
    """The name in timm of a network's encoder.

    Raises:
        WeightsError: it is none of timm's; what smp's own were trained for only its hub says.
    """
    default = inspect.signature(_class_of(network)).parameters["encoder_name"].default
    name = str(arguments.get("encoder_name", default))
    if not name.startswith(_TIMM):
        raise WeightsError(
            f"what the hub's weights of smp's own encoder {name!r} were trained for is not known beforehand",
            fix=f"take timm's encoder, with --set 'network.arguments={{encoder_name: tu-{name}}}', or --weights none",
        )
    return name.removeprefix(_TIMM)


def encoder_tensors(network: str, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of an encoder of timm with its hub's weights, by their names in the network; this downloads."""
    module = make(network, arguments, 1, 3, weights=True)
    return {name: one for name, one in module.state_dict().items() if name.startswith(ENCODER)}


def _class_of(network: str) -> type[nn.Module]:
    require()
    import segmentation_models_pytorch as smp

    found: type[nn.Module] = getattr(smp, network)
    return found
