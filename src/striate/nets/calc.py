"""The everyday question, answered with its formula worked through: what a layer makes of a size, and what it costs.

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", has the formulas with drawings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from striate.core.errors import NetworkError, UsageError

Kind = Literal["conv", "transposed", "pool"]
KINDS: tuple[Kind, ...] = ("conv", "transposed", "pool")
MOST_AXES = 3


@dataclass(frozen=True)
class Calculation:
    """What was worked out.

    Args:
        output: the shape, (channels, *grid); without channels where none were given.
        parameters: learnt numbers; None where channels or filters were not given.
        macs: multiply-accumulates for one sample; None likewise.
        steps: how it comes about, a line each.
    """

    output: tuple[int, ...]
    parameters: int | None
    macs: int | None
    steps: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "output": list(self.output),
            "parameters": self.parameters,
            "macs": self.macs,
            "steps": list(self.steps),
        }


def calculate(
    kind: Kind | str,
    input: tuple[int, ...],
    kernel: int | tuple[int, ...],
    *,
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    channels: int | None = None,
    filters: int | None = None,
    bias: bool = True,
) -> Calculation:
    """Work out a convolution, a transposed convolution or a pooling on a grid of one to three axes.

    Args:
        kind: "conv", "transposed" or "pool".
        input: the size of each axis.
        kernel, stride, padding, dilation, output_padding: one number, or one for each axis. The stride is 1, for a
            pooling its window, unless given; "same" padding keeps ⌈n / stride⌉, "valid" is none.
        groups: of channels; of convolutions only.
        channels, filters: of input and output; parameters and operations need both (a pooling has no parameters).
        bias: whether each filter has one.

    Raises:
        NetworkError: the kernel is larger than what it runs over, or the groups do not divide the channels.
        UsageError: a number that no layer of this kind takes.

    >>> calculate("conv", (28,), 3).output, calculate("transposed", (14,), 2, stride=2).output
    ((26,), (28,))
    >>> calculate("conv", (5, 5), 3, channels=3, filters=10).parameters
    280
    """
    axes = len(input)
    if kind not in KINDS:
        raise UsageError(f"there is nothing to calculate for {kind!r}", fix=f"choose one of: {', '.join(KINDS)}")
    if not 1 <= axes <= MOST_AXES:
        raise UsageError(f"an input of {axes} axes is no grid", fix="give one to three sizes, such as 28x28")
    sizes = _each("kernel", kernel, axes, 1)
    strides = _each("stride", (sizes if kind == "pool" else 1) if stride is None else stride, axes, 1)
    gaps = _each("dilation", dilation, axes, 1)
    extra = _each("output_padding", output_padding, axes, 0)
    _each("input", input, axes, 1)
    _refuse(kind, groups, channels, filters, extra)
    if kind != "pool" and (channels is None) != (filters is None):
        raise UsageError("parameters and operations need both channels and filters", fix="give the other, too")
    spans = tuple(gap * (size - 1) + 1 for gap, size in zip(gaps, sizes, strict=True))
    pads = _pads(kind, padding, input, spans, strides)
    steps: list[str] = []
    grid: list[int] = []
    names = ("",) if axes == 1 else ("depth", "height", "width")[-axes:]
    seen = set()
    for name, n, k, s, (before, behind), d, o in zip(names, input, sizes, strides, pads, gaps, extra, strict=True):
        key = (n, k, s, before, behind, d, o)
        lines, size = _transposed(*key) if kind == "transposed" else _windows(*key[:-1])
        grid.append(size)
        if key in seen:
            steps.append(f"{name}: the same, {size}")
        else:
            steps += [f"{name}: {line}" if name else line for line in lines]
        seen.add(key)
    if kind == "pool":
        depth, parameters, macs = channels, 0, 0
        steps.append("parameters: a pooling learns nothing; it compares or adds, and multiplies nothing")
    else:
        depth, parameters, macs = filters, None, None
        if channels is not None and filters is not None:
            parameters, macs, lines = _cost(kind, input, tuple(grid), sizes, groups, channels, filters, bias)
            steps += lines
    output = (*(() if depth is None else (depth,)), *grid)
    return Calculation(output, parameters, macs, tuple(steps))


def _windows(n: int, k: int, s: int, before: int, behind: int, d: int) -> tuple[list[str], int]:
    """The formula of convolution and pooling, along one axis."""
    span, whole = d * (k - 1) + 1, n + before + behind
    lines = []
    if d > 1:
        lines.append(f"a kernel of {k} with dilation {d} spans {d}·({k} − 1) + 1 = {span}")
    if span > whole:
        padded = f"{n} + {before} + {behind} = {whole}" if before or behind else f"{n}"
        need = span - whole
        raise NetworkError(
            f"a kernel that spans {span} does not fit an input of {padded}",
            fix=f"pad by {-(-need // 2)} more on each side, or use a smaller kernel or dilation",
        )
    padding = f"2·{before}" if before == behind else f"{before} + {behind}"
    steps, left = divmod(whole - span, s)
    lines.append(f"output = ⌊(input + {'2·padding' if before == behind else 'padding'} − span) / stride⌋ + 1")
    lines.append(
        f"       = ⌊({n} + {padding} − {span}) / {s}⌋ + 1 = ⌊{whole - span} / {s}⌋ + 1 = {steps} + 1 = {steps + 1}"
    )
    if left:
        exact = (whole - span) / s + 1
        over = f"{left} position{'s' if left > 1 else ''} of the padded input {'are' if left > 1 else 'is'} left over"
        lines.append(f"the division gives {exact:g}; the floor counts, as no part of a window is used: the last {over}")
    return lines, steps + 1


def _transposed(n: int, k: int, s: int, before: int, behind: int, d: int, o: int) -> tuple[list[str], int]:
    """The formula of transposed convolution, along one axis."""
    size = (n - 1) * s - before - behind + d * (k - 1) + o + 1
    lines = [
        "output = (input − 1)·stride − 2·padding + dilation·(kernel − 1) + output padding + 1",
        f"       = ({n} − 1)·{s} − 2·{before} + {d}·({k} − 1) + {o} + 1 = {size}",
    ]
    if o and o >= max(s, d):
        raise NetworkError(
            f"output padding {o} must be smaller than the stride {s} or the dilation {d}",
            fix=f"give at most {max(s, d) - 1}",
        )
    if size < 1:
        raise NetworkError(
            f"a padding of {before} takes all away: {lines[1].strip(' =')}", fix="pad less, or use a larger kernel"
        )
    return lines, size


def _cost(
    kind: str,
    input: tuple[int, ...],
    grid: tuple[int, ...],
    kernel: tuple[int, ...],
    groups: int,
    channels: int,
    filters: int,
    bias: bool,
) -> tuple[int, int, list[str]]:
    """Parameters and multiply-accumulates of a convolution, with the products written out."""
    shown = "·".join(map(str, kernel))
    weights = prod(kernel) * (channels // groups) * filters
    parameters = weights + (filters if bias else 0)
    grouped = f"({channels}/{groups})" if groups > 1 else f"{channels}"
    places = input if kind == "transposed" else grid
    product = f"kernel · input channels{' of a group' if groups > 1 else ''} · filters{' + biases' if bias else ''}"
    lines = [
        f"parameters = {product} = {shown}·{grouped}·{filters}{f' + {filters}' if bias else ''} = {parameters:,}",
        f"multiply-accumulates = weights · {'input' if kind == 'transposed' else 'output'} positions = "
        f"{weights:,}·{'·'.join(map(str, places))} = {weights * prod(places):,}",
    ]
    return parameters, weights * prod(places), lines


def _pads(
    kind: str,
    padding: int | tuple[int, ...] | str,
    input: tuple[int, ...],
    spans: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """Positions added before and behind each axis."""
    if padding == "valid":
        return ((0, 0),) * len(input)
    if padding == "same":
        if kind == "transposed":
            raise UsageError('a transposed convolution has no "same" padding', fix="give a number")
        whole = [max((-(-n // s) - 1) * s + span - n, 0) for n, s, span in zip(input, strides, spans, strict=True)]
        return tuple((one // 2, one - one // 2) for one in whole)
    if isinstance(padding, str):
        raise UsageError(f"there is no padding {padding!r}", fix='give a number, "same" or "valid"')
    pads = _each("padding", padding, len(input), 0)
    if kind == "pool" and any(2 * pad > span for pad, span in zip(pads, spans, strict=True)):
        raise NetworkError("the padding of a pooling must be at most half its window", fix="pad less")
    return tuple((pad, pad) for pad in pads)


def _each(name: str, value: int | tuple[int, ...], axes: int, least: int) -> tuple[int, ...]:
    values = (value,) * axes if isinstance(value, int) else value
    if len(values) == 1:
        values = values * axes
    if len(values) != axes:
        raise UsageError(f"{name} has {len(values)} numbers for {axes} axes", fix=f"give one, or {axes}")
    if min(values) < least:
        raise UsageError(f"{name} must be at least {least}, not {min(values)}")
    return values


def _refuse(kind: str, groups: int, channels: int | None, filters: int | None, extra: tuple[int, ...]) -> None:
    for name, count in (("groups", groups), ("channels", channels), ("filters", filters)):
        if count is not None and count < 1:
            raise UsageError(f"{name} must be at least 1, not {count}")
    if kind == "pool" and (filters is not None or groups != 1):
        raise UsageError("a pooling has neither filters nor groups: it keeps the channels", fix="leave them out")
    if kind != "transposed" and any(extra):
        raise UsageError("only a transposed convolution has an output padding", fix="leave it out")
    for name, count in (("input channels", channels), ("filters", filters)):
        if count is not None and count % groups:
            near = [one for one in range(1, count + 1) if count % one == 0]
            best = min(near, key=lambda one: abs(one - groups))
            raise NetworkError(f"{groups} groups do not divide {count} {name}", fix=f"use {best} groups, say")
