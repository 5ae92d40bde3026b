"""From a name to a network as plain JSON (a spec), and from a spec to a module: all a Model needs to be rebuilt.

    {"kind": "nodes", "name": …, "arguments": {…}, "input": [C, H, W], "outputs": K, "network": {"name", "nodes"}}
    {"kind": "library", "name": "timm/…", "arguments": {…}, "input": [C, H, W], "outputs": K}
    {"kind": "detector", "name": …, "arguments": {"backbone": …, …}, "input": [C, H, W], "outputs": K, "body": {…}}

A spec of nodes holds the network itself, so that neither the family's code nor the user's file is needed again;
`arguments` is there where it came from a family, and says how. `edits`, a list of plain values, is there where the
network is another one changed: those of a library's network are made anew whenever it is built, those of nodes are in
`network` already. The `body` of a detector is the spec of its backbone, a classifier; its arguments are complete.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from striate.core.boxes import FOUND, MOST
from striate.core.errors import NetworkError, UnknownName, UsageError, nearest
from striate.core.memory import ran_out_of_memory
from striate.core.options import options_of
from striate.nets.detectors import DETECTORS
from striate.nets.edit import edit, edited
from striate.nets.edits import Edit, edits_from_plain
from striate.nets.families import FAMILIES, in_grid
from striate.nets.libraries import LIBRARIES, build_library, is_library
from striate.nets.network import Network, read_plain
from striate.nets.node import Shape
from striate.nets.notation import check_plain

FILES = (".yaml", ".yml", ".json")
MOST_FARTHER = 256  # positions to search for a size that a network takes
_KEYS = {
    "nodes": {"kind", "name", "input", "outputs", "network"},
    "library": {"kind", "name", "arguments", "input", "outputs"},
    "detector": {"kind", "name", "arguments", "input", "outputs", "body"},
}
_MAY = {"arguments", "edits"}

Form: TypeAlias = Literal["row", "grid", "boxes"]
"""What a network gives for a sample: one row of outputs, outputs for each position, or the boxes that it found."""
_GIVES: dict[Form, str] = {"row": "one row a sample", "grid": "a grid of outputs", "boxes": "boxes"}
_NEEDED: dict[Form, str] = {"row": "outputs for each sample", "grid": "outputs for each position", "boxes": "boxes"}
_BODY_OUTPUTS = 2  # of a backbone, whose own head goes


@dataclass(frozen=True)
class Base:
    """What a file of edits changes.

    Args:
        name: of a family, or of a library's network.
        arguments: of it.
        edits: plain values, as `Edit.to_dict` gives them.
    """

    name: str
    arguments: dict[str, Any]
    edits: list[dict[str, Any]]


def read_base(name: str | Path) -> Base | None:
    """What a file of edits changes; None for what is no such file.

        base: timm/resnet50
        arguments: {drop_rate: 0.1}
        edits:
          - {edit: InsertAfterStages, node: {node: SqueezeExcite}}
          - {edit: SwapActivation, kind: silu}

    Raises:
        NetworkError: the file cannot be read, or a key, an edit or one of its arguments is wrong.
    """
    if not str(name).endswith(FILES):
        return None
    content = read_plain(Path(name))
    if not isinstance(content, Mapping) or "base" not in content:
        return None
    try:
        check_plain(content)
        for key in content:
            if key not in ("base", "arguments", "edits"):
                near = nearest(str(key), ("base", "arguments", "edits"))
                hint = f"; did you mean {near!r}?" if near else ""
                raise NetworkError(
                    f"a network by edits has `base`, `arguments` and `edits`, no {key!r}{hint}", fix="leave it out"
                )
        base, arguments = content["base"], content.get("arguments", {})
        if not isinstance(base, str) or base.endswith(FILES):
            raise NetworkError(
                f"`base` must be a family, timm/NAME, torchvision/NAME or smp/NAME, not {base!r}",
                fix="write base: resnet18",
            )
        if not isinstance(arguments, Mapping) or not all(isinstance(key, str) for key in arguments):
            raise NetworkError("`arguments` must be a mapping", fix="write arguments: {width: 32}")
        edits = edits_from_plain(content.get("edits"))
    except NetworkError as error:
        raise NetworkError(f"{name}: {error.message}", error.fix) from None
    return Base(base, dict(arguments), [one.to_dict() for one in edits])


class _WrongOutputs(NetworkError):
    """A network gives something else than was asked for, whatever the size of its input."""


def form_of(name: str | Path) -> Form:
    """What a network by that name gives; of a file what its base, or the Model in it, gives, and "row" of others."""
    name = str(name)
    if name.endswith(FILES):
        base = read_base(name)
        if base is not None:
            return form_of(base.name)
        content = read_plain(Path(name))
        inner = content.get("network") if isinstance(content, Mapping) else None
        return "boxes" if isinstance(inner, Mapping) and inner.get("kind") == "detector" else "row"
    if in_grid(name):
        return "grid"
    return "boxes" if _is_detector(name) else "row"


def _is_detector(name: str) -> bool:
    # Families first: to list the detectors imports torchvision.
    return not is_library(name) and name not in FAMILIES and name in DETECTORS


def resolve(
    name: str,
    *,
    outputs: int,
    channels: int,
    height: int,
    width: int,
    arguments: Mapping[str, Any] | None = None,
    form: Form = "row",
) -> dict[str, Any]:
    """A network by name, for this input and these outputs, checked to fit both.

    Args:
        name: a family ("compact"), a detector ("fcos"), "timm/NAME", "torchvision/NAME", "smp/NAME", a .yaml or .json
            file of nodes or of edits (`base`, `arguments`, `edits`), or the `model.json` of a Model.
        outputs: what the task needs; a head of that size is put on.
        channels, height, width: the input.
        arguments: of the family or the library's network; a misspelt one is refused.
        form: what is to be given: one row a sample, outputs for each pixel, or boxes.

    Returns:
        the spec, plain JSON.

    Raises:
        UnknownName: no such network or argument; the nearest is offered.
        NetworkError: it cannot be built so, or does not take this size; the layer is named.

    >>> spec = resolve("lenet5", outputs=10, channels=1, height=28, width=28, arguments={"padding": 2})
    >>> sum(parameter.numel() for parameter in build(spec).parameters())
    61706
    """
    return resolve_shape(name, (channels, height, width), outputs=outputs, arguments=arguments, form=form)


def resolve_shape(
    name: str, shape: Shape, *, outputs: int, arguments: Mapping[str, Any] | None = None, form: Form = "row"
) -> dict[str, Any]:
    """`resolve` for inputs of any shape: pictures, signals (C, L), volumes (C, D, H, W), vectors or tokens (F,).

    Args:
        shape: of an input, without the batch. Libraries' networks take pictures alone.
        form: what is to be given: one row a sample, outputs for each position, or boxes.

    Raises:
        NetworkError: as `resolve`; or the network gives a grid where one row is wanted, or the other way round.

    >>> resolve_shape("fcn1d", (1, 128), outputs=3)["input"]
    [1, 128]
    """
    if min(outputs, *shape) < 1:
        raise NetworkError(f"a network from {'×'.join(map(str, shape))} to {outputs} outputs cannot be")
    given = dict(arguments or {})
    if name.endswith(FILES):
        return _from_file(Path(name), given, shape, outputs, form)
    if is_library(name):
        _check_library(name, shape, form)
        return _from_library(name, given, shape, outputs)
    if _is_detector(name):
        return _from_detector(name, given, shape, outputs, form)
    return _from_family(name, given, shape, outputs, form) | {"name": name, "arguments": given}


def build(spec: Mapping[str, Any]) -> nn.Module:
    """The module of a spec, randomly initialised from torch's generator: equal bits after `torch.manual_seed`.

    Never downloads.

    Raises:
        NetworkError: it is no spec, or describes no network.
    """
    kind = spec.get("kind")
    wanted = _KEYS.get(str(kind))
    if wanted is None or not wanted <= set(spec) <= wanted | _MAY:
        raise NetworkError(
            f"this is not the description of a network: kind {kind!r} with {', '.join(sorted(map(str, spec)))}",
            fix="make one with striate.nets.resolve",
        )
    shape, outputs = tuple(int(size) for size in spec["input"]), int(spec["outputs"])
    if kind == "nodes":
        network = Network.from_dict(spec["network"])
        if network.output_shape(shape)[0] != outputs:
            raise NetworkError(f"the network {network.name!r} does not give the {outputs} outputs that its spec states")
        try:
            return network.build(shape)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            raise NetworkError(
                f"the weights of the network {network.name!r} do not fit into memory", fix="make it narrower"
            ) from error
    if kind == "detector":
        return _detector(spec["name"], spec["arguments"], spec["body"], shape, outputs)
    module = build_library(
        spec["name"], spec["arguments"], outputs=outputs, channels=shape[0], height=shape[1], width=shape[2]
    )
    return edited(module, edits_from_plain(spec["edits"]), shape) if "edits" in spec else module


def checked(spec: Mapping[str, Any]) -> nn.Module:
    """The module of a spec in evaluation mode, after one forward pass: without memory (on the meta device) where that
    is possible. The caller's random state stays as it is.

    Raises:
        NetworkError: it cannot be built, or does not take its input; names the layer that failed.
    """
    try:
        return _forward(spec, "meta")
    except NetworkError as error:
        if not _needs_memory(error):
            raise
    return _forward(spec, "cpu")


def _from_family(
    name: str, arguments: dict[str, Any], shape: Shape, outputs: int, form: Form, edits: Sequence[Edit] = ()
) -> dict[str, Any]:
    network = edit(_family(name, arguments, outputs), *edits)
    _check_form(name, "grid" if in_grid(name) else "row", form)
    _check_size(network, shape)
    if form == "row":
        network = network.with_head(outputs, shape)
    return _nodes(network, shape, outputs)


def _family(name: str, arguments: dict[str, Any], outputs: int) -> Network:
    if "/" in name:
        raise UnknownName("library of networks", name.split("/", 1)[0], LIBRARIES)
    if name not in FAMILIES:
        known = [*FAMILIES.names(), *DETECTORS.names()]
        raise UnknownName("network", name, [*known, *(f"{one}/NAME" for one in LIBRARIES), "FILE.yaml"])
    family = FAMILIES.get(name)
    known = [one for one in inspect.signature(family).parameters if one != "outputs"]
    for argument in arguments:
        if argument not in known:
            raise UnknownName(f"argument of {name}", argument, known)
    try:
        return family(outputs, **arguments)
    except (TypeError, ValueError) as error:
        raise _not_made(name, arguments, error) from error


def _from_edits(path: Path, base: Base, shape: Shape, outputs: int, form: Form) -> dict[str, Any]:
    """A family or a library's network, changed as a file says."""
    try:
        if _is_detector(base.name):
            raise NetworkError(
                f"`base` {base.name} is a detector, which is not edited",
                fix="edit its backbone, and name that file as the detector's argument `backbone`",
            )
        if is_library(base.name):
            _check_library(base.name, shape, form)
            return _from_library(base.name, base.arguments, shape, outputs, base.edits)
        found = _from_family(base.name, base.arguments, shape, outputs, form, edits_from_plain(base.edits))
    except NetworkError as error:
        raise NetworkError(f"{path}: {error.message}", error.fix) from None
    return found | {"name": path.stem, "edits": base.edits}


def _from_file(path: Path, arguments: dict[str, Any], shape: Shape, outputs: int, form: Form) -> dict[str, Any]:
    if arguments:
        raise UsageError(f"{path} takes no arguments, given {', '.join(arguments)}", fix="write them into the file")
    base = read_base(path)
    if base is not None:
        return _from_edits(path, base, shape, outputs, form)
    content = read_plain(path)
    if not isinstance(content, Mapping) or "striate_model" not in content:
        network = Network.from_file(path)
        _check_size(network, shape)
        return _nodes(_headed(network, shape, outputs, form), shape, outputs)
    inner = content.get("network")
    if not isinstance(inner, Mapping) or inner.get("kind") not in _KEYS:
        raise NetworkError(f"{path} is the description of a Model, but holds no network")
    if inner["kind"] != "detector":
        return _again(inner, shape, outputs, form)
    _check_form(str(inner["name"]), "boxes", form)
    body = _again(inner["body"], shape, _BODY_OUTPUTS, "row")
    return _detecting(str(inner["name"]), dict(inner["arguments"]), body, shape, outputs)


def _again(spec: Mapping[str, Any], shape: Shape, outputs: int, form: Form) -> dict[str, Any]:
    """A spec of a Model's network, but no detector's, for another input and other outputs."""
    if spec["kind"] == "library":
        return _from_library(spec["name"], dict(spec["arguments"]), shape, outputs, spec.get("edits"))
    network = Network.from_dict(spec["network"])
    return _nodes(_headed(network, shape, outputs, form, renew=True), shape, outputs)


def _headed(network: Network, shape: Shape, outputs: int, form: Form, *, renew: bool = False) -> Network:
    """A network of nodes with the head that a form takes. Raises `NetworkError`."""
    if form == "boxes":
        _check_form(network.name, "row", form)
    if form == "grid":
        return network.with_grid_head(outputs, shape)
    return network.with_head(outputs, shape, renew=renew)


def _from_detector(name: str, arguments: dict[str, Any], shape: Shape, outputs: int, form: Form) -> dict[str, Any]:
    """A detector by name, on the backbone that its arguments name."""
    _check_form(name, "boxes", form)
    if len(shape) != 3:
        raise NetworkError(f"{name} takes pictures, not {'×'.join(map(str, shape))}", fix="choose another network")
    maker = DETECTORS.get(name)
    own = {"backbone": maker.published, "backbone_arguments": {}, **options_of(maker)}
    for argument in arguments:
        if argument not in own:
            raise UnknownName(f"argument of {name}", argument, own)
    given = {**own, **arguments}
    try:
        given = maker.complete(given)
    except (TypeError, ValueError) as error:
        raise _not_made(name, arguments, error) from error
    backbone, inner = given["backbone"], given["backbone_arguments"]
    if not isinstance(backbone, str) or not isinstance(inner, Mapping):
        raise NetworkError(
            f"{name} takes the name of a network as `backbone`, and a mapping as `backbone_arguments`",
            fix="write {backbone: resnet18}, say",
        )
    if form_of(backbone) != "row":
        gives = _GIVES[form_of(backbone)]
        raise NetworkError(
            f"{backbone} gives {gives}, and a backbone is a classifier", fix="choose one such as resnet18"
        )
    body = resolve_shape(backbone, shape, outputs=_BODY_OUTPUTS, arguments=inner)
    return _detecting(name, given, body, shape, outputs)


def _detecting(
    name: str, arguments: dict[str, Any], body: dict[str, Any], shape: Shape, outputs: int
) -> dict[str, Any]:
    """The spec of a detector, its arguments as plain values, checked."""
    spec = {
        "kind": "detector",
        "name": name,
        "arguments": plain(arguments),
        "input": list(shape),
        "outputs": outputs,
        "body": body,
    }
    checked(spec)
    return spec


def _detector(
    name: str, arguments: Mapping[str, Any], body: Mapping[str, Any], shape: Shape, outputs: int
) -> nn.Module:
    """A detector on the backbone of a spec."""
    maker: Callable[..., nn.Module] = DETECTORS.get(name)
    own = {key: one for key, one in arguments.items() if key not in ("backbone", "backbone_arguments")}
    try:
        return maker(build(body), shape, outputs, **own)
    except (TypeError, ValueError) as error:
        raise _not_made(name, arguments, error) from error


def _not_made(name: str, arguments: Mapping[str, Any], error: Exception) -> NetworkError:
    return NetworkError(f"{name} cannot be made with {dict(arguments)}: {error}")


def plain(value: Any) -> Any:
    """Tuples as lists, so that what is saved and read is equal."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _nodes(network: Network, shape: tuple[int, ...], outputs: int) -> dict[str, Any]:
    return {
        "kind": "nodes",
        "name": network.name,
        "input": list(shape),
        "outputs": outputs,
        "network": network.to_dict(),
    }


def _check_library(name: str, shape: Shape, form: Form) -> None:
    """Raise `NetworkError` where a library's network is asked for another kind of input or of outputs."""
    if len(shape) != 3:
        raise NetworkError(f"{name} takes pictures and gives {_GIVES[form_of(name)]}", fix="choose another, or a file")
    _check_form(name, form_of(name), form)


def _check_form(name: str, given: Form, wanted: Form) -> None:
    """Raise `NetworkError`, with names that would do, where a network gives something else than is needed."""
    if given == wanted:
        return
    others = {
        "row": "choose a family such as resnet18, timm/NAME or torchvision/NAME",
        "grid": "choose a family such as unet, or smp/NAME",
        "boxes": f"choose a detector ({', '.join(DETECTORS.names())})" if wanted == "boxes" else "",
    }
    fix = others[wanted]
    if (given, wanted) == ("row", "boxes"):
        fix += f", of which {name} may be the backbone: arguments {{backbone: {name}}}"
    raise NetworkError(f"{name} gives {_GIVES[given]}, and {_NEEDED[wanted]} are needed", fix=fix)


def _from_library(
    name: str, arguments: dict[str, Any], shape: Shape, outputs: int, edits: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    spec = {"kind": "library", "name": name, "arguments": arguments, "input": list(shape), "outputs": outputs}
    if edits is not None:
        spec["edits"] = edits
    try:
        checked(spec)
    except NetworkError as error:
        hopeless = isinstance(error, _WrongOutputs) or isinstance(error.__cause__, TypeError | NetworkError)
        near = None if hopeless else _nearest_side(spec)
        raise NetworkError(
            error.message, error.fix if near is None else f"the nearest multiple of 32 that it takes is {near} px"
        ) from (error.__cause__)
    return spec


def _forward(spec: Mapping[str, Any], device: str) -> nn.Module:
    """Build on a device, and run one picture of zeros through."""
    with torch.random.fork_rng(devices=[]), torch.device(device):
        module = build(spec).eval()
    reached = ["the input"]

    def note(name: str) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            shapes = [tuple(one.shape[1:]) for one in inputs if isinstance(one, Tensor)]
            received = "×".join(map(str, shapes[0])) if shapes else "nothing"
            reached[0] = f"its layer {name} (`{type(layer).__name__}`), which receives {received}"

        return hook

    handles = [layer.register_forward_pre_hook(note(name)) for name, layer in module.named_modules() if name]
    size = "×".join(map(str, spec["input"]))
    try:
        with torch.no_grad():
            outputs = module(torch.zeros(1, *spec["input"], device=device))
    except Exception as error:  # each library has its own way to refuse a size
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        also = f", or change its arguments {spec['arguments']}" if spec.get("arguments") else ""
        raise NetworkError(
            f"{spec['name']} does not take an input of {size}: it fails at {reached[0]}: {first}",
            fix=f"give another size{also}",
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    wanted, fix = _expected(spec)
    if not isinstance(outputs, Tensor) or tuple(outputs.shape[: len(wanted)]) != wanted:
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise _WrongOutputs(f"{spec['name']} gives {found} for one picture of {size}, not {wanted}", fix=fix)
    return module


def _expected(spec: Mapping[str, Any]) -> tuple[tuple[int, ...], str]:
    """The shape that outputs for one sample begin with, and what to do where they do not."""
    if spec["kind"] == "detector":
        return (1, MOST, FOUND), "choose another detector"
    if spec["kind"] == "library" and in_grid(spec["name"]):
        fix = "leave its arguments `upsampling` and `encoder_depth` as they are"
        return (1, spec["outputs"], *spec["input"][1:]), fix
    return (1, spec["outputs"]), "choose a network for classification"


def _check_size(network: Network, shape: Shape) -> None:
    """Raise `NetworkError`, with the nearest sizes that it takes, where a network does not take an input."""
    try:
        network.output_shape(shape)
    except NetworkError as error:
        near = [] if "nearest" in (error.fix or "") else _nearest_sizes(network, shape)
        if not near:
            raise
        plural = "sizes that it takes are" if len(near) > 1 else "size that it takes is"
        said = f"the nearest {plural} {' and '.join(map(str, near))}"
        raise NetworkError(error.message, f"{error.fix}; {said}" if error.fix else said) from None


def _nearest_sizes(network: Network, shape: Shape) -> list[int]:
    """The next smaller and the next larger size, of all axes alike, that a network takes."""

    def takes(size: int) -> bool:
        try:
            network.output_shape((*lead, *(size,) * (len(shape) - len(lead))))
        except NetworkError:
            return False
        return True

    lead = shape[:1] if len(shape) > 1 else ()  # a vector, or tokens, have no channels
    wanted = min(shape[len(lead) :])
    below = range(wanted - 1, max(0, wanted - MOST_FARTHER), -1)
    above = range(wanted + 1, wanted + MOST_FARTHER)
    found = (next((size for size in sizes if takes(size)), None) for sizes in (below, above))
    return [size for size in found if size is not None]


def _needs_memory(error: NetworkError) -> bool:
    """Whether a failure may be the meta device's own, so that real memory must tell."""
    text = str(error).lower()
    return isinstance(error.__cause__, NotImplementedError) or "meta" in text or "device" in text


def _nearest_side(spec: Mapping[str, Any]) -> int | None:
    """The nearest multiple of 32 px, up to 512, that a network takes as height and width."""
    channels, height, width = spec["input"]
    wanted = min(height, width)
    for side in sorted(range(32, 513, 32), key=lambda side: abs(side - wanted)):
        if (side, side) != (height, width) and _takes({**spec, "input": [channels, side, side]}):
            return side
    return None


def _takes(spec: Mapping[str, Any]) -> bool:
    try:
        checked(spec)
    except NetworkError:
        return False
    return True
