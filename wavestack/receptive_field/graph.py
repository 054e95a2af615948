"""The recorded computation: nodes are tensors, edges say how output indices need input indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wavestack.receptive_field import carry
from wavestack.receptive_field.carry import Factors
from wavestack.receptive_field.relation import IDENTITY, Constant, Global, Map, Sum
from wavestack.receptive_field.sets import IntSet

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
        groups: for a view instead of ``dims``: (output dimensions, input dimensions) that belong together
    """

    source: int
    dims: tuple[Dim, ...] = ()
    only: tuple[tuple[int, IntSet], ...] = ()
    groups: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] | None = None
    memo: dict[int, IntSet] = field(default_factory=dict, repr=False)


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

    def __post_init__(self) -> None:
        self.axes = [carry.axes_of(factors) for factors in self.factors]
        self.outer = [carry.outer_axes_of(factors) for factors in self.factors]

    def full(self) -> tuple[IntSet, ...]:
        """The term that holds every position."""
        return tuple(range(n) for n in self.shape)


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
        node = Node(
            len(self.nodes),
            operator,
            tuple(shape),
            edges,
            module,
            factors,
            **extra,  # type: ignore[arg-type]
        )
        self.nodes.append(node)
        return node

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


def view_groups(
    out_shape: Sequence[int], in_shape: Sequence[int]
) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Which output and input dimensions of a view belong together (row-major).

    Equal dimensions at both ends are paired one to one; in between, dimensions of length 1 stand alone.
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
