"""The recorded computation: nodes are tensors, edges say how output indices need input indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from wavestack.receptive_field import sets
from wavestack.receptive_field.recording import carry
from wavestack.receptive_field.recording.carry import Factors
from wavestack.receptive_field.relation import IDENTITY, Constant, Global, Map, Sum
from wavestack.receptive_field.sets import IntSet

# A dimension assembled from more pieces than this is not followed any more.
_MOST_PIECES = 4096

# How one input dimension is reached: (output dimension, map); -1 where no output dimension matters,
# a tuple of dimensions for a Sum.
Dim = tuple[int | tuple[int, ...], Map]


@dataclass
class Edge:
    """An operator's need for one of its inputs, input dimension by input dimension.

    Attributes:
        source: the input's node
        dims: how each of its dimensions is reached
        only: output positions for which the edge exists, as (output dimension, positions)
        follow: input dimension -> the output dimension that carries its axes, where that is not the
            one that it is read by (the columns of an attention matrix under a mask)
        groups: for a view instead of ``dims``: (output dimensions, input dimensions) that belong
            together
    """

    source: int
    dims: tuple[Dim, ...] = ()
    only: tuple[tuple[int, IntSet], ...] = ()
    groups: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] | None = None
    follow: dict[int, int] = field(default_factory=dict)
    memo: dict[object, list[tuple[IntSet, ...]]] = field(default_factory=dict, repr=False)
    plan: list[tuple[tuple[int, ...], tuple[int, ...]]] | None = field(default=None, repr=False)


@dataclass
class Node:
    """One tensor of the run.

    Attributes:
        index: position in the order of execution
        operator: what made it
        shape: its shape
        edges: what it needs
        module: path of the module that made it
        factors: per dimension, the input axes it carries
        unknown: True where its operator has no rule
        geometry: kernel, stride, dilation per axis of a window operator
        macs: multiply-accumulates that made it
        note: what later operators should know of it
        pins: per axis it no longer has, the latest input position that was selected
        placed: per dimension built piece by piece, the pins of each piece
        sizes, spans, piece_axes: a dimension that views have merged is asked about piece by piece,
            so that one axis may leave its borders without running into the next
    """

    index: int
    operator: str
    shape: tuple[int, ...]
    edges: list[Edge]
    module: str
    factors: list[Factors]
    unknown: bool = False
    geometry: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None = None
    macs: int = 0
    axes: list[frozenset[int]] = field(default_factory=list)
    outer: list[frozenset[int]] = field(default_factory=list)
    note: object = None
    pins: dict[int, Fraction] = field(default_factory=dict)
    placed: dict[int, dict[int, dict[int, Fraction]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.axes = [carry.axes_of(factors) for factors in self.factors]
        self.outer = [carry.outer_axes_of(factors) for factors in self.factors]
        self.sizes: tuple[int, ...] = ()
        self.spans: list[tuple[int, int]] = []
        self.piece_axes: list[frozenset[int]] = []
        sizes: list[int] = []
        for d, n in enumerate(self.shape):
            parts = [factor for factor in self.factors[d] if factor.size > 1]
            if len(parts) < 2 or not self.axes[d]:
                parts = [carry.Factor(n)]
                self.piece_axes.append(self.axes[d])
            else:
                self.piece_axes += [carry.axes_of((factor,)) for factor in parts]
            self.spans.append((len(sizes), len(sizes) + len(parts)))
            sizes += [factor.size for factor in parts]
        self.sizes = tuple(sizes)

    def full(self) -> tuple[IntSet, ...]:
        """The term that holds every position."""
        return tuple(range(n) for n in self.sizes)


class Graph:
    """All nodes of one run, in order of execution."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    def __len__(self) -> int:
        return len(self.nodes)

    def add_input(self, name: str, shape: Sequence[int], factors: list[Factors]) -> Node:
        """An input of the model: nothing before it."""
        node = Node(len(self.nodes), f"input {name}", tuple(shape), [], "", factors)
        self.nodes.append(node)
        return node

    def add(
        self,
        operator: str,
        shape: Sequence[int],
        edges: Iterable[Edge],
        module: str = "",
        **extra: object,
    ) -> Node:
        """One more tensor; what its dimensions carry follows from its edges."""
        edges = list(edges)
        factors = [carry.plain(n) for n in shape]
        for edge in edges:
            for d, found in enumerate(self._carried(edge, shape)):
                if found is not None:
                    factors[d] = carry.join(factors[d], found)
        pins, placed = self._pinned(edges)
        for d, pieces in placed.items():
            if not carry.axes_of(factors[d]):
                factors[d] = _assembled(shape[d], pieces)
        node = Node(
            len(self.nodes),
            operator,
            tuple(shape),
            edges,
            module,
            factors,
            pins=pins,
            placed=placed,
            **extra,  # type: ignore[arg-type]
        )
        self.nodes.append(node)
        return node

    def _pinned(
        self, edges: list[Edge]
    ) -> tuple[dict[int, Fraction], dict[int, dict[int, dict[int, Fraction]]]]:
        """Which input positions were selected on the way, and where the pieces are put together."""
        pins: dict[int, Fraction] = {}
        placed: dict[int, dict[int, dict[int, Fraction]]] = {}
        for edge in edges:
            source = self.nodes[edge.source]
            own = dict(source.pins)
            for i, (reach, relation) in enumerate(edge.dims):
                single = isinstance(relation, Constant) and len(relation.items) == 1
                if reach == -1 and single and source.outer[i]:
                    for axis, trace in _traces(source.factors[i]):
                        if trace.outer and trace.jump is not None:
                            own[axis] = relation.items.start * trace.jump  # type: ignore[attr-defined]
            for axis, position in own.items():
                pins[axis] = max(position, pins.get(axis, position))
            for d, allowed in edge.only:
                if own:
                    placed.setdefault(d, {})[sets.first(allowed)] = own
            if not edge.only and source.placed and len(source.placed) < _MOST_PIECES:
                for d, pieces in source.placed.items():
                    if d < len(edge.dims) and edge.dims[d][0] == d:
                        placed[d] = {**pieces, **placed.get(d, {})}
        return pins, placed

    def _carried(self, edge: Edge, shape: Sequence[int]) -> list[Factors | None]:
        source = self.nodes[edge.source]
        found: list[Factors | None] = [None] * len(shape)

        def put(d: int, factors: Factors) -> None:
            if carry.axes_of(factors):
                own = found[d]
                found[d] = factors if own is None else carry.join(own, factors)

        if edge.groups is not None:
            for outs, ins in edge.groups:
                if len(outs) == 1 and len(ins) == 1:
                    put(outs[0], source.factors[ins[0]])
                    continue
                sizes = [shape[d] for d in outs]
                for d, factors in zip(
                    outs, carry.regroup([source.factors[i] for i in ins], sizes), strict=True
                ):
                    put(d, factors)
            return found
        for i, (reach, relation) in enumerate(edge.dims):
            if not source.axes[i]:
                continue
            if i in edge.follow:
                put(edge.follow[i], source.factors[i])
                continue
            if isinstance(relation, Sum) and isinstance(reach, tuple):
                sizes = [shape[d] for d in reach]
                many = carry.through_sum(source.factors[i], relation, sizes)
                for d, factors in zip(reach, many, strict=True):
                    put(d, factors)
            elif isinstance(relation, Global):
                if relation.local is not None:
                    put(
                        relation.local,
                        carry.through(source.factors[i], relation.local_map, shape[relation.local]),
                    )
            elif isinstance(reach, int) and reach >= 0:
                put(reach, carry.through(source.factors[i], relation, shape[reach]))
        return found


def _traces(factors: Factors) -> Iterator[tuple[int, carry.Trace]]:
    single = carry.as_one(factors)
    if single is not None:
        yield from single.traces


def _assembled(size: int, pieces: dict[int, dict[int, Fraction]]) -> Factors:
    """A dimension put together from selected positions follows their axis if regular."""
    if len(pieces) < 3:
        return carry.plain(size)
    order = sorted(pieces)
    traces = []
    for axis in pieces[order[0]]:
        places = [pieces[k].get(axis) for k in order]
        if any(place is None for place in places):
            continue
        first, last = places[0], places[-1]
        assert first is not None
        assert last is not None
        jump = (last - first) / (order[-1] - order[0])
        if jump != 0 and all(
            place == first + jump * (k - order[0]) for k, place in zip(order, places, strict=True)
        ):
            # Nothing says when the pieces repeat: leave room for any short period.
            period = math.lcm(*range(1, 1 + min(4, max(1, size // 8))))
            traces.append((axis, carry.Trace(jump, period, True)))
    return (carry.Factor(size, tuple(traces)),)


def view_groups(
    out_shape: Sequence[int], in_shape: Sequence[int]
) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Which output and input dimensions of a view belong together (row-major).

    Equal dimensions at both ends are paired one to one; in between, dimensions of length 1 stand
    alone.
    """
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    head = 0
    while head < min(len(out_shape), len(in_shape)) and out_shape[head] == in_shape[head]:
        groups.append(((head,), (head,)))
        head += 1
    tail = 0
    while (
        tail < min(len(out_shape), len(in_shape)) - head
        and out_shape[-1 - tail] == in_shape[-1 - tail]
    ):
        groups.append(((len(out_shape) - 1 - tail,), (len(in_shape) - 1 - tail,)))
        tail += 1
    outs = [d for d in range(head, len(out_shape) - tail) if out_shape[d] != 1]
    ins = [d for d in range(head, len(in_shape) - tail) if in_shape[d] != 1]
    groups += [((), (d,)) for d in range(head, len(in_shape) - tail) if in_shape[d] == 1]
    while outs or ins:
        left, right = [outs.pop(0)], [ins.pop(0)]
        a, b = out_shape[left[0]], in_shape[right[0]]
        while a != b:
            if a < b:
                left.append(outs.pop(0))
                a *= out_shape[left[-1]]
            else:
                right.append(ins.pop(0))
                b *= in_shape[right[-1]]
        groups.append((tuple(left), tuple(right)))
    return tuple(groups)


def same(rank: int) -> tuple[Dim, ...]:
    """Every dimension in step with its own."""
    return tuple((d, IDENTITY) for d in range(rank))


def whole(shape: Sequence[int]) -> tuple[Dim, ...]:
    """Everything, whatever the output."""
    return tuple((-1, Constant(range(n))) for n in shape)


def numel(shape: Sequence[int]) -> int:
    """Number of elements."""
    return math.prod(shape)
