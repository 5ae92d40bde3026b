"""Networks of timm, torchvision and segmentation-models-pytorch by name, with arguments taken strictly.

All hand `**kwargs` from function to function, and what no function knows vanishes or fails deep inside. Here an
argument must be one that the class of the model names in its own signature. A library is imported only when a name of
its is asked for: they cost a second. Of the third see `striate.nets.smp`.
"""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from striate.core.errors import NetworkError, UnknownName, UsageError, WeightsError
from striate.nets import smp
from striate.nets.weights import Weights

LIBRARIES = ("timm", "torchvision", "smp")

# Set by the task and the input's size, never by the user.
_OURS = {"num_classes", "in_chans", "img_size", "image_size", "input_size", "aux_logits"}
_OURS |= {"weights", "pretrained", "device", "dtype"}
# What the definition of a network sets, and no plain value can.
_INNER = {"self", "cfg", "block_args", "block", "layers", "features", "inverted_residual_setting", "version"}
# Arguments that change no weight's meaning: only with these do a hub's weights still belong to the network.
HARMLESS = ("drop", "dropout", "stochastic_depth", "auxiliary")
# torchvision's builders give these two, with the hub's weights, a first operation that turns the preset's mean and
# deviation into 0.5 and 0.5 (`transform_input`). Networks here have none, so their weights are for 0.5 and 0.5.
_STANDARDISED_TWICE = ("googlenet", "inception_v3")
# torchvision's files of DenseNets have the names of an older version, which its builders change as they load.
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")


def is_library(name: str) -> bool:
    """Whether a name is of the form LIBRARY/NAME."""
    return name.split("/", 1)[0] in LIBRARIES and "/" in name


def check_name(name: str) -> None:
    """Raise `UnknownName`, which offers the nearest names, unless the library has that network; and `UsageError` where
    torchvision has one that is not to classify pictures, or the library is not installed."""
    library, network = name.split("/", 1)
    known = {"timm": _timm_names, "torchvision": _torchvision_names, "smp": smp.names}[library]()
    base = network.split(".", 1)[0] if library == "timm" else network  # timm names weights behind a dot
    if base not in known:
        asked = _asked_elsewhere(base) if library == "torchvision" else None
        if asked is not None:
            raise UsageError(
                f"{name} is for {asked}: of torchvision only networks for classification are taken",
                fix="choose another; for classes of pixels a family such as unet, or smp/NAME (docs/networks.md)",
            )
        near = difflib.get_close_matches(base, known, n=8, cutoff=0.4)
        raise UnknownName(f"network in {library}", network, near or list(known[:40]))


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse an argument that the class of the network does not name.

    Raises:
        UnknownName: the nearest that there is, is offered.
        UsageError: it is set by the task or the input's size.
    """
    if not arguments:
        return
    known = known_arguments(name)
    library = name.split("/", 1)[0]
    for argument in arguments:
        if argument in (smp.OURS if library == "smp" else _OURS):
            raise UsageError(
                f"{argument} of {name} is set by the task and the input's size", fix=f"leave {argument} out"
            )
        if argument not in known:
            raise UnknownName(f"argument of {name}", argument, known)
    if library == "smp":
        smp.check_encoder(arguments)


def known_arguments(name: str) -> tuple[str, ...]:
    """The arguments that a library's network takes by its class's own signature, following base classes only where
    a class hands unnamed ones on; smp's hand them to their encoders, which lose them."""
    if name.startswith("smp/"):
        return smp.known_arguments(name.split("/", 1)[1])
    found: list[str] = []
    for base in _class_of(name).__mro__:
        if "__init__" not in vars(base) or base is nn.Module:
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        named = (one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))
        found += [one for one in named if one not in found]
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return tuple(one for one in found if one not in _OURS | _INNER)


def build_library(
    name: str, arguments: Mapping[str, Any], *, outputs: int, channels: int, height: int, width: int
) -> nn.Module:
    """A library's network with random weights; never downloads.

    Args:
        name: "timm/NAME", "torchvision/NAME" or "smp/NAME".
        arguments: of its class; checked.
        outputs, channels: of the head and the input.
        height, width: the input's size, which networks with positional encodings must know.

    Raises:
        UnknownName: there is no such network or argument.
        NetworkError: the library refuses the arguments or the size.
    """
    check_name(name)
    check_arguments(name, arguments)
    makers = {"timm": _timm, "torchvision": _torchvision, "smp": _smp}
    try:
        return makers[name.split("/", 1)[0]](name.split("/", 1)[1], dict(arguments), outputs, channels, height, width)
    except NetworkError:
        raise
    except Exception as error:  # whatever a library raises over its arguments is the caller's to mend
        raise NetworkError(
            f"{name} cannot be built for {channels}×{height}×{width} with {dict(arguments)}: {_first_line(error)}",
            fix="change its arguments or the input's size",
        ) from error


def _timm(name: str, arguments: dict[str, Any], outputs: int, channels: int, height: int, width: int) -> nn.Module:
    import timm

    # A network that must know the input's size says so, and then takes img_size.
    if getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False) and "img_size" in _signature("timm/" + name):
        arguments["img_size"] = (height, width)
    module: nn.Module = timm.create_model(name, pretrained=False, num_classes=outputs, in_chans=channels, **arguments)
    return module


def _torchvision(
    name: str, arguments: dict[str, Any], outputs: int, channels: int, height: int, width: int
) -> nn.Module:
    from torchvision import models

    signature = _signature("torchvision/" + name)
    if "image_size" in signature:
        if height != width:
            raise NetworkError(f"torchvision/{name} takes square pictures, not {height}×{width}")
        arguments["image_size"] = height
    if "input_size" in signature:
        arguments["input_size"] = (height, width)
    if "aux_logits" in signature:  # auxiliary heads would make the outputs of training a tuple
        arguments |= {"aux_logits": False, "init_weights": arguments.get("init_weights", True)}
    module: nn.Module = models.get_model(name, weights=None, num_classes=outputs, **arguments)
    if channels != 3:
        _replace_stem(module, channels)
    return module


def _smp(name: str, arguments: dict[str, Any], outputs: int, channels: int, height: int, width: int) -> nn.Module:
    return smp.make(name, arguments, outputs, channels)


def _replace_stem(module: nn.Module, channels: int) -> None:
    """Give the first convolution another number of input channels; torchvision has no argument for it."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            fresh = nn.Conv2d(
                channels,
                layer.out_channels,
                layer.kernel_size,  # type: ignore[arg-type]
                stride=layer.stride,  # type: ignore[arg-type]
                padding=layer.padding,  # type: ignore[arg-type]
                dilation=layer.dilation,  # type: ignore[arg-type]
                bias=layer.bias is not None,
                padding_mode=layer.padding_mode,
                device=layer.weight.device,
            )
            module.set_submodule(name, fresh)
            return


@cache
def _timm_names() -> tuple[str, ...]:
    import timm

    return tuple(timm.list_models())


@cache
def _torchvision_names() -> tuple[str, ...]:
    from torchvision import models

    return tuple(models.list_models(module=models))


def _asked_elsewhere(network: str) -> str | None:
    """What a network of torchvision is for, where that is not to classify pictures; None where there is none."""
    from torchvision import models

    groups = {
        "segmentation": models.segmentation,
        "detection": models.detection,
        "video": models.video,
        "optical flow": models.optical_flow,
        "pictures in eight bits": models.quantization,
    }
    return next((what for what, group in groups.items() if network in models.list_models(module=group)), None)


@cache
def _class_of(name: str) -> type[nn.Module]:
    """The class that a name makes, found by making one without memory."""
    library, network = name.split("/", 1)
    make: Callable[[], nn.Module]
    if library == "timm":
        import timm

        make = lambda: timm.create_model(network, pretrained=False)  # noqa: E731
    else:
        from torchvision import models

        make = lambda: models.get_model(network, weights=None)  # noqa: E731
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library says of its defaults; none of them is used
        try:
            with torch.device("meta"):
                return type(make())
        except (RuntimeError, NotImplementedError):  # some read back a number while they are made
            with torch.device("cpu"):  # whatever device stands around this
                return type(make())


@cache
def _signature(name: str) -> frozenset[str]:
    """All argument names of a network's class, those that are ours included."""
    return frozenset(
        parameter
        for base in _class_of(name).__mro__
        if "__init__" in vars(base) and base is not nn.Module
        for parameter in inspect.signature(vars(base)["__init__"]).parameters
    )


def pretrained_weights(name: str, arguments: Mapping[str, Any]) -> Weights | None:
    """The weights that a library's hub offers for a network, with their preprocessing.

    Args:
        name: "timm/NAME" (or "timm/NAME.TAG"), "torchvision/NAME" or "smp/NAME".
        arguments: of the network; only such as change no weight's meaning (dropout, stochastic depth). Of smp's any,
            for only the encoder has weights, which must be timm's.

    Returns:
        The weights, or None where the hub has none for this network, or the network is of no library.

    Raises:
        UnknownName: there is no such network or argument.
        WeightsError: the hub cannot be reached, or the arguments make another network than the hub's.
    """
    if not is_library(name):
        return None
    check_name(name)
    check_arguments(name, arguments)
    if name.startswith("smp/"):
        return _smp_weights(name, arguments)
    changing = [one for one in arguments if not one.startswith(HARMLESS)]
    if changing:
        raise WeightsError(
            f"the hub's weights of {name} were trained without {', '.join(changing)}: they would load and be worthless",
            fix="leave these arguments out, or give weights that were trained with them, with --weights FILE",
        )
    return (_timm_weights if name.startswith("timm/") else _torchvision_weights)(name)


def _timm_weights(name: str) -> Weights | None:
    import timm

    network = name.split("/", 1)[1]
    config = timm.get_pretrained_cfg(network)
    if config is None or not config.has_weights:
        return None
    module = _from_hub(name, lambda: timm.create_model(network, pretrained=True))
    return Weights(dict(module.state_dict()), {"network": name, "arguments": {}, **_said_by_timm(name, config)}, "hub")


def _said_by_timm(name: str, config: Any) -> dict[str, Any]:
    """What timm says of a network's weights, for their sidecar."""
    height, width = config.input_size[1:]
    return {
        "preprocessing": {
            "mean": [float(value) for value in config.mean],
            "std": [float(value) for value in config.std],
            "size": min(height, width),
            "crop_pct": float(config.crop_pct),
            "interpolation": _interpolation(str(config.interpolation)),
        },
        "classes": int(config.num_classes),
        "license": str(config.license or "not stated"),
        "source": f"timm's hub, {name}.{config.tag}" if config.tag else f"timm's hub, {name}",
    }


def _smp_weights(name: str, arguments: Mapping[str, Any]) -> Weights | None:
    """An encoder's weights from timm's hub; what decodes has none and stays new."""
    import timm

    network = name.split("/", 1)[1]
    encoder = smp.timm_encoder(network, arguments)
    config = timm.get_pretrained_cfg(encoder)
    if config is None or not config.has_weights:
        return None
    tensors = _from_hub(name, lambda: smp.encoder_tensors(network, arguments))
    said = {**_said_by_timm(f"timm/{encoder}", config), "classes": 0}  # of pixels it knows none
    return Weights(tensors, {"network": name, "arguments": dict(arguments), **said}, "hub", part=smp.ENCODER)


def _torchvision_weights(name: str) -> Weights | None:
    from torchvision import models

    offered = list(models.get_model_weights(name.split("/", 1)[1]))
    if not offered:
        return None
    best = models.get_model_weights(name.split("/", 1)[1]).DEFAULT
    tensors = _from_hub(name, lambda: best.get_state_dict(progress=False, check_hash=True, weights_only=True))
    preset = best.transforms()
    crop, resized = int(preset.crop_size[0]), int(preset.resize_size[0])
    mean, std = [float(value) for value in preset.mean], [float(value) for value in preset.std]
    if name.split("/", 1)[1] in _STANDARDISED_TWICE:
        mean, std = [0.5] * len(mean), [0.5] * len(std)
    return Weights(
        # Auxiliary heads are not built, see `_torchvision`.
        {_OLD_NAME.sub(r"\1\2.", key): one for key, one in tensors.items() if not key.lower().startswith("aux")},
        {
            "network": name,
            "arguments": {},
            "preprocessing": {
                "mean": mean,
                "std": std,
                "size": crop,
                "crop_pct": crop / resized,
                "interpolation": _interpolation(preset.interpolation.value),
            },
            "classes": len(best.meta["categories"]),
            "license": "BSD-3-Clause",
            "source": f"torchvision's hub, {best}",
        },
        "hub",
    )


def _from_hub(name: str, fetch: Callable[[], Any]) -> Any:
    try:
        return fetch()
    except Exception as error:  # no network shows as a different error in each version of each library
        raise WeightsError(
            f"the weights of {name} could not be fetched from its library's hub: {_first_line(error)}",
            fix="connect to the internet, give a file with --weights FILE, or train from scratch with --weights none",
        ) from error


def _interpolation(name: str) -> str:
    """timm and torchvision call the same things the same, but for timm's "random", which is bilinear in evaluation."""
    return name if name in ("bilinear", "bicubic", "nearest") else "bilinear"


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
