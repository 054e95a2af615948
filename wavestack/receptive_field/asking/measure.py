"""From index sets to numbers: extent, jump, start, period and phases of one axis of one tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.terms import Term, unflatten
from wavestack.receptive_field.asking.walk import Known, Need, walk
from wavestack.receptive_field.figures import Phase
from wavestack.receptive_field.recording import carry
from wavestack.receptive_field.recording.carry import Trace
from wavestack.receptive_field.recording.graph import Graph, Node
from wavestack.receptive_field.resize import Resize
from wavestack.receptive_field.sets import IntSet

# Periods longer than this are not followed phase by phase.
LONGEST_PERIOD = 4096
# From this period on, earlier tensors are measured first.
_PRIMED_FROM = 16
# Without a pattern every output is asked, up to this many.
MOST_OUTPUTS = 1024


@dataclass(frozen=True)
class Pattern:
    """What one tensor sees along one axis, global operators cut.

    Attributes:
        phases: per output of one period; empty without a repeating pattern
        jump, period: None without a repeating pattern
        start: first position of output 0
        size, used: of the largest extent
        lookahead: positions after floor(o * jump); None without a jump
        largest: the output (counted from the start of a period) with the largest extent
        aliased: True where a border could not be continued beyond, so the figures may be too small
        widened: True where they may be too large
    """

    phases: tuple[Phase, ...]
    jump: Fraction | None
    period: int | None
    start: int | None
    size: int
    used: int
    lookahead: int | None
    largest: int = 0
    aliased: bool = False
    widened: bool = False


def axis_dimension(node: Node, axis: int, siblings: frozenset[int]) -> tuple[int, Trace] | None:
    """The dimension of a tensor that is the given axis, if one is."""
    for d, factors in enumerate(node.factors):
        if axis in node.outer[d]:
            trace = carry.pure_trace(factors, axis, siblings)
            if trace is not None:
                return d, trace
    return None


def needs(
    graph: Graph,
    node: Node,
    picked: dict[int, int],
    active: frozenset[int],
    *,
    clipped: bool,
    local: bool,
    known: dict[int, Known] | None = None,
) -> Need:
    """What the picked positions of a tensor need (all positions of the dimensions not picked)."""
    starts: list[Term] = [node.full()]
    for d, o in picked.items():
        begin, end = node.spans[d]
        options = unflatten(range(o, o + 1), list(node.sizes[begin:end]))
        starts = [(*term[:begin], *parts, *term[end:]) for term in starts for parts in options]
    return walk(graph, node.index, starts, active=active, clipped=clipped, local=local, known=known)


class Ruler:
    """Measures one axis of one input at any tensor of a graph."""

    def __init__(
        self, graph: Graph, source: int, dim: int, axis: int, siblings: frozenset[int]
    ) -> None:
        self.graph = graph
        self.source = source
        self.dim = dim
        self.axis = axis
        self.siblings = siblings
        self.known: dict[int, Known] = {}
        self.primed = False
        self.uneven = any(
            isinstance(relation, Resize) and not relation.is_regular
            for node in graph.nodes
            for edge in node.edges
            for _, relation in edge.dims
        )

    def at(self, node: Node, d: int, o: int) -> tuple[IntSet, bool, bool]:
        """The positions that output o of dimension d needs, unclipped; aliased; widened."""
        need = needs(
            self.graph,
            node,
            {d: o},
            frozenset([self.axis]),
            clipped=False,
            local=True,
            known=self.known,
        )
        return need.along(self.source, self.dim), need.notes.aliased, need.notes.widened

    def measure(self, node: Node, *, most_phases: int = LONGEST_PERIOD) -> Pattern | None:
        """The pattern of a tensor; None where it does not have the axis."""
        found = axis_dimension(node, self.axis, self.siblings)
        if found is None:
            return None
        d, trace = found
        length = node.shape[d]
        regular = trace.jump is not None and trace.period <= most_phases
        if regular and trace.period > _PRIMED_FROM and not self.primed:
            self._prime(node)
        if regular and self.uneven and 2 * trace.period > length:
            regular = False
        if regular:
            pattern = self._regular(node, d, trace)
            if pattern is not None and (not self.uneven or self._holds(node, d, pattern)):
                return pattern
        return self._irregular(node, d)

    def _prime(self, node: Node) -> None:
        """Measure the windows on the way first: many phases then share what lies before them."""
        self.primed = True
        for earlier in self.graph.nodes[: node.index]:
            if earlier.geometry is not None and earlier.index not in self.known:
                self.measure(earlier, most_phases=LONGEST_PERIOD)

    def _regular(self, node: Node, d: int, trace: Trace) -> Pattern | None:
        jump, bound = trace.jump, trace.period
        assert jump is not None
        if (jump * bound).denominator != 1:
            bound *= (jump * bound).denominator
        origin = node.shape[d] // 2 // bound * bound
        found: list[IntSet] = []
        aliased = widened = False
        for k in range(bound + 1):
            items, loose, wide = self.at(node, d, origin + k)
            found.append(items)
            aliased |= loose
            widened |= wide
        advance = int(jump * bound)
        if not sets.is_same(found[bound], sets.shift(found[0], advance)):
            return None
        del found[bound]
        period = next(
            p
            for p in _divisors(bound)
            if (jump * p).denominator == 1 and _repeats(found, p, int(jump * p), advance)
        )
        home = int(jump * origin)
        begin, end = node.spans[d]
        if end - begin == 1 and not aliased and not widened:
            seen = tuple(sets.shift(items, -home) for items in found[:period])
            self.known[node.index] = Known(begin, int(jump * period), seen)
        phases = tuple(_phase(sets.shift(items, -home)) for items in found[:period])
        largest = max(range(period), key=lambda k: phases[k].size)
        ahead = [
            phase.start + phase.size - 1 - math.floor(k * jump)
            for k, phase in enumerate(phases)
            if phase.start is not None
        ]
        return Pattern(
            phases,
            jump,
            period,
            phases[0].start,
            phases[largest].size,
            phases[largest].used,
            max(ahead, default=0),
            largest,
            aliased,
            widened,
        )

    def _holds(self, node: Node, d: int, pattern: Pattern) -> bool:
        """Whether a pattern seen in the middle is that of all outputs away from the borders."""
        assert pattern.period is not None
        assert pattern.jump is not None
        n, period = node.shape[d], pattern.period
        advance = int(pattern.jump * period)
        margin = max(1, n // 8)
        asked = {int(o) for o in np.linspace(margin, n - 1 - margin, min(n, 96))}
        for o in sorted(asked):
            seen = _phase(self.at(node, d, o)[0])
            expected = pattern.phases[o % period]
            if expected.start is not None:
                expected = Phase(
                    expected.start + o // period * advance, expected.size, expected.used
                )
            if seen != expected:
                return False
        return True

    def _irregular(self, node: Node, d: int) -> Pattern:
        length = node.shape[d]
        asked = range(length)
        if length > MOST_OUTPUTS:
            asked_list = sorted({int(o) for o in np.linspace(0, length - 1, MOST_OUTPUTS)})
        else:
            asked_list = list(asked)
        best, where, widened, aliased = Phase(None, 0, 0), 0, False, False
        start = None
        for o in asked_list:
            items, loose, wide = self.at(node, d, o)
            aliased |= loose
            widened |= wide
            phase = _phase(items)
            if o == 0:
                start = phase.start
            if phase.size > best.size:
                best, where = phase, o
        return Pattern((), None, None, start, best.size, best.used, None, where, aliased, widened)


def _phase(items: IntSet) -> Phase:
    if sets.is_empty(items):
        return Phase(None, 0, 0)
    return Phase(sets.first(items), sets.last(items) - sets.first(items) + 1, sets.count(items))


def _divisors(n: int) -> list[int]:
    return [p for p in range(1, n + 1) if n % p == 0]


def _repeats(found: list[IntSet], period: int, by: int, advance: int) -> bool:
    bound = len(found)
    for k in range(bound):
        after, turns = (k + period) % bound, (k + period) // bound
        if not sets.is_same(sets.shift(found[after], turns * advance), sets.shift(found[k], by)):
            return False
    return True
