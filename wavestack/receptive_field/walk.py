"""Questions to the recorded graph, answered backwards with exact sets of indices.

What is needed of a tensor is a union of products: a list of terms, each one set of indices per dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.graph import Edge, Graph, Node
from wavestack.receptive_field.relation import Global, Notes, Sum
from wavestack.receptive_field.sets import IntSet

Term = tuple[IntSet, ...]

# More terms than this at one tensor are joined into their enclosing product, and that is said.
MAX_TERMS = 192


@dataclass
class Need:
    """What a walk found.

    Attributes:
        terms: per input node, what is needed of it
        notes: whether the answer can be trusted
        joins: the global relations met: (node, edge, input dimension)
        unknown: nodes without a rule that were met
        visited: all nodes met
    """

    terms: dict[int, list[Term]] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    joins: list[tuple[int, Edge, int]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    visited: list[int] = field(default_factory=list)

    def along(self, node: int, dim: int) -> IntSet:
        """The positions needed along one dimension of an input."""
        return sets.union(term[dim] for term in self.terms.get(node, []))


def walk(
    graph: Graph,
    target: int,
    start: list[Term],
    *,
    active: frozenset[int] = frozenset(),
    clipped: bool = True,
    local: bool = False,
) -> Need:
    """Walk back from positions of one tensor to the inputs.

    Args:
        graph: the recorded run
        target: the node asked about
        start: the positions asked about
        active: axes that are not clipped when ``clipped`` is False, and cut when ``local``
        clipped: count real positions alone
        local: cut the global operators along the active axes
    """
    need = Need()
    wanted: dict[int, list[Term]] = {target: start}
    while wanted:
        index = max(wanted)
        terms = wanted.pop(index)
        node = graph[index]
        need.visited.append(index)
        if node.operator.startswith("input "):
            need.terms[index] = terms
            continue
        if node.unknown:
            need.unknown.append(index)
        for edge in node.edges:
            source = graph[edge.source]
            found: list[Term] = []
            for term in terms:
                found += _pull(node, source, edge, term, active, clipped, local, need.notes)
            if not found:
                continue
            if not local:
                _record_joins(need, index, source, edge)
            wanted[edge.source] = merge(wanted.get(edge.source, []), found, need.notes)
    return need


def _record_joins(need: Need, index: int, source: Node, edge: Edge) -> None:
    for i, (_, relation) in enumerate(edge.dims):
        if isinstance(relation, Global) and source.outer[i]:
            need.joins.append((index, edge, i))


def _pull(
    node: Node,
    source: Node,
    edge: Edge,
    term: Term,
    active: frozenset[int],
    clipped: bool,
    local: bool,
    notes: Notes,
) -> list[Term]:
    for d, allowed in edge.only:
        if not clipped and node.axes[d] & active and sets.outside(term[d], 0, node.shape[d]):
            notes.aliased = True
        if not sets.contains(term[d], allowed):
            return []
    if edge.groups is not None:
        return _pull_view(node, source, edge, term, active, clipped, notes)
    result: list[IntSet] = []
    for i, (reach, relation) in enumerate(edge.dims):
        length = source.shape[i]
        cut = clipped or not (source.axes[i] & active)
        if isinstance(reach, tuple):
            assert isinstance(relation, Sum)
            items = relation.pull_many(tuple(term[d] for d in reach), cut, notes)
        elif local and isinstance(relation, Global) and source.outer[i] & active:
            if relation.local is None:
                return []
            items = relation.local_map.pull(term[relation.local], cut, notes)
        elif reach < 0:
            items = relation.pull(sets.EMPTY, cut, notes)
        else:
            items = term[reach]
            n = node.shape[reach]
            if cut and isinstance(items, range) and items == range(n):
                known = edge.memo.get(i)
                if known is None:
                    known = sets.clip(relation.pull(items, True, notes), 0, length)
                    edge.memo[i] = known
                items = known
            else:
                items = relation.pull(items, cut, notes)
        if cut:
            items = sets.clip(items, 0, length)
        if sets.is_empty(items):
            return []
        result.append(items)
    return [tuple(result)]


def _pull_view(
    node: Node,
    source: Node,
    edge: Edge,
    term: Term,
    active: frozenset[int],
    clipped: bool,
    notes: Notes,
) -> list[Term]:
    terms: list[dict[int, IntSet]] = [{}]
    assert edge.groups is not None
    for outs, ins in edge.groups:
        if len(outs) == 1 and len(ins) == 1:
            options = [{ins[0]: term[outs[0]]}]
        elif not outs:
            options = [{ins[0]: range(1)}]
        elif all(_is_full(term[d], node.shape[d]) for d in outs):
            options = [{i: range(source.shape[i]) for i in ins}]
        else:
            flat = _flatten([term[d] for d in outs], [node.shape[d] for d in outs], notes)
            lengths = [source.shape[i] for i in ins]
            options = [
                dict(zip(ins, parts, strict=True)) for parts in _unflatten(flat, lengths, notes)
            ]
        terms = [{**known, **option} for known in terms for option in options]
    result = []
    for found in terms:
        parts = []
        for i, length in enumerate(source.shape):
            items = found[i]
            if clipped or not (source.axes[i] & active):
                items = sets.clip(items, 0, length)
            parts.append(items)
        if not any(sets.is_empty(items) for items in parts):
            result.append(tuple(parts))
    return result


def _is_full(items: IntSet, length: int) -> bool:
    return isinstance(items, range) and items == range(length)


def _flatten(parts: list[IntSet], lengths: list[int], notes: Notes) -> IntSet:
    flat = parts[0]
    for items, length in zip(parts[1:], lengths[1:], strict=True):
        if sets.outside(items, 0, length):
            notes.aliased = True
            items = sets.clip(items, 0, length)
        flat = sets.plus(sets.affine(flat, length, 0), items)
    return flat


def _unflatten(flat: IntSet, lengths: list[int], notes: Notes) -> list[list[IntSet]]:
    """The union of products that a flat set becomes; only the outermost part may leave its borders."""
    if sets.is_empty(flat):
        return []
    if len(lengths) == 1:
        return [[flat]]
    inner = lengths[-1]
    if (
        isinstance(flat, range)
        and flat.step == 1
        and not flat.start % inner
        and not len(flat) % inner
    ):
        rows: list[tuple[IntSet, IntSet]] = [
            (range(flat.start // inner, flat.stop // inner), range(inner))
        ]
    else:
        rows = _rows(sets.to_array(flat), inner)
    return [
        [*outer, items]
        for numbers, items in rows
        for outer in _unflatten(numbers, lengths[:-1], notes)
    ]


def _rows(values: np.ndarray, inner: int) -> list[tuple[IntSet, IntSet]]:
    """Rows with the same pattern, together."""
    number, place = np.divmod(values, inner)
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    patterns: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for a, b in pairwise([*starts.tolist(), len(values)]):
        pattern = place[a:b]
        patterns.setdefault(pattern.tobytes(), ([], pattern))[0].append(int(number[a]))
    return [
        (sets.from_array(np.array(numbers)), sets.from_array(pattern))
        for numbers, pattern in patterns.values()
    ]


def merge(known: list[Term], found: list[Term], notes: Notes) -> list[Term]:
    """Add terms to a union: absorbed where contained, joined where they differ in one dimension."""
    result = list(known)
    pending = list(found)
    while pending:
        term = pending.pop()
        for k, other in enumerate(result):
            differ = [d for d, (a, b) in enumerate(zip(term, other, strict=True)) if a != b]
            if not differ:
                break
            if len(differ) == 1:
                d = differ[0]
                joined = sets.union([other[d], term[d]])
                if joined == other[d]:
                    break
                del result[k]
                pending.append((*other[:d], joined, *other[d + 1 :]))
                break
            if all(sets.contains(other[d], term[d]) for d in differ):
                break
            if all(sets.contains(term[d], other[d]) for d in differ):
                del result[k]
                pending.append(term)
                break
        else:
            result.append(term)
    if len(result) > MAX_TERMS:
        notes.widened = True
        return [tuple(sets.union(parts) for parts in zip(*result, strict=True))]
    return result
