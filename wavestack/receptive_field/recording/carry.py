"""Which dimension of a tensor carries which axis of the input, and at what step.

Every dimension is a list of factors (outermost first), because views merge and split dimensions; a
factor knows for each input axis the jump (input positions per step), an upper bound of the period
of its pattern, and whether it is the outermost part of that axis: a reduction over the outermost
part joins the whole axis, one over an inner part is only a window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from wavestack.receptive_field.relation import Map, Sum


@dataclass(frozen=True)
class Trace:
    """How one factor follows one input axis; jump None where it follows no regular step."""

    jump: Fraction | None
    period: int
    outer: bool


@dataclass(frozen=True)
class Factor:
    """One part of a dimension: its length and the axes it carries."""

    size: int
    traces: tuple[tuple[int, Trace], ...] = ()

    def trace(self, axis: int) -> Trace | None:
        return dict(self.traces).get(axis)


Factors = tuple[Factor, ...]


def plain(size: int) -> Factors:
    """A dimension that carries nothing."""
    return (Factor(size),)


def axes_of(factors: Factors) -> frozenset[int]:
    """All axes a dimension carries."""
    return frozenset(axis for factor in factors for axis, _ in factor.traces)


def outer_axes_of(factors: Factors) -> frozenset[int]:
    """The axes whose outermost part lies in this dimension."""
    return frozenset(axis for factor in factors for axis, trace in factor.traces if trace.outer)


def pure_trace(factors: Factors, axis: int, siblings: frozenset[int]) -> Trace | None:
    """The trace of an axis in a dimension that carries it whole and no other axis of its input."""
    single = as_one(factors)
    if single is None:
        return None
    traces = dict(single.traces)
    if axis not in traces or any(other in traces for other in siblings if other != axis):
        return None
    return traces[axis] if traces[axis].outer else None


def as_one(factors: Factors) -> Factor | None:
    """A dimension that steps through one carrying factor, as that factor; None where it does more.

    A plain part inside it (the r of a pixel shuffle, the repeats of a repetition) makes the steps
    smaller.
    """
    parts = [factor for factor in factors if factor.size > 1 or factor.traces]
    if len(parts) > 1:
        parts = [factor for factor in parts if factor.size > 1]
    if not parts or not parts[0].traces or any(factor.traces for factor in parts[1:]):
        return None
    inner = math.prod(factor.size for factor in parts[1:])
    if inner == 1:
        return parts[0]
    traces = tuple(
        (
            axis,
            Trace(
                None if trace.jump is None else trace.jump / inner,
                trace.period * inner,
                trace.outer,
            ),
        )
        for axis, trace in parts[0].traces
    )
    return Factor(parts[0].size * inner, traces)


def _mixed(size: int, *lists: Factors) -> Factors:
    traces: dict[int, Trace] = {}
    for factors in lists:
        for factor in factors:
            for axis, trace in factor.traces:
                outer = trace.outer or (axis in traces and traces[axis].outer)
                traces[axis] = Trace(None, 1, outer)
    return (Factor(size, tuple(sorted(traces.items()))),)


def _step(trace: Trace, ratio: Fraction, own_period: int) -> Trace:
    if trace.jump is None or ratio == 0:
        return Trace(None, 1, trace.outer)
    p, q = abs(ratio.numerator), ratio.denominator
    period = math.lcm(q * (trace.period // math.gcd(trace.period, p)), own_period)
    return Trace(trace.jump * ratio, period, trace.outer)


def through(factors: Factors, relation: Map, size: int) -> Factors:
    """The factors of a dimension after a map of one dimension to one."""
    if not axes_of(factors):
        return plain(size)
    old = math.prod(factor.size for factor in factors)
    ratio = relation.ratio
    if ratio == 1 and relation.period == 1 and size == old:
        return factors
    single = as_one(factors)
    if ratio is None or single is None:
        return _mixed(size, factors)
    traces = tuple((axis, _step(trace, ratio, relation.period)) for axis, trace in single.traces)
    return (Factor(size, traces),)


def through_sum(factors: Factors, relation: Sum, sizes: Sequence[int]) -> list[Factors]:
    """The factors of several output dimensions that together address one input dimension."""
    if not axes_of(factors) or len(factors) > 1:
        return [_mixed(size, factors) for size in sizes]
    steps = [
        abs(factor) * size if size > 1 else 0
        for factor, size in zip(relation.factors, sizes, strict=True)
    ]
    outermost = steps.index(max(steps)) if max(steps) > 0 else 0
    result: list[Factors] = []
    for k, (factor, size) in enumerate(zip(relation.factors, sizes, strict=True)):
        if factor == 0:
            result.append(plain(size))
            continue
        traces = []
        for axis, trace in factors[0].traces:
            moved = _step(trace, Fraction(factor), 1)
            traces.append((axis, Trace(moved.jump, moved.period, trace.outer and k == outermost)))
        result.append((Factor(size, tuple(traces)),))
    return result


def join(a: Factors, b: Factors) -> Factors:
    """The factors of a dimension that two inputs share."""
    if a == b or not axes_of(b):
        return a
    if not axes_of(a):
        return b
    if [f.size for f in a] != [f.size for f in b]:
        one, other = as_one(a), as_one(b)
        if one is not None and other is not None and one.size == other.size:
            return join((one,), (other,))
        return _mixed(math.prod(f.size for f in a), a, b)
    joined = []
    for x, y in zip(a, b, strict=True):
        traces = dict(x.traces)
        for axis, trace in y.traces:
            if axis in traces:
                own = traces[axis]
                jump = own.jump if own.jump == trace.jump else None
                period = math.lcm(own.period, trace.period)
                trace = Trace(jump, period, own.outer or trace.outer)
            traces[axis] = trace
        joined.append(Factor(x.size, tuple(sorted(traces.items()))))
    return tuple(joined)


def _split(factor: Factor, outer_size: int) -> tuple[Factor, Factor]:
    inner_size = factor.size // outer_size
    outer, inner = [], []
    for axis, trace in factor.traces:
        outer.append((axis, _step(trace, Fraction(inner_size), 1)))
        inner.append((axis, Trace(trace.jump, trace.period, False)))
    return Factor(outer_size, tuple(outer)), Factor(inner_size, tuple(inner))


def _fuse(parts: list[Factor]) -> Factors:
    """Put neighbouring parts of one axis together again."""
    result: list[Factor] = []
    for part in parts:
        if result and part.traces and result[-1].traces:
            fused = _fuse_two(result[-1], part)
            if fused is not None:
                result[-1] = fused
                continue
        if part.size > 1 or part.traces:
            result.append(part)
    return tuple(result) or (Factor(1),)


def _fuse_two(outer: Factor, inner: Factor) -> Factor | None:
    a, b = dict(outer.traces), dict(inner.traces)
    if a.keys() != b.keys():
        return None
    traces = []
    for axis in a:
        high, low = a[axis], b[axis]
        if high.jump is None or low.jump is None or high.jump != low.jump * inner.size:
            return None
        if low.outer:
            return None
        traces.append((axis, Trace(low.jump, inner.size * high.period, high.outer)))
    return Factor(outer.size * inner.size, tuple(traces))


def regroup(dims: Sequence[Factors], sizes: Sequence[int]) -> list[Factors]:
    """The factors of the dimensions that a view makes of the given ones (row-major order)."""
    queue = [factor for factors in dims for factor in factors if factor.size > 1 or factor.traces]
    if not any(factor.traces for factor in queue):
        return [plain(size) for size in sizes]
    everything = tuple(queue)
    result: list[Factors] = []
    for size in sizes:
        have = 1
        parts: list[Factor] = []
        while have < size:
            if not queue:
                return [_mixed(n, everything) for n in sizes]
            factor = queue.pop(0)
            if size % (have * factor.size) == 0:
                parts.append(factor)
                have *= factor.size
                continue
            wanted = size // have
            if size % have or factor.size % wanted:
                return [_mixed(n, everything) for n in sizes]
            outer, inner = _split(factor, wanted)
            parts.append(outer)
            queue.insert(0, inner)
            have = size
        result.append(_fuse(parts) if parts else plain(size))
    return result
