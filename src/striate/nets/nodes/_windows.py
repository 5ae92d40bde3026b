"""How windows lie on a grid: what convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor
from torch.nn import functional

from striate.nets.node import Misfit, Node, Shape

Fill: TypeAlias = Literal["zeros", "reflect", "replicate", "wrap"] | float

TORCH_MODES = {"zeros": "zeros", "reflect": "reflect", "replicate": "replicate", "wrap": "circular"}


@dataclass(frozen=True)
class Windows:
    """Windows of one size at regular steps, and the padding that makes room for them.

    Args:
        kernel_size, stride, dilation: one number for each axis.
        padding: positions on either side, one number for each axis; "same" for ⌈n / stride⌉ windows, with the odd
            position behind, as TensorFlow does; "causal" for windows that end at their own position.
        fill: what stands in the padding: zeros, another number, the grid mirrored at its outermost positions
            ("reflect"), these repeated ("replicate"), or the other end ("wrap").
    """

    kernel_size: Shape
    stride: Shape
    dilation: Shape
    padding: Shape | Literal["same", "causal"]
    fill: Fill = "zeros"

    def __str__(self) -> str:
        return f"padding={self.padding!r}, fill={self.fill!r}"

    @property
    def spans(self) -> Shape:
        """What a window covers on each axis, dilation included."""
        return tuple(gap * (kernel - 1) + 1 for kernel, gap in zip(self.kernel_size, self.dilation, strict=True))

    def pads(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """Positions before and behind each axis of these sizes."""
        if isinstance(self.padding, tuple):
            return [(pad, pad) for pad in self.padding]
        if self.padding == "causal":
            return [(span - 1, 0) for span in self.spans]
        axes = zip(sizes, self.spans, self.stride, strict=True)
        wholes = [max((-(-size // stride) - 1) * stride + span - size, 0) for size, span, stride in axes]
        return [(whole // 2, whole - whole // 2) for whole in wholes]

    def even_pads(self) -> Shape | None:
        """Positions on either side of each axis, where these are as many whatever the sizes; else None."""
        if isinstance(self.padding, tuple):
            return self.padding
        if all(span == 1 for span in self.spans):
            return (0,) * len(self.spans)
        steps = zip(self.spans, self.stride, strict=True)
        if self.padding == "same" and all(span == 1 or (span % 2 and stride == 1) for span, stride in steps):
            return tuple(span // 2 for span in self.spans)
        return None

    def outputs(self, sizes: Sequence[int]) -> Shape:
        """How many windows fit on each axis."""
        axes = zip(sizes, self.pads(sizes), self.spans, self.stride, strict=True)
        return tuple((size + before + behind - span) // stride + 1 for size, (before, behind), span, stride in axes)

    def pad(self, x: Tensor) -> Tensor:
        """(N, C, *grid), padded."""
        flat = [pad for pair in reversed(self.pads(x.shape[2:])) for pad in pair]
        if isinstance(self.fill, str) and self.fill != "zeros":
            return functional.pad(x, flat, mode=TORCH_MODES[self.fill])
        return functional.pad(x, flat, value=0.0 if self.fill == "zeros" else float(self.fill))


def fitted(node: Node, shape: Shape, windows: Windows) -> Shape:
    """How many windows fit on each axis of a shape.

    Raises:
        Misfit: the window is larger than the padded grid, or the grid has too little to fill the padding with.
    """
    sizes, spans, pads = shape[1:], windows.spans, windows.pads(shape[1:])
    rooms = [size + before + behind - span for size, span, (before, behind) in zip(sizes, spans, pads, strict=True)]
    if min(rooms) < 0:
        least = [max(1, span - before - behind) for span, (before, behind) in zip(spans, pads, strict=True)]
        more = max(-((size - span) // 2) for size, span in zip(sizes, spans, strict=True))
        raise Misfit(
            node, f"needs at least {_by(least)}", shape, fix=f"pad by {more}, or drop a pooling layer before it"
        )
    if windows.fill in ("reflect", "wrap"):
        # A mirror does not repeat the outermost position, and nothing is wrapped round twice.
        spare = 1 if windows.fill == "reflect" else 0
        least = [max(pair) + spare if any(pair) else 1 for pair in pads]
        if any(size < one for size, one in zip(sizes, least, strict=True)):
            raise Misfit(
                node, f'needs at least {_by(least)} to fill its padding by "{windows.fill}"', shape,
                fix='pad less, or set fill to "replicate" or "zeros"',
            )  # fmt: skip
    return windows.outputs(sizes)


def _by(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))
