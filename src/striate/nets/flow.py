"""What flows where in any module: receptive fields and the graph of its layers, followed as torch dispatches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from striate.nets.field import Field
from striate.nets.reach import Unknown
from striate.nets.rules import Call, follow

INPUT = "input"
# Operations that only hand tensors on, or lay them out otherwise: no step of their own.
_SILENT = {
    *(
        "view",
        "_unsafe_view",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "t",
        "expand",
        "clone",
        "detach",
        "alias",
    ),
    *("split", "split_with_sizes", "unbind", "select", "_to_copy", "contiguous", "lift_fresh", "_reshape_alias"),
}


@dataclass(frozen=True)
class ReceptiveField:
    """What one position of a layer's output sees of the input, along each axis.

    Args:
        size: pixels; the most, where positions differ. Borders aside: it may be larger than the input.
        stride: pixels from one position to the next; None along an axis that is seen whole or where order is lost.
        offset: the first pixel that position 0 sees; below zero it begins in the padding.
    """

    size: tuple[int, ...]
    stride: tuple[float | None, ...]
    offset: tuple[int | None, ...]

    def to_dict(self) -> dict[str, list[Any]]:
        """Plain values."""
        return {"size": list(self.size), "stride": list(self.stride), "offset": list(self.offset)}

    def __str__(self) -> str:
        """The size, the stride behind a slash, and the offset behind an at sign; one number where all axes agree.

        >>> str(ReceptiveField((7, 7), (2, 2), (-3, -3)))
        '7/2@-3'
        """
        parts = [_one(self.size)]
        if any(stride is not None for stride in self.stride):
            parts.append(f"/{_one(self.stride)}")
            parts.append(f"@{_one(self.offset)}")
        return "".join(parts)


@dataclass(frozen=True)
class Step:
    """A node of the graph: the input, a layer without parts, or an operation between layers.

    Args:
        name: dotted, of the layer; of the part that holds it and the operation, otherwise.
        kind: the layer's class, or the operation.
        layer: the layer's dotted name; None for an operation.
        output: the shape of its output, without the batch.
    """

    name: str
    kind: str
    layer: str | None
    output: tuple[int, ...]


@dataclass(frozen=True)
class Edge:
    """A tensor on its way from one step to another, by their numbers; its shape is without the batch."""

    source: int
    target: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Flow:
    """What was seen in one forward pass.

    Args:
        steps: in the order in which they first ran; the first is the input.
        edges: between them.
        fields: by the dotted name of each module that ran: of its (first) output; None where it cannot be told.
        tensors: the same exactly, position by position; None where it is unknown, or sees nothing of the input.
        outputs: by the same names, the shapes of the outputs without the batch.
    """

    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    fields: Mapping[str, ReceptiveField | None]
    tensors: Mapping[str, Field | None]
    outputs: Mapping[str, tuple[int, ...]]


@contextmanager
def following(module: nn.Module, images: Tensor) -> Iterator[Following]:
    """Follow the input through a module while the block runs it, once.

    Args:
        images: the input, (N, C, *grid), or (N, L) of integers.
    """
    mode = Following(module, images)
    handles = [
        handle
        for name, layer in module.named_modules()
        for handle in (
            layer.register_forward_pre_hook(mode.entering(name), prepend=True),
            layer.register_forward_hook(mode.leaving(name)),
        )
    ]
    try:
        with mode:
            yield mode
    finally:
        for handle in handles:
            handle.remove()


class Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hears of every operation and keeps, for each tensor, its field and the step that made it."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._module = module
        axes = images.dim() - (2 if images.is_floating_point() else 1)
        self._sizes = tuple(images.shape[images.dim() - max(axes, 0) :])
        self._fields: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._makers: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._sharing: dict[int, list[ref[Tensor]]] = {}
        for tensor in (*module.parameters(), *module.buffers()):
            self._fields[tensor] = None
        self._keep(images, Field.of_input(images.shape, max(axes, 0)))
        self._makers[images] = 0
        self._stack: list[tuple[str, int]] = []
        self._calls = 0
        self._steps: dict[object, int] = {INPUT: 0}
        self._shown = [Step(INPUT, INPUT, None, tuple(images.shape[1:]))]
        self._edges: dict[tuple[int, int, tuple[int, ...]], None] = {}
        self._found: dict[str, Field | Unknown | None] = {}
        self._outputs: dict[str, tuple[int, ...]] = {}

    def flow(self) -> Flow:
        """What was seen so far."""
        return Flow(
            tuple(self._shown),
            tuple(Edge(*one) for one in self._edges),
            {name: receptive_field(found, len(self._sizes)) for name, found in self._found.items()},
            {name: found if isinstance(found, Field) else None for name, found in self._found.items()},
            dict(self._outputs),
        )

    def entering(self, name: str) -> Any:
        """The hook for the moment before a module runs."""

        def hook(_: nn.Module, __: Any) -> None:
            self._calls += 1
            self._stack.append((name, self._calls))

        return hook

    def leaving(self, name: str) -> Any:
        """The hook for the moment after it."""

        def hook(_: nn.Module, __: Any, output: Any) -> None:
            self._stack.pop()
            first = next(_tensors(output), None)
            if first is not None and name not in self._found:
                self._found[name] = self._look(first)
                self._outputs[name] = tuple(first.shape[1:])

        return hook

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = list(_tensors((args, kwargs)))
        before = [self._look(tensor) for tensor in given]
        output = func(*args, **(kwargs or {}))
        made = list(_tensors(output))
        if made:
            name = func.overloadpacket.__name__
            field = self._follow(func, name, args, kwargs or {}, given, before, made)
            self._place(name, given, made, depends=field is not None)
        return output

    def _follow(
        self, func: Any, name: str, args: Any, kwargs: Any, given: list[Tensor], before: list[Any], made: list[Tensor]
    ) -> Field | Unknown | None:
        known = dict(zip(map(id, given), before, strict=True))

        def look(tensor: Tensor) -> Field | None:
            field = known[id(tensor)]
            if isinstance(field, Unknown):
                raise field
            return field  # type: ignore[no-any-return]

        if name == "lift_fresh":  # a number that the code wrote out
            field: Field | Unknown | None = None
        else:
            named = _named(func, args, kwargs)
            if name == "copy_":  # what was there before is gone
                named.pop("self", None)
            tag = torch.Tag.pointwise in func.tags or _plain_tag(func, name)
            try:
                field = follow(Call(name, named, made[0], look), tag)
            except Unknown as unknown:
                field = unknown
        written = name.endswith("_") and not name.startswith("_")
        for number, tensor in enumerate(made):
            own = field
            if number and isinstance(field, Field) and tuple(tensor.shape) != tuple(made[0].shape):
                own = Unknown("its outputs differ in shape") if not _same_pieces(name) else self._again(
                    func, name, args, kwargs, look, tensor)  # fmt: skip
            self._keep(tensor, own, written=written)
        return field

    def _again(self, func: Any, name: str, args: Any, kwargs: Any, look: Any, tensor: Tensor) -> Field | Unknown | None:
        try:
            return follow(Call(name, _named(func, args, kwargs), tensor, look), False)
        except Unknown as unknown:
            return unknown

    def _look(self, tensor: Tensor) -> Field | Unknown | None:
        found: Field | Unknown | None = self._fields.get(tensor, _UNSEEN)  # type: ignore[no-untyped-call]
        return found

    def _keep(self, tensor: Tensor, field: Field | Unknown | None, *, written: bool = False) -> None:
        place = int(tensor.untyped_storage()._cdata)
        sharing = [one for one in self._sharing.get(place, []) if one() is not None and one() is not tensor]
        if written:  # whoever looks at this memory in another way now sees something else
            for one in sharing:
                if field is None and self._look(one()) is None:  # type: ignore[arg-type]
                    continue  # a number in a table of numbers
                self._fields[one()] = Unknown("it was written into through a view")
        self._sharing[place] = [*sharing, ref(tensor)]
        self._fields[tensor] = field

    def _place(self, name: str, given: list[Tensor], made: list[Tensor], *, depends: bool) -> None:
        """Say which step made these tensors, and draw the edges that lead to it."""
        sources = list(dict.fromkeys((self._makers[one], tuple(one.shape[1:])) for one in given if one in self._makers))
        if not sources or not depends:
            return
        layer, call = self._stack[-1] if self._stack else ("", 0)
        module = self._module.get_submodule(layer)
        leaf = not any(True for _ in module.children())
        if not leaf and name.rstrip("_") in _SILENT:
            for tensor in made:
                self._makers[tensor] = sources[0][0]
            return
        key: object = call if leaf else object()
        step = self._steps.setdefault(key, len(self._shown))
        kind = type(module).__name__ if leaf else name.strip("_")
        label = layer if leaf else f"{layer}.{kind}" if layer else kind
        entry = Step(label, kind, layer if leaf else None, tuple(made[0].shape[1:]))
        if step == len(self._shown):
            self._shown.append(entry)
        else:
            self._shown[step] = entry
        for source, shape in sources:
            if source != step:
                self._edges.setdefault((source, step, shape))
        for tensor in made:
            self._makers[tensor] = step


_UNSEEN = Unknown("it was made out of sight")


def receptive_field(found: Field | Unknown | None, axes: int) -> ReceptiveField | None:
    """What people read of a field; None where it is unknown; of size 0 where nothing is seen of the input."""
    if isinstance(found, Unknown):
        return None
    if found is None:
        return ReceptiveField((0,) * axes, (None,) * axes, (None,) * axes)
    sizes: list[int] = []
    strides: list[int | float | None] = []
    offsets: list[int | None] = []
    for axis, reach in enumerate(found.reaches):
        if reach is None:
            sizes.append(found.sizes[axis])
            strides.append(None)
            offsets.append(0)
            continue
        reach, step = found.seen(axis)
        stride = None if step is None else reach.stride * step
        sizes.append(reach.size)
        strides.append(None if stride is None else int(stride) if stride.denominator == 1 else float(stride))
        offsets.append(None if step is None else reach.span(0)[0])
    return ReceptiveField(tuple(sizes), tuple(strides), tuple(offsets))


def _one(values: tuple[Any, ...]) -> str:
    shown = ["–" if value is None else f"{value:g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else "×".join(shown)


def _named(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of an operation by their names in its schema, with its defaults."""
    schema = func._schema.arguments
    values = {one.name: one.default_value for one in schema if one.has_default_value()}
    return {**values, **{one.name: value for one, value in zip(schema, args, strict=False)}, **kwargs}


def _plain_tag(func: Any, name: str) -> bool:
    """Whether the variant of an operation that does not write into its argument is one on each number by itself."""
    if not name.endswith("_") or name.startswith("_"):
        return False
    plain = getattr(torch.ops.aten, name.rstrip("_"), None)
    return plain is not None and any(
        torch.Tag.pointwise in getattr(plain, overload).tags for overload in plain.overloads()
    )


def _same_pieces(name: str) -> bool:
    return name in ("split", "split_with_sizes", "chunk")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
