"""Index relations: which input positions does one output position need, along one dimension?

Every operator is, dimension by dimension, one of the few maps below. A map is asked backwards:
``pull`` takes a set of output positions and returns the set of input positions they need.
Unclipped, a map goes on beyond the borders as if the tensor had no end, so that extents and jumps
are those of the interior; clipped, it answers for the real positions alone (the caller cuts to the
tensor's length).

A map's ``ratio`` is the number of input positions per output position and its ``period`` the number
of outputs after which its own pattern repeats; ``ratio`` None means that it is no shift at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.sets import IntSet


@dataclass
class Notes:
    """What a walk met on its way: reasons why its unclipped answer cannot be trusted."""

    aliased: bool = False
    widened: bool = False


@dataclass(frozen=True)
class Map:
    """Base of all maps; on its own, the identity."""

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(1)

    @property
    def period(self) -> int:
        return 1

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return items


IDENTITY = Map()


@dataclass(frozen=True)
class Window(Map):
    """Convolution, correlation or pooling: o -> o * stride - padding + dilation * j."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(self.stride)

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        moved = sets.affine(items, self.stride, -self.padding)
        return sets.taps(moved, self.kernel, self.dilation)


@dataclass(frozen=True)
class Transposed(Map):
    """Transposed convolution: every i with i * stride - padding + dilation * j = o."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(1, self.stride)

    @property
    def period(self) -> int:
        return self.stride

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        back = self.padding - (self.kernel - 1) * self.dilation
        reached = sets.taps(sets.shift(items, back), self.kernel, self.dilation)
        return sets.divide(reached, self.stride)


@dataclass(frozen=True)
class Taps(Map):
    """A correlation with any offsets: o -> o + j for j in offsets (banded attention)."""

    offsets: tuple[int, ...]

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return sets.plus(items, sets.from_array(np.array(self.offsets, dtype=np.int64)))


@dataclass(frozen=True)
class Linear(Map):
    """o -> factor * o + offset: slices, steps, flips and plain padding."""

    factor: int = 1
    offset: int = 0

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(self.factor)

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return sets.affine(items, self.factor, self.offset)


@dataclass(frozen=True)
class Inverse(Map):
    """The i with factor * i + offset = o: where a written slice came from.

    ``alone``: what it was written over is constant, so unclipped it goes on beyond the borders.
    """

    factor: int
    offset: int
    length: int
    alone: bool = False

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(1, self.factor)

    @property
    def period(self) -> int:
        return self.factor

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        found = sets.divide(sets.shift(items, -self.offset), self.factor)
        if not clipped and self.alone:
            return found
        if not clipped and sets.outside(found, 0, self.length):
            notes.aliased = True
        return sets.clip(found, 0, self.length)


@dataclass(frozen=True)
class Without(Map):
    """The identity, except where something else was written over it."""

    written: range

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return sets.minus(items, self.written)


@dataclass(frozen=True)
class Pad(Map):
    """Padding by ``left`` (negative: cropping); clipped, each kind reads what it really reads."""

    left: int
    mode: str
    length: int

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        moved = sets.shift(items, -self.left)
        if not clipped or self.mode == "constant" or not sets.outside(moved, 0, self.length):
            return moved
        index = sets.to_array(moved)
        if self.mode == "circular":
            index = index % self.length
        elif self.mode == "replicate":
            index = index.clip(0, self.length - 1)
        else:  # reflect: one mirror on each side, the border itself not repeated
            index = np.abs(index)
            index = np.where(index >= self.length, 2 * (self.length - 1) - index, index)
        return sets.from_array(index)


@dataclass(frozen=True)
class Roll(Map):
    """A circular shift; unclipped, a shift."""

    by: int
    length: int

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        moved = sets.shift(items, -self.by)
        if not clipped or not sets.outside(moved, 0, self.length):
            return moved
        return sets.from_array(sets.to_array(moved) % self.length)


@dataclass(frozen=True)
class Segment(Map):
    """One part of a concatenation: positions offset .. offset + length belong to it.

    ``alone``: the other parts are constants, unclipped they count as padding, the part as a shift.
    ``main``: the longest part; whatever lies outside it is a border, put together by hand.
    """

    offset: int
    length: int
    main: range
    alone: bool

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        moved = sets.shift(items, -self.offset)
        if not clipped and self.alone:
            return moved
        if not clipped and sets.outside(items, self.main.start, self.main.stop):
            notes.aliased = True
        return sets.clip(moved, 0, self.length)


@dataclass(frozen=True)
class Group(Map):
    """Grouped channels: an output channel needs all input channels of its group."""

    out_per_group: int
    in_per_group: int

    @property
    def ratio(self) -> Fraction | None:
        return None

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        groups = sets.floor_divide(items, self.out_per_group)
        return sets.taps(sets.affine(groups, self.in_per_group, 0), self.in_per_group, 1)


@dataclass(frozen=True)
class Adaptive(Map):
    """Adaptive pooling: o -> floor(o * in / out) .. ceil((o + 1) * in / out)."""

    length_in: int
    length_out: int

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(self.length_in, self.length_out)

    @property
    def period(self) -> int:
        return self.length_out // math.gcd(self.length_in, self.length_out)

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        parts = []
        for o in sets.to_array(items).tolist():
            start = o * self.length_in // self.length_out
            stop = -(-(o + 1) * self.length_in // self.length_out)
            parts.append(range(start, stop))
        return sets.union(parts)


@dataclass(frozen=True)
class Table(Map):
    """A constant index: the positions each output reads are written down."""

    rows: tuple[IntSet, ...]

    @property
    def ratio(self) -> Fraction | None:
        return None

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        if sets.outside(items, 0, len(self.rows)):
            notes.aliased = True
            items = sets.clip(items, 0, len(self.rows))
        if not clipped:
            notes.aliased = True
        return sets.union(self.rows[o] for o in sets.to_array(items).tolist())


@dataclass(frozen=True)
class Constant(Map):
    """The same positions whatever the output: a selected index, or a whole dimension."""

    items: range

    @property
    def ratio(self) -> Fraction | None:
        return None

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return self.items


@dataclass(frozen=True)
class Past(Map):
    """Everything up to the output's own position."""

    @property
    def ratio(self) -> Fraction | None:
        return None

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return sets.EMPTY if sets.is_empty(items) else range(0, sets.last(items) + 1)


@dataclass(frozen=True)
class Sum(Map):
    """An input dimension read from several output dimensions: sum of factor * o, plus offset."""

    factors: tuple[int, ...]
    offset: int = 0

    def pull_many(self, parts: tuple[IntSet, ...], clipped: bool, notes: Notes) -> IntSet:
        total: IntSet = range(self.offset, self.offset + 1)
        for factor, items in zip(self.factors, parts, strict=True):
            if factor != 0:
                total = sets.plus(total, sets.affine(items, factor, 0))
        return total


@dataclass(frozen=True)
class Global(Map):
    """An operator that joins all positions of a dimension.

    Attributes:
        exact: what it really reads
        side: "past", "both" or "batch"
        local: the output dimension that stays in step with this one, once the joining is cut; None
            where nothing remains (a sum over the whole axis)
        local_map: how it stays in step
    """

    exact: Map
    side: str
    local: int | None = None
    local_map: Map = IDENTITY

    @property
    def ratio(self) -> Fraction | None:
        return None

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        return self.exact.pull(items, clipped, notes)
