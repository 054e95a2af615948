"""Questions to the recorded graph, answered backwards with exact sets of indices.

What is needed of a tensor is a union of products: a list of terms, each one set of indices per
dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.graph import Edge, Graph, Node
from wavestack.receptive_field.relation import Global, Map, Notes, Sum
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
        shortcuts: what was answered by tensors measured before
    """

    terms: dict[int, list[Term]] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    joins: list[tuple[int, Edge, int]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    visited: list[int] = field(default_factory=list)
    shortcuts: list[IntSet] = field(default_factory=list)

    def along(self, node: int, dim: int) -> IntSet:
        """The positions needed along one dimension of an input."""
        found = sets.union(term[dim] for term in self.terms.get(node, []))
        return sets.union([found, *self.shortcuts]) if self.shortcuts else found


@dataclass(frozen=True)
class Known:
    """A tensor that has been measured before: its positions along one piece, translated at once.

    Attributes:
        piece: the piece of its sizes that is the axis
        advance: input positions per period
        phases: what each output of one period needs
    """

    piece: int
    advance: int
    phases: tuple[IntSet, ...]

    def pull(self, items: IntSet) -> IntSet:
        """What a set of its positions needs of the input."""
        period = len(self.phases)
        parts = []
        for k, phase in enumerate(self.phases):
            turns = sets.divide(sets.shift(items, -k), period)
            if not sets.is_empty(turns) and not sets.is_empty(phase):
                parts.append(sets.plus(phase, sets.affine(turns, self.advance, 0)))
        return sets.union(parts)


def walk(
    graph: Graph,
    target: int,
    start: list[Term],
    *,
    active: frozenset[int] = frozenset(),
    clipped: bool = True,
    local: bool = False,
    known: dict[int, Known] | None = None,
    trail: dict[int, list[Term]] | None = None,
) -> Need:
    """Walk back from positions of one tensor to the inputs.

    Args:
        graph: the recorded run
        target: the node asked about
        start: the positions asked about
        active: axes that are not clipped when ``clipped`` is False, and cut when ``local``
        clipped: count real positions alone
        local: cut the global operators along the active axes
        known: tensors measured before along the one active axis, where the walk may stop
        trail: filled with what is needed of every tensor on the way
    """
    need = Need()
    wanted: dict[int, list[Term]] = {target: start}
    while wanted:
        index = max(wanted)
        terms = wanted.pop(index)
        node = graph[index]
        need.visited.append(index)
        if trail is not None:
            trail[index] = terms
        if node.operator.startswith("input "):
            need.terms[index] = terms
            continue
        if known and index in known and index != target:
            terms = _shortcut(node, terms, known[index], need)
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


def _shortcut(node: Node, terms: list[Term], known: Known, need: Need) -> list[Term]:
    """Answer the terms that hold everything but for the measured axis; return the others."""
    rest = []
    for term in terms:
        if all(k == known.piece or _is_full(t, node.sizes[k]) for k, t in enumerate(term)):
            need.shortcuts.append(known.pull(term[known.piece]))
        else:
            rest.append(term)
    return rest


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
        picked = positions_along(node, d, term, notes)
        if not clipped and node.axes[d] & active and sets.outside(picked, 0, node.shape[d]):
            notes.aliased = True
        if not sets.contains(picked, allowed):
            return []
    if edge.groups is not None:
        return _pull_view(node, source, edge, term, active, clipped, notes)
    results: list[tuple[IntSet, ...]] = [()]
    for i, (reach, relation) in enumerate(edge.dims):
        options = _options(
            node, source, edge, i, reach, relation, term, active, clipped, local, notes
        )
        if not options:
            return []
        if len(options) == 1:
            results = [known + options[0] for known in results]
        else:
            results = [known + option for known in results for option in options]
    return results


def _options(
    node: Node,
    source: Node,
    edge: Edge,
    i: int,
    reach: int | tuple[int, ...],
    relation: Map,
    term: Term,
    active: frozenset[int],
    clipped: bool,
    local: bool,
    notes: Notes,
) -> list[tuple[IntSet, ...]]:
    """What one input dimension needs: a union of products over its pieces."""
    begin, end = source.spans[i]
    cut = clipped or not (source.axes[i] & active)
    if local and isinstance(relation, Global) and source.outer[i] & active:
        if relation.local is None:
            return []
        reach, relation = relation.local, relation.local_map
    if isinstance(reach, tuple):
        assert isinstance(relation, Sum)
        parts = tuple(positions_along(node, d, term, notes) for d in reach)
        items = relation.pull_many(parts, cut, notes)
    elif reach < 0:
        items = relation.pull(sets.EMPTY, cut, notes)
    else:
        low, high = node.spans[reach]
        plain = type(relation) is Map
        if plain and node.sizes[low:high] == source.sizes[begin:end]:
            return _cut([term[low:high]], source, i, active, clipped)
        full = all(_is_full(term[k], node.sizes[k]) for k in range(low, high))
        if full and cut:
            if i not in edge.memo:
                pulled = relation.pull(range(node.shape[reach]), True, notes)
                pulled = sets.clip(pulled, 0, source.shape[i])
                edge.memo[i] = _pieces(source, i, pulled)
            return edge.memo[i]
        items = relation.pull(positions_along(node, reach, term, notes), cut, notes)
    if cut:
        items = sets.clip(items, 0, source.shape[i])
    return _cut(_pieces(source, i, items), source, i, active, clipped)


def _cut(
    options: list[tuple[IntSet, ...]],
    source: Node,
    i: int,
    active: frozenset[int],
    clipped: bool,
) -> list[tuple[IntSet, ...]]:
    """Only real positions, where positions in the padding are not asked for."""
    begin, _ = source.spans[i]
    found = []
    for option in options:
        kept = tuple(
            sets.clip(items, 0, source.sizes[begin + k])
            if clipped or not (source.piece_axes[begin + k] & active)
            else items
            for k, items in enumerate(option)
        )
        if not any(sets.is_empty(items) for items in kept):
            found.append(kept)
    return found


def positions_along(node: Node, d: int, term: Term, notes: Notes) -> IntSet:
    """The positions along a whole dimension."""
    low, high = node.spans[d]
    if high - low == 1:
        return term[low]
    if all(_is_full(term[k], node.sizes[k]) for k in range(low, high)):
        return range(node.shape[d])
    return _flatten(list(term[low:high]), list(node.sizes[low:high]), notes)


def _pieces(source: Node, i: int, items: IntSet) -> list[tuple[IntSet, ...]]:
    """The positions along a whole dimension, piece by piece."""
    begin, end = source.spans[i]
    if end - begin == 1:
        return [(items,)] if not sets.is_empty(items) else []
    lengths = list(source.sizes[begin:end])
    if _is_full(items, source.shape[i]):
        return [tuple(range(n) for n in lengths)]
    return [tuple(parts) for parts in unflatten(items, lengths)]


def _pull_view(
    node: Node,
    source: Node,
    edge: Edge,
    term: Term,
    active: frozenset[int],
    clipped: bool,
    notes: Notes,
) -> list[Term]:
    if edge.plan is None:
        edge.plan = _plan(node, source, edge)
    terms: list[dict[int, IntSet]] = [{}]
    for outs, ins in edge.plan:
        if len(outs) == 1 and len(ins) == 1:
            options = [{ins[0]: term[outs[0]]}]
        elif not outs or all(_is_full(term[k], node.sizes[k]) for k in outs):
            options = [{k: range(source.sizes[k]) for k in ins}]
        else:
            flat = _flatten([term[k] for k in outs], [node.sizes[k] for k in outs], notes)
            lengths = [source.sizes[k] for k in ins]
            options = [dict(zip(ins, parts, strict=True)) for parts in unflatten(flat, lengths)]
        terms = [{**known, **option} for known in terms for option in options]
    result = []
    for found in terms:
        parts = []
        for k, length in enumerate(source.sizes):
            items = found[k]
            if clipped or not (source.piece_axes[k] & active):
                items = sets.clip(items, 0, length)
            parts.append(items)
        if not any(sets.is_empty(items) for items in parts):
            result.append(tuple(parts))
    return result


def _plan(node: Node, source: Node, edge: Edge) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Which pieces of a view's two sides belong together: as few at a time as possible."""
    plan: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    assert edge.groups is not None
    for outs, ins in edge.groups:
        left = [k for d in outs for k in range(*node.spans[d])]
        right = [k for i in ins for k in range(*source.spans[i])]
        if not left or not right:
            plan.append((tuple(left), tuple(right)))
            continue
        while left or right:
            a, b = [left.pop(0)], [right.pop(0)]
            m, n = node.sizes[a[0]], source.sizes[b[0]]
            while m != n:
                if m < n:
                    a.append(left.pop(0))
                    m *= node.sizes[a[-1]]
                else:
                    b.append(right.pop(0))
                    n *= source.sizes[b[-1]]
            plan.append((tuple(a), tuple(b)))
    return plan


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


def unflatten(flat: IntSet, lengths: list[int]) -> list[list[IntSet]]:
    """The union of products that a flat set becomes; only the outermost may leave its borders."""
    if sets.is_empty(flat):
        return []
    if len(lengths) == 1:
        return [[flat]]
    inner = lengths[-1]
    aligned = isinstance(flat, range) and flat.step == 1
    if aligned and not sets.first(flat) % inner and not sets.count(flat) % inner:
        start, stop = sets.first(flat) // inner, (sets.last(flat) + 1) // inner
        rows: list[tuple[IntSet, IntSet]] = [(range(start, stop), range(inner))]
    else:
        rows = _rows(sets.to_array(flat), inner)
    return [
        [*outer, items] for numbers, items in rows for outer in unflatten(numbers, lengths[:-1])
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
