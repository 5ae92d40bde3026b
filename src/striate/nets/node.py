"""What a node is: a frozen value that knows what it makes of a shape, and how to build the module that does it.

Shapes are channels first and without the batch: (C, L), (C, H, W) or (C, D, H, W) for grids, (F,) for vectors. Nothing
here counts axes, so that a node which serves 1-D, 2-D and 3-D grids alike needs no sisters.

**Names.** A module is called what its node's `name` says, else what its kind is called and its number among the
unnamed ones of its kind in the same list: `conv1`, `norm1`, `conv2`. Structures nest with dots, and that is the name
of a parameter: `stage2.block1.conv1.weight`. So a node put in later renames only later ones of its own kind in its own
list, a named one renames none, and a state_dict reads like the network.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, TypeAlias, Union

import torch
from torch import nn

from striate.core.errors import NetworkError, nearest
from striate.nets.counting import count_operations
from striate.nets.flow import ReceptiveField, following

Shape: TypeAlias = tuple[int, ...]
Sizes: TypeAlias = int | tuple[int, ...]

# A file from elsewhere must not be able to ask for a billion: what no network needs is refused before it is made.
MOST_LAYERS = 10_000
MOST_NUMBERS = 2**36  # of one layer's output for one sample: 256 GiB
LARGEST = 2**31  # of a field, below
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Misfit(NetworkError):
    """A node does not fit the shape that reaches it; the walk that met it adds the layer's number.

    Args:
        node: the node.
        needs: what it needs, as the rest of a sentence: "needs at least 7×7".
        shape: what it receives; None where that is not the matter.
        fix: what to do about it.
    """

    def __init__(self, node: Node, needs: str, shape: Shape | None, fix: str | None = None) -> None:
        self.node, self.needs, self.shape = node, needs, shape
        super().__init__(f"`{node}`: {needs}{'' if shape is None else f', receives {written(shape)}'}", fix)


@dataclass(frozen=True)
class Node(ABC):
    """One layer, or a structure of layers, as a value.

    A subclass is a frozen dataclass registered in `striate.nets.nodes.NODES` under its own name; its fields are plain
    values, nodes, or tuples of these, and are checked against their annotations when it is made.

    Args:
        name: what its module is called in its list; by its kind and number unless given.

    Raises:
        NetworkError: a field has a value of the wrong kind.
    """

    name: str | None = field(default=None, kw_only=True)

    label: ClassVar[str]  # what the module is called where the node has no name; a number follows

    def __post_init__(self) -> None:
        check_fields(self)
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise NetworkError(
                f"`{type(self).__name__}`: {self.name!r} cannot be a name, as it becomes part of parameter names",
                fix="use letters, digits and underscores, and begin with a letter",
            )
        if self.name is not None and (hasattr(nn.Sequential, self.name) or self.name == "training"):
            raise NetworkError(
                f"`{type(self).__name__}`: the name {self.name!r} is taken: every module has an attribute of that name",
                fix=f"call it {self.name}_1, say",
            )

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape that this node makes of a shape. Raises `Misfit`."""

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """The module for inputs of this shape, randomly initialised from torch's generator. Raises `Misfit`."""

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Pass a shape through, telling the walk of each layer. A structure passes it on to its parts."""
        return walk.layer(self, shape)

    def parameters(self, shape: Shape) -> int:
        """How many numbers it learns for inputs of this shape. Raises `Misfit`.

        >>> from striate.nets.nodes.conv import Conv
        >>> Conv(64).parameters((3, 32, 32)), Conv(64).macs((3, 5, 5)), str(Conv(64).receptive_field((3, 32, 32)))
        (1792, 15552, '3/1@0')
        """
        return sum(parameter.numel() for parameter in self._shapes_alone(shape).parameters())

    def macs(self, shape: Shape) -> int:
        """Its multiply-accumulates for one sample of this shape. Raises `Misfit`."""
        with torch.device("meta"):
            return count_operations(self._shapes_alone(shape), torch.zeros(2, *shape))[1]

    def receptive_field(self, shape: Shape) -> ReceptiveField | None:
        """What one position of its output sees of its input; None where it cannot be told. Raises `Misfit`."""
        module, images = self._shapes_alone(shape), torch.zeros(2, *shape, device="meta")
        with torch.no_grad(), following(module, images) as followed:
            module(images)
        return followed.flow().fields[""]

    def _shapes_alone(self, shape: Shape) -> nn.Module:
        with torch.device("meta"):
            return self.build(shape).eval()

    def at_least(self, minimum: int, *names: str) -> None:
        """Raise `NetworkError` unless these fields are at least `minimum`, in each of their entries."""
        for name in names:
            value = getattr(self, name)
            entries = value if isinstance(value, tuple) else (value,)
            if any(not isinstance(entry, str) and entry is not None and entry < minimum for entry in entries):
                raise NetworkError(f"`{self}`: {name} must be at least {minimum}, not {value}")

    def at_most_layers(self, count: int) -> None:
        """Raise `NetworkError` where a node would be made of more layers than a network may have."""
        if count > MOST_LAYERS:
            raise NetworkError(f"`{self}`: a network may have {MOST_LAYERS:,} layers, not {count:,}", fix="repeat less")

    def __str__(self) -> str:
        """As it would be typed: the first field by position, the others where they are not the default.

        >>> from striate.nets.nodes.conv import Conv
        >>> str(Conv(64, kernel_size=7))
        'Conv(64, kernel_size=7)'
        """
        parts: list[str] = []
        for number, one in enumerate(one for one in dataclasses.fields(self) if one.name != "name"):
            value = getattr(self, one.name)
            if value == one.default:
                continue
            shown = "…" if _holds_nodes(value) else repr(value)
            parts.append(shown if number == 0 else f"{one.name}={shown}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True)
class Structure(Node):
    """A node made of nodes."""

    @abstractmethod
    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Pass a shape through the parts."""

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that the parts make of a shape, one after another."""
        return self.trace(shape, Walk())


@dataclass(frozen=True)
class Earlier:
    """A node that stands earlier in a list, as later ones of that list may use it.

    Args:
        node: the node.
        input, output: the shapes, without the batch.
        sources: the numbers of the layers whose outputs make its output.
    """

    node: Node
    input: Shape
    output: Shape
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Linked(Node):
    """A node that uses earlier nodes of its own list too, by their names; it means nothing alone."""

    @abstractmethod
    def links(self) -> tuple[str, ...]:
        """The names of the earlier nodes."""

    @abstractmethod
    def linked_shape(self, shape: Shape, earlier: Mapping[str, Earlier]) -> Shape:
        """The shape that this node makes of a shape and of what the earlier ones gave. Raises `Misfit`."""

    @abstractmethod
    def linked_build(self, shape: Shape, earlier: Mapping[str, Earlier]) -> nn.Module:
        """The module. Raises `Misfit`."""

    def linked_sources(self, sources: tuple[int, ...], earlier: Mapping[str, Earlier]) -> tuple[int, ...]:
        """The numbers of the layers that it reads, of which `sources` made what flows to it."""
        return sources

    def output_shape(self, shape: Shape) -> Shape:
        """Never known from a shape alone. Raises `Misfit`."""
        raise Misfit(self, "needs earlier nodes", shape, fix="put it into a list, after the nodes that it names")

    def build(self, shape: Shape) -> nn.Module:
        """Never possible from a shape alone. Raises `Misfit`."""
        self.output_shape(shape)
        raise AssertionError("a linked node has no shape of its own")


@dataclass(frozen=True)
class Layer:
    """A layer as a walk met it.

    Args:
        number: from 1, in the order of execution.
        name: its dotted name.
        node: the node; never a structure.
        input, output: the shapes, without the batch.
        sources: the numbers of the layers that it reads; 0 is the network's input.
    """

    number: int
    name: str
    node: Node
    input: Shape
    output: Shape
    sources: tuple[int, ...]


class Walk:
    """One pass of a shape through a network: numbers the layers, keeps their shapes, and locates mistakes.

    Attributes:
        layers: those met so far.
        sources: the numbers of the layers whose outputs make the shape that is on its way; 0 is the network's input.

    Args:
        most: numbers that a layer may give for one sample; infinite for shapes that nothing is made of.
    """

    def __init__(self, most: float = MOST_NUMBERS) -> None:
        self.most = most
        self.layers: list[Layer] = []
        self.sources: tuple[int, ...] = (0,)
        self._path: list[str] = []

    def layer(self, node: Node, shape: Shape) -> Shape:
        """Pass a shape through one layer."""
        return self._note(node, shape, node.output_shape(shape), self.sources)

    def _note(self, node: Node, shape: Shape, output: Shape, sources: tuple[int, ...]) -> Shape:
        if len(self.layers) >= MOST_LAYERS:
            raise NetworkError(f"the network has more than {MOST_LAYERS:,} layers", fix="repeat less")
        if math.prod(output) > self.most:
            raise Misfit(node, f"gives {written(output)}, more numbers than any memory holds", shape, fix="give less")
        number = len(self.layers) + 1
        self.layers.append(Layer(number, ".".join(self._path), node, shape, output, sources))
        self.sources = (number,)
        return output

    def chain(self, nodes: Sequence[Node], shape: Shape) -> Shape:
        """Pass a shape through nodes, one after another. Raises `NetworkError` naming the layer by number."""
        entries = dict(named(nodes))
        earlier: dict[str, Earlier] = {}
        for name, node in entries.items():
            before, origin = len(self.layers), self.sources
            self._path.append(name)
            try:
                if isinstance(node, Linked):
                    check_links(name, node, entries, earlier)
                    output, sources = node.linked_shape(shape, earlier), node.linked_sources(origin, earlier)
                    self._note(node, shape, output, sources)
                else:
                    output = node.trace(shape, self)
            except Misfit as misfit:
                raise self._located(misfit, before, origin) from None
            finally:
                self._path.pop()
            earlier[name] = Earlier(node, shape, output, self.sources)
            shape = output
        return shape

    def branches(self, branches: Mapping[str, Sequence[Node]], shape: Shape) -> list[Shape]:
        """Pass a shape through each of several lists by name, side by side; what flows on comes from all of them."""
        origin = self.sources
        ends: list[int] = []
        shapes: list[Shape] = []
        for name, nodes in branches.items():
            self.sources = origin
            self._path.append(name)
            try:
                shapes.append(self.chain(nodes, shape))
            finally:
                self._path.pop()
            ends += self.sources
        self.sources = tuple(sorted(set(ends)))
        return shapes

    def join(self, sources: tuple[int, ...]) -> None:
        """What flows on is made of the outputs of these layers too."""
        self.sources = tuple(sorted({*self.sources, *sources}))

    def _located(self, misfit: Misfit, before: int, origin: tuple[int, ...]) -> NetworkError:
        first, last = before + 1, max(before + 1, len(self.layers))
        place = f"layer {first}" if first == last else f"layers {first} to {last}"
        called = f" ({'.'.join(self._path)})" if len(self._path) > 1 or misfit.node.name else ""
        received = "" if misfit.shape is None else f", receives {written(misfit.shape)} from {self._written(origin)}"
        return NetworkError(f"{place} `{misfit.node}`{called}: {misfit.needs}{received}", misfit.fix)

    def _written(self, sources: tuple[int, ...]) -> str:
        """Layers in words: "the input", "layer 6 `Pool`", "layers 3, 5 and 6"."""
        if len(sources) == 1:
            number = sources[0]
            return "the input" if not number else f"layer {number} `{type(self.layers[number - 1].node).__name__}`"
        numbers = [str(number) for number in sources if number]
        if len(numbers) > 4:
            numbers = [*numbers[:2], "…", numbers[-1]]
        some = f"layers {', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else f"layer {numbers[0]}"
        return some if sources[0] else f"the input and {some}"


def check_links(name: str, node: Linked, entries: Mapping[str, Node], earlier: Mapping[str, Earlier]) -> None:
    """Raise `Misfit` unless all nodes that a node of a list names come earlier in that list.

    Args:
        name, node: the node.
        entries: the nodes of the whole list, by name.
        earlier: those before it.
    """
    for link in node.links():
        if link in earlier:
            continue
        choice = f"name an earlier node: {', '.join(earlier)}" if earlier else "put a node before it, and name that"
        if link == name:
            raise Misfit(node, "names itself, which is a cycle", None, fix=choice)
        if link in entries:
            raise Misfit(node, f"names {link!r}, which comes later: a cycle", None, fix=choice)
        near = nearest(link, earlier)
        hint = f"; did you mean {near!r}?" if near else ""
        raise Misfit(node, f"there is no node {link!r} in its list{hint}", None, fix=choice)


def named(nodes: Sequence[Node]) -> list[tuple[str, Node]]:
    """The nodes of one list with their names; see the module for the rule.

    Raises:
        NetworkError: two have the same name.
    """
    counts: Counter[str] = Counter()
    found: dict[str, Node] = {}
    for node in nodes:
        name = node.name
        if name is None:
            counts[node.label] += 1
            name = f"{node.label}{counts[node.label]}"
        if name in found:
            raise NetworkError(f"two nodes of one list are called {name!r}: `{found[name]}` and `{node}`")
        found[name] = node
    return list(found.items())


def written(shape: Shape) -> str:
    """A shape in words.

    >>> written((64, 5, 5)), written((120,))
    ('64×5×5', 'a vector of 120')
    """
    return f"a vector of {shape[0]}" if len(shape) == 1 else "×".join(map(str, shape))


def per_axis(node: Node, name: str, shape: Shape) -> tuple[int, ...]:
    """A field that holds one number for all axes or one for each, as one for each. Raises `Misfit`."""
    value: Sizes = getattr(node, name)
    axes = len(shape) - 1
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise Misfit(node, f"has {name} for {len(value)} axes", shape, fix=f"give one number, or {axes}")
    return value


def needs_grid(node: Node, shape: Shape) -> None:
    """Raise `Misfit` unless the shape is a grid of one to three axes."""
    if not 2 <= len(shape) <= 4:
        raise Misfit(
            node, "needs channels and one to three axes", shape, fix="put it before `Flatten` and `GlobalPool`"
        )


def mapped(value: Any, change: Callable[[Node], Node]) -> Any:
    """A node, or a tuple of nodes, with every node in it changed, from the inside out."""
    if isinstance(value, tuple):
        return tuple(mapped(one, change) for one in value)
    if not isinstance(value, Node):
        return value
    parts = {one.name: mapped(getattr(value, one.name), change) for one in dataclasses.fields(value)}
    return change(dataclasses.replace(value, **parts))


def check_fields(made: Any) -> None:
    """Hold the fields of a frozen dataclass against their annotations; lists, as files hold them, become tuples.

    Raises:
        NetworkError: one has a value of the wrong kind.
    """
    kind: Any = type(made)
    hints = _hints(kind)
    for one in dataclasses.fields(made):
        value = _as_tuples(getattr(made, one.name))
        object.__setattr__(made, one.name, value)
        if not _fits(value, hints[one.name]):
            raise NetworkError(
                f"`{type(made).__name__}`: {one.name} must be {_described(hints[one.name])}, not {value!r}",
                fix=_suggestion(value, hints[one.name]),
            )
        if _beyond(value):
            raise NetworkError(f"`{type(made).__name__}`: {one.name} must lie below 2^31, not {value!r}")


def for_axes(shape: Shape, one: Callable[..., Any], two: Callable[..., Any], three: Callable[..., Any]) -> Any:
    """The one of three module classes that serves this many axes."""
    return (one, two, three)[len(shape) - 2]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _holds_nodes(value: Any) -> bool:
    return isinstance(value, Node) or (isinstance(value, tuple) and any(_holds_nodes(entry) for entry in value))


def _beyond(value: Any) -> bool:
    """Whether an integer in a value is larger than torch's sizes may be."""
    if isinstance(value, tuple):
        return any(map(_beyond, value))
    return isinstance(value, int) and abs(value) >= LARGEST


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(entry) for entry in value) if isinstance(value, list | tuple) else value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a kind that an annotation names; a bool is no number, nor is NaN."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(entry, arguments[0]) for entry in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, type(None) if hint is None else hint)


def _described(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(one) for one in arguments)
    if origin is Literal:
        return "one of " + ", ".join(repr(one) for one in arguments)
    if origin is tuple:
        if typing.get_origin(arguments[0]) is tuple:
            return f"a list of lists, each {_described(arguments[0])}"
        return "a list of " + {int: "integers", float: "numbers", str: "names"}.get(arguments[0], "nodes")
    words = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "nothing"}
    return words.get(hint, "a node")


def _suggestion(value: Any, hint: Any) -> str | None:
    words = [one for one in _words(hint) if isinstance(one, str)]
    if not isinstance(value, str):
        return None
    like = nearest(value, words)  # none for "he", which is too short to be like "he_normal"
    near = [like] if like else [one for one in words if value and one.startswith(value)]
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None


def _words(hint: Any) -> list[Any]:
    arguments = list(typing.get_args(hint))
    if typing.get_origin(hint) is Literal:
        return arguments
    return [word for one in arguments for word in _words(one)]
