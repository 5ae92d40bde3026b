"""The receptive field of a whole tensor: which of its dimensions run along the input's axes, and what is seen there.

A dimension is a product of pieces, in row-major order, as `view` splits and merges them; a piece that runs along an
axis of the input adds its index times its step to the position there. So a field outlives flattening, windows of
attention and channels-last layouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from striate.nets.reach import Reach, Unknown, Window


@dataclass(frozen=True)
class Piece:
    """A factor of a dimension.

    Args:
        extent: its length.
        axis: of the input, which it runs along; None where it runs along none (channels, samples).
        step: positions along that axis from one index to the next.
        scattered: axes, with their positions, that lie in it in no order that is kept track of.
    """

    extent: int
    axis: int | None = None
    step: int = 1
    scattered: tuple[tuple[int, int], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it runs along no axis."""
        return self.axis is None and not self.scattered


Dimension = tuple[Piece, ...]


@dataclass(frozen=True)
class Field:
    """What each element of a tensor sees of the input.

    Args:
        dimensions: of the tensor.
        reaches: along each axis of the input; None where every element sees the whole axis.
        sizes: of the input's axes.
    """

    dimensions: tuple[Dimension, ...]
    reaches: tuple[Reach | None, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of_input(cls, shape: Sequence[int], axes: int) -> Field:
        """That of the input itself: its last dimensions are the axes, and each position sees itself."""
        lead = len(shape) - axes
        dimensions = [(Piece(extent),) for extent in shape[:lead]]
        dimensions += [(Piece(extent, axis),) for axis, extent in enumerate(shape[lead:])]
        return cls(tuple(dimensions), (Reach((0,), (0,), 1),) * axes, tuple(shape[lead:]))

    def extent(self, dimension: int) -> int:
        """The length of a dimension."""
        return prod(piece.extent for piece in self.dimensions[dimension])

    def located(self, axis: int) -> bool:
        """Whether the positions along an axis are still told apart, in order."""
        return any(piece.axis == axis for dimension in self.dimensions for piece in dimension)

    def seen(self, axis: int) -> tuple[Reach, Fraction | None]:
        """What one position of the grid sees along an axis that is not seen whole, and how far positions lie apart.

        Positions that a view has put among the channels, behind something else, or ahead of them where others of the
        axis have a dimension of their own, belong to one position of the grid: it sees what they all do.

        Returns:
            the reach, and positions of it from one of the grid to the next; None where no order along it is left.
        """
        reach = self.reaches[axis]
        assert reach is not None
        steps = []
        holders = sum(any(piece.axis == axis for piece in dimension) for dimension in self.dimensions)
        for number, dimension in enumerate(self.dimensions):
            places = [place for place, piece in enumerate(dimension) if piece.axis == axis]
            if not places:
                continue
            first = next(place for place, piece in enumerate(dimension) if not piece.plain)
            ahead = holders > 1 and prod(one.extent for one in dimension[places[-1] + 1 :] if one.plain) > 1
            among_channels = number and (ahead or prod(piece.extent for piece in dimension[:first]) > 1)
            for place in places:
                piece = dimension[place]
                if among_channels:
                    reach = reach.mixed(piece.extent, piece.step)
                else:
                    again = prod(one.extent for one in dimension[place + 1 :] if one.plain)
                    steps.append(Fraction(piece.step, again))
        return reach, min(steps, default=None)

    def with_dimensions(self, dimensions: Sequence[Dimension]) -> Field:
        """The same with other dimensions; pieces along axes that are seen whole no longer matter."""
        return replace(self, dimensions=tuple(_tidy(one, self.reaches) for one in dimensions))

    def with_dimension(self, dimension: int, pieces: Dimension) -> Field:
        """The same with one dimension replaced."""
        changed = list(self.dimensions)
        changed[dimension] = pieces
        return self.with_dimensions(changed)

    def windowed(self, dimension: int, window: Window, extent: int) -> Field:
        """That of an output of `extent` positions whose position j takes a window of this one's."""
        if window == Window(1, 1, 0, 0) and extent == self.extent(dimension):
            return self
        (piece, *more) = self.dimensions[dimension]
        if piece.plain and not more:
            return self.with_dimension(dimension, (Piece(extent),))
        axis = piece.axis
        if more or axis is None or piece.step != 1 or self._pieces(axis) != 1:
            raise Unknown("a window runs over positions that lie in no simple order")
        reach = self.reaches[axis]
        assert reach is not None  # such pieces are tidied away
        reaches = list(self.reaches)
        reaches[axis] = reach.through(window)
        return replace(self, reaches=tuple(reaches)).with_dimension(dimension, (Piece(extent, axis),))

    def mixed(self, *dimensions: int) -> Field:
        """That of outputs each of which sees all along these dimensions; they keep their lengths."""
        reaches, changed = list(self.reaches), list(self.dimensions)
        for number in dimensions:
            for piece in changed[number]:
                if piece.axis is not None and (reach := reaches[piece.axis]) is not None:
                    reaches[piece.axis] = reach.mixed(piece.extent, piece.step)
                for axis, count in piece.scattered:
                    if (reach := reaches[axis]) is not None:
                        reaches[axis] = Reach((reach.span(0)[0],), (reach.span(count - 1)[1],), 0)
            changed[number] = (Piece(prod(piece.extent for piece in changed[number])),)
        mixed = replace(self, dimensions=tuple(changed))
        for axis, reach in enumerate(reaches):
            if reach is not None and not mixed.located(axis) and not mixed._scattered(axis):
                first, last = reach.span(0)
                whole = first <= 0 and last >= self.sizes[axis] - 1
                reaches[axis] = None if whole else Reach((first,), (last,), 0)
        return replace(mixed, reaches=tuple(reaches)).with_dimensions(changed)

    def scattered(self, dimension: int, extent: int) -> Field:
        """That of a dimension into which positions of elsewhere are put: order along it is lost."""
        found = tuple((piece.axis, piece.extent) for piece in self.dimensions[dimension] if piece.axis is not None)
        if any(self._pieces(axis) != 1 for axis, _ in found):
            raise Unknown("positions of one axis lie in several dimensions")
        return self.with_dimension(dimension, (Piece(extent, scattered=found),))

    def reshaped(self, shape: Sequence[int]) -> Field:
        """That of the same elements in another shape, row-major."""
        waiting = [piece for dimension in self.dimensions for piece in dimension]
        dimensions: list[Dimension] = []
        for extent in shape:
            taken: list[Piece] = []
            while (have := prod(piece.extent for piece in taken)) < extent:
                piece = waiting.pop(0)
                wanted = extent // have
                if piece.extent > wanted:
                    outer, inner = _split(piece, wanted)
                    waiting.insert(0, inner)
                    piece = outer
                taken.append(piece)
            if have != extent:
                raise Unknown("a view cuts across positions")
            dimensions.append(tuple(taken) or (Piece(1),))
        return self.with_dimensions(dimensions)

    def _pieces(self, axis: int) -> int:
        return sum(piece.axis == axis for dimension in self.dimensions for piece in dimension)

    def _scattered(self, axis: int) -> bool:
        pieces = (piece for dimension in self.dimensions for piece in dimension)
        return any(axis in dict(piece.scattered) for piece in pieces)


def joined(fields: Sequence[Field], shape: Sequence[int]) -> Field:
    """That of what an element-wise operation makes of several tensors, broadcast to a shape.

    Raises:
        Unknown: their positions do not correspond.
    """
    reaches: list[Reach | None] = []
    for axis in range(len(fields[0].sizes)):
        found = [field.reaches[axis] for field in fields]
        if any(reach is None for reach in found):
            reaches.append(None)
            continue
        if len({field.located(axis) for field in fields}) > 1:
            found = [_fixed(field, axis) for field in fields]
        whole = found[0]
        for reach in found[1:]:
            assert whole is not None
            assert reach is not None
            whole = whole.joined(reach)
        reaches.append(whole)
    dimensions: list[Dimension] = []
    for back in range(len(shape), 0, -1):
        there = [field.dimensions[-back] for field in fields if len(field.dimensions) >= back]
        told = {one for one in (_tidy(one, reaches) for one in there) if any(not piece.plain for piece in one)}
        told = {one for one in told if prod(piece.extent for piece in one) > 1} or told
        if len(told) > 1 or (told and prod(piece.extent for piece in next(iter(told))) != shape[-back]):
            raise Unknown("positions in different orders meet")
        dimensions.append(told.pop() if told else (Piece(shape[-back]),))
    return replace(fields[0], reaches=tuple(reaches)).with_dimensions(dimensions)


def _fixed(field: Field, axis: int) -> Reach:
    """What is seen along an axis of which only one position is left."""
    pieces = [piece for dimension in field.dimensions for piece in dimension if piece.axis == axis]
    reach = field.reaches[axis]
    if reach is None or any(piece.extent > 1 for piece in pieces):
        raise Unknown("one position meets many")
    first, last = reach.span(0)
    return Reach((first,), (last,), 0)


def _tidy(dimension: Dimension, reaches: Sequence[Reach | None]) -> Dimension:
    """In the one form that equal dimensions share: axes seen whole are plain, pieces that belong together are one."""
    kept: list[Piece] = []
    for piece in dimension:
        left = tuple(one for one in piece.scattered if reaches[one[0]] is not None)
        whole = piece.axis is not None and reaches[piece.axis] is None
        one = Piece(piece.extent) if whole or (piece.scattered and not left) else replace(piece, scattered=left)
        if one.plain and one.extent == 1:
            continue
        before = kept[-1] if kept else None
        if before is not None and one.plain and before.plain:
            kept[-1] = Piece(before.extent * one.extent)
        elif before is not None and before.axis == one.axis is not None and before.step == one.step * one.extent:
            kept[-1] = replace(one, extent=before.extent * one.extent)
        else:
            kept.append(one)
    return tuple(kept) or (Piece(1),)


def _split(piece: Piece, outer: int) -> tuple[Piece, Piece]:
    """A piece as two, the first of which has `outer` indices."""
    if piece.extent % outer or piece.scattered:
        raise Unknown("a view cuts across positions")
    inner = piece.extent // outer
    return replace(piece, extent=outer, step=piece.step * inner), replace(piece, extent=inner)
