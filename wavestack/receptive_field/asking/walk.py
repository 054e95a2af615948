"""Questions to the recorded graph, answered backwards with exact sets of indices."""

from __future__ import annotations

from dataclasses import dataclass, field

from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.terms import Term, flatten, is_full, merge, unflatten
from wavestack.receptive_field.recording.graph import Edge, Graph, Node
from wavestack.receptive_field.relation import Global, Map, Notes, Sum
from wavestack.receptive_field.sets import IntSet


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
        if all(k == known.piece or is_full(t, node.sizes[k]) for k, t in enumerate(term)):
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
        full = all(is_full(term[k], node.sizes[k]) for k in range(low, high))
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
    if all(is_full(term[k], node.sizes[k]) for k in range(low, high)):
        return range(node.shape[d])
    return flatten(list(term[low:high]), list(node.sizes[low:high]), notes)


def _pieces(source: Node, i: int, items: IntSet) -> list[tuple[IntSet, ...]]:
    """The positions along a whole dimension, piece by piece."""
    begin, end = source.spans[i]
    if end - begin == 1:
        return [(items,)] if not sets.is_empty(items) else []
    lengths = list(source.sizes[begin:end])
    if is_full(items, source.shape[i]):
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
        elif not outs or all(is_full(term[k], node.sizes[k]) for k in outs):
            options = [{k: range(source.sizes[k]) for k in ins}]
        else:
            flat = flatten([term[k] for k in outs], [node.sizes[k] for k in outs], notes)
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
