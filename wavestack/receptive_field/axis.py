"""Everything about one axis: its pattern, and the global operators that join it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wavestack.receptive_field import advice, sets
from wavestack.receptive_field.graph import Node
from wavestack.receptive_field.inputs import Input
from wavestack.receptive_field.measure import Pattern, axis_dimension, needs
from wavestack.receptive_field.relation import Global
from wavestack.receptive_field.report import Axis
from wavestack.receptive_field.trace import Traced
from wavestack.receptive_field.walk import Need

if TYPE_CHECKING:
    from wavestack.receptive_field.analysis import Analysis

# A field that is still cut off at this many times the input's length is given up on.
_LARGEST_FACTOR = 4096

# The pattern, the tensor that has the axis, and whether the asked one no longer has it.
Measured = tuple[Pattern | None, Node | None, bool]


def axis_of(analysis: Analysis, item: Input, name: str, dim: int, number: int) -> Axis:
    """Everything about one axis."""
    length = item.tensor.shape[dim]
    pattern, node, collapsed = analysis.measured(item, number)
    siblings = frozenset(n for _, _, n in item.axes)
    unknown = bool(analysis.full_need.unknown)
    if pattern is None or node is None or unknown:
        reached = (
            analysis.full_need.along(analysis.run.inputs[item.name], dim)
            if item.name in analysis.run.inputs
            else range(0)
        )
        nothing = sets.is_empty(reached) and not unknown
        return Axis(
            name, 0 if nothing else None, 0 if nothing else None, None, None, None, (), None,
            None,
            None, length, 0, True,
        )  # fmt: skip
    joined = joins(analysis, number)
    size: int | float = pattern.size
    lookahead: int | float | None = pattern.lookahead
    if joined:
        size = math.inf
        if any(side != "past" for _, _, side in joined) or _looks_back_to_front(
            analysis, item, dim, number, pattern
        ):
            lookahead = math.inf
            analysis.reversed.add(number)
    elif collapsed:
        need = needs(
            analysis.graph, analysis.target, {}, frozenset([number]), clipped=False, local=True
        )
        whole = need.along(analysis.run.inputs[item.name], dim)
        if not sets.is_empty(whole):
            size = max(pattern.size, sets.last(whole) - sets.first(whole) + 1)
    found = axis_dimension(node, number, siblings)
    assert found is not None
    advice.note_pattern(analysis, name, pattern, length)
    return Axis(
        name,
        size,
        pattern.size,
        pattern.jump,
        pattern.start,
        pattern.period,
        pattern.phases,
        pattern.used,
        pattern.used / pattern.size if pattern.size else None,
        lookahead,
        length,
        node.shape[found[0]],
        collapsed,
    )


def measure(analysis: Analysis, item: Input, number: int) -> Measured:
    """See Analysis.measured."""
    first: Measured | None = None
    for factor in _factors(analysis):
        run = analysis.run if factor == 1 else analysis.enlarged(factor)
        if run is None:
            break
        target = run.graph[analysis.subject(run)]
        ruler = analysis.ruler(run, item, number)
        siblings = frozenset(n for _, _, n in item.axes)
        node: Node | None = target
        collapsed = axis_dimension(target, number, siblings) is None
        if collapsed:
            need = (
                analysis.full_need
                if run is analysis.run and target is analysis.target
                else needs(run.graph, target, {}, frozenset(), clipped=True, local=False)
            )
            node = _last_with(number, item, run, need)
        if node is None:
            return None, None, True
        pattern = ruler.measure(node)
        if first is None:
            first = (pattern, node, collapsed)
        if pattern is None or not pattern.aliased:
            if pattern is not None and factor > 1 and pattern.jump is None:
                break
            return pattern, first[1], collapsed
    assert first is not None
    return first


def _factors(analysis: Analysis) -> list[int]:
    """1, and then larger and larger multiples that keep the sizes modulo the strides."""
    graph = analysis.run.graph
    strides = {1}
    for node in graph.nodes:
        for factors in node.factors:
            for factor in factors:
                for _, step in factor.traces:
                    if step.jump is not None:
                        strides.add(abs(step.jump.numerator * step.period))
    total = 1
    for stride in strides:
        total = math.lcm(total, stride)
    unit = 1
    for other in analysis.inputs.items:
        for _, d, _ in other.axes:
            length = other.tensor.shape[d]
            unit = math.lcm(unit, total // math.gcd(total, length))
    larger = (1 + unit * 4**k for k in range(5))
    return [1, *(times for times in larger if times <= _LARGEST_FACTOR)]


def _last_with(number: int, item: Input, run: Traced, need: Need) -> Node | None:
    """The last tensor on the way that still had an axis."""
    siblings = frozenset(n for _, _, n in item.axes)
    for index in sorted(need.visited, reverse=True):
        node = run.graph[index]
        if axis_dimension(node, number, siblings) is not None:
            return node
    return None


def _looks_back_to_front(
    analysis: Analysis, item: Input, dim: int, number: int, pattern: Pattern
) -> bool:
    """Whether a scan of the past runs on a reversed axis, so that it scans the future."""
    found = axis_dimension(analysis.target, number, frozenset(n for _, _, n in item.axes))
    if found is None or pattern.jump is None or pattern.lookahead is None:
        return found is not None
    middle = analysis.target.shape[found[0]] // 2
    need = needs(
        analysis.graph, analysis.target, {found[0]: middle}, frozenset(), clipped=True, local=False
    )
    reached = need.along(analysis.run.inputs[item.name], dim)
    limit = math.floor(middle * pattern.jump) + pattern.lookahead
    return not sets.is_empty(reached) and sets.last(reached) > limit


def joins(analysis: Analysis, number: int) -> list[tuple[str, str, str]]:
    """The global operators along an axis: (module, operator, side)."""
    found = []
    for index, edge, i in analysis.full_need.joins:
        node = analysis.graph[index]
        source = analysis.graph[edge.source]
        if number in source.outer[i] and not node.unknown:
            relation = edge.dims[i][1]
            assert isinstance(relation, Global)
            side = (
                "both" if number in analysis.reversed and relation.side == "past" else relation.side
            )
            entry = (node.module, _plain_name(node.operator), side)
            if entry not in found:
                found.append(entry)
    return found[::-1]


def _plain_name(operator: str) -> str:
    if "scaled_dot_product" in operator:
        return "scaled_dot_product_attention"
    for prefix in ("native_", "_native_", "_"):
        if operator.startswith(prefix):
            return operator[len(prefix) :]
    return operator
