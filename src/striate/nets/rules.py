"""What each of torch's operations does to receptive fields; one that is not here makes them unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from striate.nets.field import Field, Piece, joined
from striate.nets.reach import Unknown, Window

Rule = Callable[["Call"], Field]
RULES: dict[str, Rule] = {}

# Without the tag that torch gives to operations on each number by itself, though they are.
_ELEMENTWISE = {
    *("_prelu_kernel", "hardswish", "clone", "alias", "detach", "_to_copy", "lift_fresh", "contiguous", "expand"),
    *("copy", "native_dropout", "hardtanh", "bernoulli", "_conj"),
}


@dataclass(frozen=True)
class Call:
    """One operation as it was dispatched.

    Args:
        name: of the operation, without namespace and overload.
        arguments: by name, defaults included.
        output: its first output.
        field: of a tensor among the arguments; None for one that does not depend on the input.
    """

    name: str
    arguments: dict[str, Any]
    output: Tensor
    field: Callable[[Tensor], Field | None]

    def __getitem__(self, name: str) -> Any:
        return self.arguments.get(name)

    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments."""
        found: list[Tensor] = []
        for value in self.arguments.values():
            found += [
                one for one in (value if isinstance(value, list | tuple) else (value,)) if isinstance(one, Tensor)
            ]
        return found

    @property
    def first(self) -> Field:
        """The field of the first argument."""
        field = self.field(next(value for value in self.arguments.values() if isinstance(value, Tensor)))
        if field is None:
            raise Unknown("only what modifies the first argument depends on the input")
        return field

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's."""
        return tuple(self.output.shape)


def follow(call: Call, elementwise: bool) -> Field | None:
    """The field of an operation's output; None where it does not depend on the input.

    Args:
        elementwise: whether torch says that it works on each number by itself.

    Raises:
        Unknown: no rule tells.
    """
    fields = [call.field(tensor) for tensor in call.tensors()]
    dependent = [field for field in fields if field is not None]
    if not dependent or call.name.endswith(("_like", "new_empty", "new_zeros", "new_ones", "new_full")):
        return None
    if elementwise or call.name.rstrip("_") in _ELEMENTWISE:
        return joined(dependent, call.shape)
    rule = RULES.get(call.name)
    if rule is None:
        raise Unknown(f"there is no rule for {call.name}")
    return rule(call)


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def _each(value: Any, count: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [int(one) for one in values] * (count if len(values) == 1 else 1)


@_rule("convolution")
def _convolution(call: Call) -> Field:
    kernel, weight = tuple(call["weight"].shape[2:]), call["weight"]
    if call.field(weight) is not None:
        raise Unknown("filters depend on the input")
    field, axes = call.first, len(kernel)
    inputs, groups = field.extent(1), int(call["groups"])
    if groups < inputs:
        if groups > 1 and any(not piece.plain for piece in field.dimensions[1]):
            raise Unknown("groups of channels hold positions")
        field = field.mixed(1)
    if any(not piece.plain for piece in field.dimensions[1]):
        raise Unknown("channels hold positions")
    field = field.with_dimension(1, (Piece(call.shape[1]),))
    settings = (_each(call[name], axes) for name in ("stride", "padding", "dilation"))
    for axis, (size, stride, pad, gap) in enumerate(zip(kernel, *settings, strict=True)):
        span = gap * (size - 1)
        window = Window(1, stride, pad - span, pad) if call["transposed"] else Window(stride, 1, -pad, span - pad)
        field = field.windowed(2 + axis, window, call.shape[2 + axis])
    return field


@_rule("max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d")
def _pool(call: Call) -> Field:
    field, axes = call.first, len(call["kernel_size"])
    kernel = _each(call["kernel_size"], axes)
    stride = _each(call["stride"], axes) if call["stride"] else kernel
    pad, gap = _each(call["padding"], axes), _each(call["dilation"] or 1, axes)
    for axis in range(axes):
        window = Window(stride[axis], 1, -pad[axis], gap[axis] * (kernel[axis] - 1) - pad[axis])
        place = len(call.shape) - axes + axis
        field = field.windowed(place, window, call.shape[place])
    return field


@_rule(
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d"),
)
def _adaptive(call: Call) -> Field:
    field, axes = call.first, len(call["output_size"])
    for place in range(len(call.shape) - axes, len(call.shape)):
        inputs, outputs = field.extent(place), call.shape[place]
        if outputs == 1:
            field = field.mixed(place).with_dimension(place, (Piece(1),))
        else:
            field = field.windowed(place, _simplest(inputs, outputs, 1 - outputs, inputs - 1), outputs)
    return field


@_rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
def _nearest(call: Call) -> Field:
    return _upsampled(call, lambda inputs, outputs: _simplest(inputs, outputs, 1 - outputs, 0))


@_rule("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d")
def _interpolated(call: Call) -> Field:
    radius = 2 if "cubic" in call.name else 1
    aligned = bool(call["align_corners"])

    def window(inputs: int, outputs: int) -> Window:
        if not aligned:  # position j lies at ((2j + 1)·inputs / outputs − 1) / 2
            wide = 2 * outputs
            return Window(2 * inputs, wide, inputs - outputs - radius * wide + 1, inputs - outputs + radius * wide - 1)
        wide = max(outputs - 1, 1)
        return Window(inputs - 1, wide, 1 - radius * wide, radius * wide - 1)

    return _upsampled(call, window)


def _upsampled(call: Call, window: Callable[[int, int], Window]) -> Field:
    field = call.first
    factors = call["scale_factors"] or [call[name] for name in ("scales", "scales_d", "scales_h", "scales_w")]
    factors = [factor for factor in factors if factor is not None]
    for axis, place in enumerate(range(2, len(call.shape))):
        inputs, outputs = field.extent(place), call.shape[place]
        if factors and not call["align_corners"] and not math.isclose(outputs, inputs * factors[axis % len(factors)]):
            raise Unknown("the output is no whole multiple of the input")
        if inputs != outputs:
            field = field.windowed(place, window(inputs, outputs), outputs)
    return field


def _simplest(numerator: int, denominator: int, low: int, high: int) -> Window:
    """The same window with the smallest numbers, so that a factor of 2 has a period of 2."""
    factor = math.gcd(numerator, denominator)
    return Window(numerator // factor, denominator // factor, -(-low // factor), high // factor)


@_rule(
    *("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d"),
    *("replication_pad1d", "replication_pad2d", "replication_pad3d"),
)
def _padded(call: Call) -> Field:
    field, pads = call.first, list(call["pad"] if call["pad"] is not None else call["padding"])
    for number, before in enumerate(pads[::2], 1):
        place = len(call.shape) - number
        if before or pads[2 * number - 1]:
            field = field.windowed(place, Window(1, 1, -before, -before), call.shape[place])
    return field


@_rule("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp", "linalg_vector_norm", "prod")
def _reduced(call: Call) -> Field:
    field = call.first
    count, dim = len(field.dimensions), call["dim"]
    chosen = range(count) if dim is None or dim == [] else [place % count for place in _each(dim, 1)]
    field = field.mixed(*chosen)
    kept = bool(call["keepdim"])
    left = [(Piece(1),) if place in chosen else one for place, one in enumerate(field.dimensions)]
    return field.with_dimensions([one for place, one in enumerate(left) if kept or place not in chosen])


@_rule("_softmax", "_log_softmax", "_safe_softmax", "cumsum", "sort", "logcumsumexp")
def _along(call: Call) -> Field:
    field = call.first
    place = call["dim"] % len(field.dimensions)
    return _seeing(field, field.mixed(place), [place])


@_rule("native_layer_norm", "_fused_rms_norm")
def _layer_norm(call: Call) -> Field:
    field, count = call.first, len(call["normalized_shape"])
    places = list(range(len(field.dimensions) - count, len(field.dimensions)))
    return _seeing(field, field.mixed(*places), places)


@_rule("native_group_norm")
def _group_norm(call: Call) -> Field:
    field = call.first
    places = list(range(1, len(field.dimensions)))
    return _seeing(field, field.mixed(*places), places)


@_rule("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "_native_batch_norm_legit")
def _batch_norm(call: Call) -> Field:
    if not call["training"]:
        return call.first
    places = [place for place in range(len(call.shape)) if place != 1]
    return _seeing(call.first, call.first.mixed(*places), places)


def _seeing(field: Field, mixed: Field, places: Sequence[int]) -> Field:
    """Element for element as before, but each sees what the mixture sees."""
    thin = [(Piece(1),) if place in places else one for place, one in enumerate(mixed.dimensions)]
    return joined([field, mixed.with_dimensions(thin)], [field.extent(place) for place in range(len(thin))])


@_rule("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten", "view_as_real")
def _view(call: Call) -> Field:
    return call.first.reshaped(call.shape)


@_rule("as_strided_")
def _strided(call: Call) -> Field:
    if call.shape[2:].count(1) != len(call.shape[2:]) or list(call["size"]) != list(call["self"].shape):
        raise Unknown("memory is laid out anew")
    return call.first  # a pooled 1×1 map that is made to look channels-last


@_rule("permute")
def _permute(call: Call) -> Field:
    field = call.first
    return field.with_dimensions([field.dimensions[place] for place in call["dims"]])


@_rule("transpose", "t")
def _transpose(call: Call) -> Field:
    field = call.first
    one, two = (0, 1) if call.name == "t" else (call["dim0"], call["dim1"])
    order = list(range(len(field.dimensions)))
    if order:
        order[one], order[two] = order[two], order[one]
    return field.with_dimensions([field.dimensions[place] for place in order])


@_rule("slice")
def _slice(call: Call) -> Field:
    field = call.first
    place, step = call["dim"] % len(field.dimensions), call["step"] or 1
    extent, start = field.extent(place), call["start"] or 0
    start = min(start + extent if start < 0 else start, extent)
    if (start, step, call.shape[place]) == (0, 1, extent):
        return field
    return field.windowed(place, Window(step, 1, start, start), call.shape[place])


@_rule("select", "unbind")
def _select(call: Call) -> Field:
    field = call.first
    place = (call["dim"] or 0) % len(field.dimensions)
    if any(not piece.plain for piece in field.dimensions[place]):
        raise Unknown("one position is taken out of many")
    return field.with_dimensions([one for number, one in enumerate(field.dimensions) if number != place])


@_rule("split", "split_with_sizes", "chunk", "narrow", "glu")
def _part(call: Call) -> Field:
    field = call.first
    place = (call["dim"] or 0) % len(field.dimensions)
    if any(not piece.plain for piece in field.dimensions[place]):
        raise Unknown("positions are divided")
    return field.with_dimension(place, (Piece(call.shape[place]),))


@_rule("cat")
def _concatenated(call: Call) -> Field:
    place = (call["dim"] or 0) % len(call.shape)
    parts = [field for tensor in call["tensors"] if (field := call.field(tensor)) is not None]
    along = [field for field in parts if any(not piece.plain for piece in field.dimensions[place])]
    if along:
        if len(parts) > 1:
            raise Unknown("positions are strung together")
        return along[0].scattered(place, call.shape[place])
    return joined([field.with_dimension(place, (Piece(call.shape[place]),)) for field in parts], call.shape)


@_rule("stack")
def _stacked(call: Call) -> Field:
    place = (call["dim"] or 0) % len(call.shape)
    parts = [field for tensor in call["tensors"] if (field := call.field(tensor)) is not None]
    thick = [
        field.with_dimensions(
            [*field.dimensions[:place], (Piece(call.shape[place]),), *field.dimensions[place:]]
        )
        for field in parts
    ]  # fmt: skip
    return joined(thick, call.shape)


@_rule("roll")
def _roll(call: Call) -> Field:
    field = call.first
    for shift, dim in zip(_each(call["shifts"], 1), _each(call["dims"], 1), strict=True):
        place = dim % len(field.dimensions)
        field = field.windowed(place, Window(1, 1, -shift, -shift), field.extent(place))
    return field


@_rule("pixel_shuffle")
def _pixel_shuffle(call: Call) -> Field:
    factor = int(call["upscale_factor"])
    window = Window(1, factor, 1 - factor, 0)
    return _scaled(call, window)


@_rule("pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> Field:
    factor = int(call["downscale_factor"])
    return _scaled(call, Window(factor, 1, 0, factor - 1))


def _scaled(call: Call, window: Window) -> Field:
    field, count = call.first, len(call.shape)
    for place in (count - 2, count - 1):
        field = field.windowed(place, window, call.shape[place])
    return field.with_dimension(count - 3, (Piece(call.shape[-3]),))


@_rule("mm", "bmm", "matmul", "addmm", "baddbmm", "linear")
def _product(call: Call) -> Field:
    left, right = (call["self"], call["mat2"]) if call["mat2"] is not None else (call["batch1"], call["batch2"])
    if call.name == "addmm":
        left, right = call["mat1"], call["mat2"]
    if call.name == "linear":
        left, right = call["input"], None
    one = call.field(left)
    two = call.field(right) if right is not None else None
    more = [call.field(call["self"])] if call.name in ("addmm", "baddbmm") else []
    parts = [field for field in more if field is not None]
    if one is not None:
        one = one.mixed(-1)
        parts.append(one.with_dimension(-1, (Piece(1),)))
    if two is not None:
        two = two.mixed(-2)
        if one is not None and any(not piece.plain for piece in one.dimensions[-2]):
            two = two.mixed(-1)  # rows and columns of one table cannot both be positions
        parts.append(two.with_dimension(-2, (Piece(1),)))
    return joined(parts, call.shape)
